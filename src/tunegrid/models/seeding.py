"""One call that seeds every generator, and seeds derived from a cell's seed by name.

Owns: which generators are seeded. Knows nothing of what is drawn from them.
"""

from __future__ import annotations

import hashlib
import random


def seed_everything(seed: int) -> None:
    """Seed the generators of python, numpy and torch (every device) with `seed`.

    Call it right before a method is attached, so that the new weights depend on the seed alone
    and not on what was drawn while the base was loaded.

    Args:
        seed: from 0 to 2**32 - 1, the range of numpy's generator.

    """
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def derived_seed(seed: int, *parts: object) -> int:
    """Return a seed from 0 to 2**63 - 1 that depends on `seed` and the text of `parts` alone.

    Two different lists of parts give unrelated seeds; the value does not depend on the process,
    the platform or python's hash seed.
    """
    text = "\x1f".join(str(part) for part in (seed, *parts))
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
