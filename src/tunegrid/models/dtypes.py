"""The types of torch by the names that settings give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunegrid.config.choices import Dtype

if TYPE_CHECKING:
    import torch


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """Return torch's type of that name."""
    import torch

    return getattr(torch, dtype.value)
