"""Exit codes of the processes that run cells.

Owns: what a child says by how it ends.
"""

from __future__ import annotations

DONE = 0

FAILED = 1

REFUSED = 2

HELD = 3

INCOMPLETE = 4

BAD_FORK = 5
"""It was forked from a process that had asked CUDA for its devices; it has done nothing."""

INTERRUPTED = 130
