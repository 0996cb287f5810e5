"""8-bit weights turned back once while a model answers, where the memory is there.

Owns: when a copy of the weights is held, and that it goes afterwards. The numbers are the same with
and without it: each step would make the same copy, layer by layer, and an answer is hundreds of
steps. 4-bit weights are left to bitsandbytes, whose kernel multiplies with them as they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tunegrid.models.bases.devices import free_bytes

SHARE_OF_FREE_MEMORY = 0.5
"""What of the free memory the copy may take; the rest is for keys, values and logits."""


@contextlib.contextmanager
def held_unpacked(model: Any) -> Iterator[bool]:
    """Hold the weights of 8-bit layers in the type of the computation while the block runs.

    Args:
        model: with or without 8-bit layers.

    Yields:
        Whether a copy is held: not where there are none, or not memory enough.

    """
    from tunegrid.models.bases.packed import layers_of_8_bit, unpacked
    from tunegrid.models.compute import compute_dtype

    found, dtype = layers_of_8_bit(model), compute_dtype(model)
    needed = sum(one.in_features * one.out_features * dtype.itemsize for one in found)
    holds = bool(found) and needed <= SHARE_OF_FREE_MEMORY * free_bytes(found[0].weight.device)
    try:
        if holds:
            for one in found:
                one.held = unpacked(one, dtype)
        yield holds
    finally:
        for one in found:
            vars(one).pop("held", None)
