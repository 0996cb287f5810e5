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
    """Return how the examples of a run are laid out.

    `auto` is `flattened` where a kernel attends within examples only (flash attention), and
    `sorted` elsewhere: without such a kernel attention over a long row costs more than padding
    does (docs/decisions/006-micro-batches.md).

    Raises:
        ConfigError: `flattened` for a method or an architecture that would mix up examples.

    """
    model = attached.model
    kind = model.config.model_type
    if layout is Layout.auto:
        flash = model.config._attn_implementation == "flash_attention_2"
        fits = attached.may_flatten and kind in BY_POSITIONS
        layout = Layout.flattened if flash and fits else Layout.sorted
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
        return Form(layout, budget_tokens, pad_id=tokenizer.pad_token_id)
    allow_block_masks(model)
    embedding = model.get_input_embeddings().weight
    return Form(layout, budget_tokens, tokenizer.pad_token_id, mask_dtype=embedding.dtype)
