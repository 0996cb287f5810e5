"""The most memory a process has held.

Owns: one number, by device.
"""

from __future__ import annotations

import resource
import sys

import torch


def peak_memory_bytes() -> int:
    """Return the peak of torch's GPU allocator, or of the whole process where there is no GPU."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
