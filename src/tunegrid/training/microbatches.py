"""The examples of one optimizer step are laid out in micro-batches and become tensors.

Owns: the three layouts and their tensors. Knows nothing of models, losses or the order in which
examples are drawn: it never moves an example to another optimizer step, and whatever the layout,
each example is read with the same positions and sees the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunegrid.config.choices import Layout
from tunegrid.data.tokens import NOT_TRAINED, Encoded

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MicroBatch:
    """The tensors of one forward pass: B rows of T tokens.

    `targets[b, t]` is the trained token that position t predicts (the labels, shifted by one
    inside each example), or -100. `inputs` are the keyword arguments of the model.
    """

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor
    tokens: int
    """Real tokens."""
    padded_tokens: int
    """B × T."""
    trained_tokens: int


@dataclass(frozen=True)
class Form:
    """How examples become micro-batches for one base."""

    layout: Layout
    budget_tokens: int
    pad_id: int
    mask_dtype: torch.dtype | None = None
    """For `flattened`: see `flatten`."""
    kernel_before: str | None = None
    """For `flattened` with the kernel of `tunegrid.models.bases.segments`, to which the borders of
    the examples are a mask: the kernel that answers afterwards."""


def largest_tokens(budget: int, longest: int, examples: int) -> int:
    """Return the tokens of the largest micro-batch: at least an example, at most those of a step.

    Args:
        budget: `runtime.micro_batch_tokens`.
        longest: tokens of the longest example.
        examples: of an optimizer step.

    """
    return min(max(budget, longest), examples * longest)


def lay_out(examples: Sequence[Encoded], form: Form) -> list[MicroBatch]:
    """Return the examples of one optimizer step as micro-batches, on the CPU."""
    lengths = [len(example.ids) for example in examples]
    chosen = [
        [examples[index] for index in indices]
        for indices in plan(lengths, form.layout, form.budget_tokens)
    ]
    if form.layout is Layout.flattened:
        by_segments = form.kernel_before is not None
        return [flatten(batch, form.mask_dtype, segments=by_segments) for batch in chosen]
    return [pad(batch, form.pad_id) for batch in chosen]


def plan(lengths: Sequence[int], layout: Layout, budget_tokens: int) -> list[list[int]]:
    """Return the micro-batches of one optimizer step as lists of positions in `lengths`.

    Every position occurs exactly once. An example longer than the budget has a micro-batch of its
    own: it is trained as it is, and the budget is exceeded.

    Args:
        lengths: tokens of each example, at least 1.
        layout: `padded` keeps the given order, `sorted` puts the longest first and `flattened`
            fills rows of up to `budget_tokens`; not `auto`.
        budget_tokens: padded tokens (`flattened`: tokens) of a micro-batch.

    """
    if layout is Layout.padded:
        return _rows(range(len(lengths)), lengths, budget_tokens)
    # The longest first: when memory is too small, the first step says so. Equal lengths keep
    # their order, so that the plan depends on nothing else.
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    if layout is Layout.sorted:
        return _rows(longest_first, lengths, budget_tokens)
    if layout is Layout.flattened:
        return _fill(longest_first, lengths, budget_tokens)
    raise ValueError(f"layout {layout} is not a layout to plan; resolve `auto` first")


def _rows(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return runs of `order` whose rows, padded to their longest, stay within the budget."""
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if batches and longest * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index]
    return batches


def _fill(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return bins of up to `budget` tokens, each example in the first bin with room for it."""
    bins: list[list[int]] = []
    room: list[int] = []
    for index in order:
        for number, free in enumerate(room):
            if lengths[index] <= free:
                bins[number].append(index)
                room[number] -= lengths[index]
                break
        else:
            bins.append([index])
            room.append(budget - lengths[index])
    return bins


def pad(examples: Sequence[Encoded], pad_id: int) -> MicroBatch:
    """Return B examples as rows, padded on the right to the longest of T tokens.

    Padding stands behind every real token and attention is causal, so no real token sees it.
    """
    import torch

    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad_id, dtype=torch.long)
    targets = torch.full((len(examples), longest), NOT_TRAINED, dtype=torch.long)
    mask = torch.zeros((len(examples), longest), dtype=torch.long)
    for row, example in enumerate(examples):
        length = len(example.ids)
        ids[row, :length] = torch.tensor(example.ids)
        targets[row, : length - 1] = torch.tensor(example.labels[1:], dtype=torch.long)
        mask[row, :length] = 1
    return _batch({"input_ids": ids, "attention_mask": mask}, targets, examples)


def flatten(
    examples: Sequence[Encoded], mask_dtype: torch.dtype | None = None, *, segments: bool = False
) -> MicroBatch:
    """Return the examples one behind the other in one row of T tokens, without padding.

    `position_ids` [1, T] restart at 0 with each example; from them a Llama-like base sees the
    borders, as long as it is given neither a mask nor a cache.

    Args:
        examples: at least one.
        mask_dtype: for bases that do not read position ids (Bloom): adds `attention_mask`
            [1, 1, T, T] of that type, 0 where a token may be seen and the smallest number
            elsewhere, and leaves `position_ids` out.
        segments: adds the borders of the examples for the kernel of
            `tunegrid.models.bases.segments`, which needs no mask.

    """
    import torch

    from tunegrid.models.bases.segments import borders

    targets = torch.tensor([label for e in examples for label in (*e.labels[1:], NOT_TRAINED)])
    inputs = {"input_ids": torch.tensor([token for e in examples for token in e.ids])[None]}
    if segments:
        inputs["attention_mask"] = borders([len(e.ids) for e in examples])
    if mask_dtype is None:
        inputs["position_ids"] = torch.cat([torch.arange(len(e.ids)) for e in examples])[None]
    else:
        blocks = [torch.ones(len(e.ids), len(e.ids), dtype=torch.bool).tril() for e in examples]
        seen = torch.block_diag(*blocks).bool()
        mask = torch.zeros(seen.shape, dtype=mask_dtype)
        mask.masked_fill_(~seen, torch.finfo(mask_dtype).min)
        inputs["attention_mask"] = mask[None, None]
    return _batch(inputs, targets[None], examples)


def _batch(
    inputs: dict[str, torch.Tensor], targets: torch.Tensor, examples: Sequence[Encoded]
) -> MicroBatch:
    return MicroBatch(
        inputs=inputs,
        targets=targets,
        tokens=sum(len(example.ids) for example in examples),
        padded_tokens=targets.numel(),
        trained_tokens=int((targets != NOT_TRAINED).sum()),
    )
