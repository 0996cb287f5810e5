"""What goes with what: method, precision of the base, architecture, merging; a reason for each no.

Owns: the one table that preflight, `tunegrid methods` and `tunegrid merge` ask. Imports neither
torch nor peft, so that a combination is refused in a second.

Every entry was seen with peft 0.21.2 and bitsandbytes 0.50.2 on a CPU, on Llama and Bloom. Over
packed (8 or 4 bit) weights a method is accepted only where it was verified: some methods of the
library take the packed codes for weights and train on wrong numbers without an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunegrid.config.choices import Precision
from tunegrid.config.schema import PeftConfig

PACKED = (Precision.int8, Precision.nf4)
FAMILIES = ("bloom", "llama")
"""The architectures every entry was seen on; others are treated like Llama."""

OF_2023 = ("baichuan", "baichuan_alibi", "chatglm", "chatglm2", "internlm", "moss")
"""The architectures that are implemented here (docs/decisions/052), LoRA verified on each."""

_CODES = "it takes the packed codes of the weights for weights and trains on wrong numbers"
_NO_GRADIENT = "its weights get no gradient over packed weights"
_FAILS = "it cannot be attached to packed weights, or fails in its first pass"
_VIEW = "it adds in place to what bitsandbytes hands out as a view, which torch refuses"
_WHOLE = "packed weights are whole numbers, which take no gradient"


@dataclass(frozen=True)
class Rule:
    """Kinds of methods that do not go with these precisions and architectures, and why."""

    kinds: tuple[str, ...]
    reason: str
    precisions: tuple[Precision, ...] = tuple(Precision)
    families: tuple[str, ...] = ()
    """Empty for all."""
    instead: str = "use quantization=fp32 or bf16"


RULES = (
    Rule(("HRA", "DEFT", "PEANUT"), _CODES, PACKED),
    Rule(("UNILORA",), _NO_GRADIENT, PACKED),
    Rule(("DELORA", "FROD", "GLORA", "OSF", "PSOFT", "SUPERTUNING", "TINYLORA"), _FAILS, PACKED),
    Rule(("LOHA", "LOKR"), _FAILS, (Precision.nf4,), instead="use quantization=int8 or fp32"),
    Rule(("C3A", "GRALORA"), _VIEW, PACKED, ("bloom",)),
    Rule(
        ("LORA pissa",),
        "it decomposes the weights and keeps the rest, which must be plain numbers",
        PACKED,
        instead="use quantization=fp32 or bf16, or peft=olora, which requantizes the rest",
    ),
    Rule(("full", "freeze"), _WHOLE, PACKED, instead="use fp32 or bf16, or peft=qlora over nf4"),
    Rule(
        ("bitfit",),
        "the architecture has no biases",
        families=("baichuan", "baichuan_alibi", "llama", "qwen3"),
        instead="use peft=ln_tuning, which trains the norms",
    ),
    Rule(
        ("ADAPTION_PROMPT",),
        "peft knows no place for it in this architecture",
        families=("bloom", "codegen", "glm", *OF_2023),
        instead="use peft=lora",
    ),
    Rule(
        (
            "CARTRIDGE",
            "CPT",
            "MULTITASK_PROMPT_TUNING",
            "PREFIX_TUNING",
            "PROMPT_TUNING",
            "P_TUNING",
        ),
        "it hands over embeddings or keys without ids, and the ids say where the context ends",
        families=("chatglm",),
        instead="use peft=lora",
    ),
)

VERIFIED_ON_PACKED = frozenset(
    {
        "ADALORA", "ADAPTION_PROMPT", "BEFT", "BOFT", "C3A", "CARTRIDGE", "CPT", "FOURIERFT",
        "GRALORA", "HIRA", "IA3", "LILY", "LN_TUNING", "LOHA", "LOKR", "LORA", "LORA dora",
        "LORA olora", "MISS", "MULTITASK_PROMPT_TUNING", "OFT", "PREFIX_TUNING",
        "PROMPT_TUNING", "PVERA", "P_TUNING", "RANDLORA", "ROAD", "SHADOW", "SHIRA",
        "TRAINABLE_TOKENS", "VBLORA", "VERA", "WAVEFT", "bitfit", "bottleneck", "none",
    }
)  # fmt: skip

_IN_FRONT = "it puts tokens of its own in front of the text, which no weight of the base holds"
_UNMERGED = {
    "bottleneck": "a bottleneck adapter is not linear, so no weight matrix equals base and adapter",
    "PROMPT_TUNING": _IN_FRONT,
    "P_TUNING": _IN_FRONT,
    "PREFIX_TUNING": _IN_FRONT,
    "MULTITASK_PROMPT_TUNING": _IN_FRONT,
    "CPT": _IN_FRONT,
    "CARTRIDGE": _IN_FRONT,
    "ADAPTION_PROMPT": "it adds a gated attention of its own, which no weight of the base holds",
    "LILY": "its layers share experts that depend on the input",
    "SHADOW": "it is a network beside the base",
    "none": "the base was not trained, so there is nothing to merge",
}


def kind_of(peft: PeftConfig) -> str:
    """Return what a method is called in the table: `LORA`, `LORA dora`, `bottleneck`, `full`.

    Args:
        peft: the method; its function names the module, its options the type in peft.

    """
    if peft.function is None:
        return "none"
    module, _, function = peft.function.rpartition(".")
    if "type" in peft.options:
        return _library_kind(peft.options)
    if function != "attach":
        return function
    return {"adalora": "ADALORA", "lora_plus": "LORA"}.get(module, module)


def _library_kind(options: Mapping[str, Any]) -> str:
    kind = str(options["type"]).upper()
    if kind != "LORA":
        return kind
    if options.get("use_dora"):
        return "LORA dora"
    start = str(options.get("init_lora_weights", "")).partition("_")[0]
    return f"LORA {start}" if start in ("olora", "pissa") else "LORA"


def reason_against(peft: PeftConfig, precision: Precision, family: str) -> str | None:
    """Return why a method does not go with a base, with what to do; None when it does.

    Args:
        peft: the method.
        precision: how the base's weights are held.
        family: the base's `model_type`.

    """
    kind = kind_of(peft)
    named = f"peft={peft.name} with quantization {precision.value} on {family}"
    if peft.precisions and precision not in peft.precisions:
        accepted = " or ".join(one.value for one in peft.precisions)
        return f"{named}: this method is defined over {accepted}; use quantization={accepted}"
    for rule in RULES:
        fits = kind in rule.kinds and precision in rule.precisions
        if fits and (not rule.families or family in rule.families):
            return f"{named}: {rule.reason}; {rule.instead}"
    if precision in PACKED and kind not in VERIFIED_ON_PACKED:
        return (
            f"{named}: {kind} was not verified over packed weights, and some methods train on "
            "wrong numbers there without an error; use quantization=fp32 or bf16"
        )
    return None


def reason_not_to_merge(peft: PeftConfig) -> str | None:
    """Return why a trained method cannot become part of the base's weights; None when it can."""
    return _UNMERGED.get(kind_of(peft))


def reason_against_checkpointing(peft: PeftConfig) -> str | None:
    """Return why a method does not go with gradient checkpointing; None when it does."""
    if kind_of(peft) in ("PREFIX_TUNING", "CARTRIDGE"):
        return (
            f"peft={peft.name} hands its prefix over in the cache of keys, which is made once, so "
            "activations cannot be computed again; set runtime.gradient_checkpointing=false"
        )
    return None
