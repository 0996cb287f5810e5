"""What a base with a method attached is: parameters, exactly, and the sizes that memory needs.

Owns: the numbers of an architecture, counted on torch's meta device without weights. Imports torch
only in `counted`, which runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from tunegrid.config.fingerprint import file_sha256
from tunegrid.config.project import source_directory
from tunegrid.config.schema import CellConfig, ModelConfig, PeftConfig
from tunegrid.plan.facts import REFUSED, Job
from tunegrid.store import provenance
from tunegrid.store.inputs.hub_commit import cached_config

LIBRARIES = ("torch", "transformers", "peft")
PARTS = ("architectures", "bases", "methods")
"""What of `models` the numbers depend on."""


@dataclass(frozen=True)
class Architecture:
    """The numbers of one base with one method."""

    trainable: int
    total: int
    """All parameters, the method's included."""
    base: int
    """Those of the base alone."""
    quantizable: int
    """The weights of linear modules but the head: what 8 and 4 bit pack."""
    largest_linear: int
    hidden: int
    layers: int
    inner: int
    """Width of the feed-forward part."""
    is_gated: bool
    heads: int
    key_value_size: int
    """Keys of one token in one layer: heads that have their own times their width."""
    vocabulary: int
    source: str
    """`config.json`, or `model.architecture_config`."""


def job(config: CellConfig) -> Job:
    """Return what finds out the architecture of a cell's base with its method."""
    method = None if config.peft.function is None else config.peft
    directory = Path(config.model.path)
    file = directory / "config.json"
    depends_on = {
        "base": file_sha256(file) if file.is_file() else config.model.path,
        "revision": config.model.revision,
        "cached": cached_config(config.model.path, config.model.revision) is not None,
        "architecture": config.model.architecture,
        "stated": config.model.architecture_config,
        "method": None
        if method is None
        else {"function": method.function, "options": method.options},
        "program": _program(),
    }
    return Job("architecture", depends_on, counted, (config.model, method))


def read(fact: Mapping[str, Any]) -> Architecture | str:
    """Return the numbers in a fact, or why there are none."""
    if REFUSED in fact:
        return str(fact[REFUSED])
    return Architecture(**{one.name: fact[one.name] for one in fields(Architecture)})


def counted(model: ModelConfig, method: PeftConfig | None) -> dict[str, Any]:
    """Return the numbers of a base with a method; imports torch, loads no weights.

    Raises:
        ConfigError: no config.json and no stated numbers, or a method that the base cannot take.
    """
    from tunegrid.models.bases.skeleton import skeleton
    from tunegrid.models.methods.attach import PLANNED_STEPS, attach_to_skeleton
    from tunegrid.models.parameters import count

    root = Path()
    base = skeleton(model, root, may_be_stated=True)
    counts = base.counts()
    sizes = _linear_sizes(base.model)
    config = base.model.config.get_text_config()
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    inner = inner or 4 * config.hidden_size
    is_gated = _is_gated(base.model, inner)
    trainable, total = 0, counts.total
    if method is not None:
        # The first try takes the skeleton that is here; one that it spoils is built anew.
        built = [base.model]
        attached = attach_to_skeleton(
            method,
            lambda: built.pop() if built else skeleton(model, root, may_be_stated=True).model,
            PLANNED_STEPS,
        )
        with_method = count(attached.model)
        trainable, total = with_method.trainable, with_method.total
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return asdict(
        Architecture(
            trainable=trainable,
            total=total,
            base=counts.total,
            quantizable=sum(sizes),
            largest_linear=max(sizes, default=0),
            hidden=config.hidden_size,
            layers=config.num_hidden_layers,
            inner=inner,
            is_gated=is_gated,
            heads=heads,
            key_value_size=(getattr(config, "num_key_value_heads", None) or heads) * width,
            vocabulary=config.vocab_size,
            source=base.source,
        )
    )


def _is_gated(model: Any, inner: int) -> bool:
    """Return whether the feed-forward part has a gate, of its own or in one matrix with the rest.

    ChatGLM2's `dense_h_to_4h` holds both, twice as wide as what comes out behind the gate.
    """
    return any(
        "gate" in name or (name.endswith("dense_h_to_4h") and module.out_features == 2 * inner)
        for name, module in model.named_modules()
    )


def _linear_sizes(model: Any) -> list[int]:
    """Return the weights of each linear module but the head, which is never packed."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return [
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    ]


@cache
def _program() -> dict[str, Any]:
    """Return what counts: the libraries, and this package's own parts of models."""
    package = source_directory() / "tunegrid" / "models"
    own = sorted(p for part in PARTS for p in (package / part).rglob("*.py"))
    if not own:
        raise FileNotFoundError(f"there is no source of {', '.join(PARTS)} under {package}")
    return {
        "libraries": {name: provenance.version(name) for name in LIBRARIES},
        "files": [file_sha256(path) for path in (*own, Path(__file__))],
    }
