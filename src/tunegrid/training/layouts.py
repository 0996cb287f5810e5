"""Which layout a base, a method and a device get.

Owns: resolving `runtime.layout`. Knows nothing of examples.
"""

from __future__ import annotations

from typing import Any

from tunegrid.config.choices import Layout
from tunegrid.config.errors import ConfigError
from tunegrid.models.bases.packing import BY_MASK, BY_POSITIONS, allow_block_masks, can_flatten
from tunegrid.models.methods.attached import Attached
from tunegrid.training.microbatches import Form


def training_form(attached: Attached, tokenizer: Any, layout: Layout, budget_tokens: int) -> Form:
    """Return how the examples of a run are laid out, and have the base read them so.

    `auto` is `flattened` on a GPU, where the base has a kernel that attends within examples alone
    (flash-attn, or `tunegrid.models.bases.segments`), and `sorted` elsewhere
    (docs/decisions/006-micro-batches.md and 047-compute-types.md).

    Raises:
        ConfigError: `flattened` for a method or an architecture that would mix up examples.

    """
    from tunegrid.models.bases.segments import supports, use
    from tunegrid.models.compute import compute_dtype

    model = attached.model
    kind = model.config.model_type
    if layout is Layout.auto:
        on_gpu = next(model.parameters()).device.type == "cuda"
        fits = attached.may_flatten and kind in BY_POSITIONS and (_flash(model) or supports(model))
        layout = Layout.flattened if on_gpu and fits else Layout.sorted
    if layout is not Layout.flattened:
        return Form(layout, budget_tokens, pad_id=tokenizer.pad_token_id)
    if not attached.may_flatten:
        raise ConfigError(
            "runtime.layout is 'flattened', but the method puts virtual tokens in front of each "
            "row, which several examples would share; use 'sorted', 'padded' or 'auto'"
        )
    if not can_flatten(kind):
        raise ConfigError(
            f"runtime.layout is 'flattened', which was not verified for {kind!r}: its examples "
            f"might see each other; verified: {', '.join(sorted((*BY_MASK, *BY_POSITIONS)))}; use "
            "'sorted', 'padded' or 'auto'"
        )
    if kind not in BY_MASK:
        if _flash(model) or not supports(model):
            return Form(layout, budget_tokens, tokenizer.pad_token_id)
        return Form(layout, budget_tokens, tokenizer.pad_token_id, kernel_before=use(model))
    allow_block_masks(model)
    embedding = model.get_input_embeddings().weight
    dtype = compute_dtype(model) if embedding.dtype.itemsize == 4 else embedding.dtype
    return Form(layout, budget_tokens, tokenizer.pad_token_id, mask_dtype=dtype)


def _flash(model: Any) -> bool:
    return bool(model.config._attn_implementation == "flash_attention_2")
