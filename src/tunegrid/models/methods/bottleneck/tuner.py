"""Bottleneck adapters as a tuner of peft: the config, the places, and peft told of both.

Owns: which modules of an architecture carry an adapter, and on which side. Importing it registers
`BOTTLENECK` with peft, after which `PeftModel.from_pretrained` reads such adapters too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peft import PeftConfig
from peft import mapping as peft_mapping
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from peft.utils import PeftType, register_peft_method
from torch import nn

from tunegrid.models.methods.bottleneck.layer import NOT_MERGED, BottleneckLayer

NAME = "BOTTLENECK"


@dataclass(frozen=True)
class Places:
    """The modules of an architecture's blocks, by the ends of their names."""

    attention_inputs: tuple[str, ...]
    attention_output: str
    mlp_inputs: tuple[str, ...]
    mlp_output: str
    mlp: str = "mlp"


_LLAMA = Places(
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o_proj",
    ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj",
)
PLACES = {
    "bloom": Places(
        ("self_attention.query_key_value",),
        "self_attention.dense",
        ("mlp.dense_h_to_4h",),
        "mlp.dense_4h_to_h",
    ),
    "llama": _LLAMA,
    "qwen3": _LLAMA,
    "glm": Places(
        _LLAMA.attention_inputs, _LLAMA.attention_output, ("mlp.gate_up_proj",), "mlp.down_proj"
    ),
    "codegen": Places(("attn.qkv_proj",), "attn.out_proj", ("mlp.fc_in",), "mlp.fc_out"),
}


def sides(places: Places, placement: str) -> dict[str, str]:
    """Return the modules of a placement and the side each adapter is on; see `bottleneck`."""
    if placement == "after_mlp":
        return {places.mlp_output: "after"}
    if placement == "around_mlp":
        return {**dict.fromkeys(places.mlp_inputs, "before"), places.mlp_output: "after"}
    if placement == "after_attention_and_mlp":
        return {places.attention_output: "after", places.mlp_output: "after"}
    if placement == "beside_attention":
        return dict.fromkeys(places.attention_inputs, "beside")
    if placement == "beside_mlp":
        return {places.mlp: "beside"}
    raise ValueError(f"there is no placement {placement!r}")


@dataclass
class BottleneckConfig(PeftConfig):
    """What adapter_config.json holds; the fields' meaning stands in `bottleneck.attach`."""

    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    bias: str = "none"
    """Of the base, as peft asks for; the adapter's own is `adapter_bias`."""
    placement: str = "after_mlp"
    bottleneck_size: int = 64
    activation: str = "tanh"
    scaling: float = 1.0
    dropout: float = 0.0
    adapter_bias: bool = False
    initialization: str = "identity"
    sides: dict[str, str] = field(default_factory=dict)
    """The side by module; follows from the placement and the architecture."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType[NAME]
        # peft compares sets; it would match a list as well, but writes what it is given.
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)  # type: ignore[assignment]


class BottleneckModel(BaseTuner):
    """Puts a `BottleneckLayer` around each target module."""

    prefix: str = "bottleneck_"
    tuner_layer_cls = BottleneckLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012 - peft's own form

    def _prepare_adapter_config(self, peft_config: Any, model_config: dict[str, Any]) -> Any:
        if not peft_config.sides:
            kind = model_config["model_type"]
            if kind not in PLACES:
                raise ValueError(
                    f"no places for bottleneck adapters are known in {kind!r}; accepted: "
                    f"{', '.join(sorted(PLACES))}"
                )
            peft_config.sides = sides(PLACES[kind], peft_config.placement)
        if peft_config.target_modules is None:
            peft_config.target_modules = set(peft_config.sides)
        return peft_config

    def _create_and_replace(
        self,
        peft_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        base = target.get_base_layer() if isinstance(target, BaseTunerLayer) else target
        hidden = self.model.config.get_text_config().hidden_size
        sizes = (getattr(base, "in_features", hidden), getattr(base, "out_features", hidden))
        side = next(
            side
            for ending, side in peft_config.sides.items()
            if current_key == ending or current_key.endswith(f".{ending}")
        )
        layer = target if isinstance(target, BottleneckLayer) else BottleneckLayer(target)
        layer.update_layer(adapter_name, peft_config, side, sizes)
        if adapter_name not in self.active_adapters:
            for named in (layer.bottleneck_down, layer.bottleneck_up):
                named[adapter_name].requires_grad_(False)
        if layer is not target:
            setattr(parent, target_name, layer)

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        # peft's own moves the weights of the child, and a whole MLP has no weight.
        setattr(parent, child_name, new_module)

    def _check_merge_allowed(self) -> None:
        raise ValueError(NOT_MERGED)


def _register() -> None:
    """Add `BOTTLENECK` to peft's closed list of methods, once.

    peft refuses names that its enum lacks. A plain string as key would do for peft itself, but
    transformers asks the member for its value when it reads an adapter.
    """
    if NAME not in PeftType.__members__:
        member: Any = str.__new__(PeftType, NAME)
        member._name_ = NAME
        member._value_ = NAME
        member._sort_order_ = len(PeftType._member_names_)
        member.__objclass__ = PeftType
        PeftType._member_names_.append(NAME)
        PeftType._member_map_[NAME] = member
        PeftType._value2member_map_[NAME] = member
        type.__setattr__(PeftType, NAME, member)
    if PeftType[NAME] not in peft_mapping.PEFT_TYPE_TO_TUNER_MAPPING:
        register_peft_method(
            name=NAME.lower(), config_cls=BottleneckConfig, model_cls=BottleneckModel
        )


_register()
