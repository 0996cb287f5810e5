"""The methods for one base as rows: trainable parameters, and what each goes with.

Owns: the rows of `tunegrid methods`. Methods are attached to the real architecture on the meta
device, so no weights are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig, PeftConfig
from tunegrid.models.methods.compatibility import reason_against, reason_not_to_merge

STUDY = (
    "adalora", "lora", "prompt_tuning", "p_tuning", "prefix_tuning", "sadapter_p", "sadapter_h",
    "p_adapter", "sadapter_p_large", "sadapter_h_large", "p_adapter_large",
)  # fmt: skip
"""The rows of the study's Table 4, in its order."""

PRECISIONS = (Precision.fp32, Precision.bf16, Precision.fp16, Precision.int8, Precision.nf4)
COLUMNS = (
    "method",
    "trainable_parameters",
    "percent",
    *(one.value for one in PRECISIONS),
    "merges",
)


def rows(model: ModelConfig, methods: Sequence[PeftConfig], root: Path) -> Iterator[dict[str, Any]]:
    """Yield one row a method: the study's first, in the order of its table, then by name.

    `trainable_parameters` is None where the base cannot take the method; `reasons` says why, and
    why a precision or merging is no. Precisions and `merges` are true or false.

    Args:
        model: the base; its config.json, or the numbers stated beside it.
        methods: those to attach.
        root: what a relative `model.path` is relative to.

    """
    from tunegrid.models.bases.skeleton import skeleton

    order = {name: position for position, name in enumerate(STUDY)}
    base = skeleton(model, root, may_be_stated=True)
    facts = {"base_parameters": base.counts().total, "counted_from": base.source}
    for method in sorted(methods, key=lambda m: (order.get(m.name, len(order)), m.name)):
        yield _row(model, method, root) | facts


def _row(model: ModelConfig, method: PeftConfig, root: Path) -> dict[str, Any]:
    from tunegrid.models.bases.skeleton import skeleton
    from tunegrid.models.methods.attach import PLANNED_STEPS, attach_to_skeleton
    from tunegrid.models.parameters import count

    against = {one.value: reason_against(method, one, model.architecture) for one in PRECISIONS}
    unmerged = reason_not_to_merge(method)
    reasons = [reason for reason in against.values() if reason is not None]
    trainable: int | None = 0
    total = 0
    if method.function is not None:
        try:
            attached = attach_to_skeleton(
                method, lambda: skeleton(model, root, may_be_stated=True).model, PLANNED_STEPS
            )
            counts = count(attached.model)
            trainable, total = counts.trainable, counts.total
        except ConfigError as error:
            trainable = None
            reasons.append(str(error))
    return {
        "method": method.name,
        "trainable_parameters": trainable,
        "percent": None if trainable is None else 100 * trainable / max(1, total),
        **{name: reason is None and trainable is not None for name, reason in against.items()},
        "merges": unmerged is None,
        "study": method.name in STUDY,
        "reasons": list(dict.fromkeys(reasons + ([unmerged] if unmerged else []))),
    }
