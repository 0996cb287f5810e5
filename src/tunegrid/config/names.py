"""Names that become parts of file names.

Owns: what such a name may be. A configuration may come from somebody else, and may not lead
writing out of the results directory.
"""

from __future__ import annotations

import re

LONGEST = 100
_NAME = re.compile(r"\w[\w.+-]*")


def name_problem(setting: str, name: str) -> str | None:
    """Return why a name cannot be part of a file name, or None.

    Args:
        setting: where the name stands.
        name: letters and digits of any script, `_`, `.`, `+` and `-`; it begins with one of the
            first three.
    """
    if _NAME.fullmatch(name) and len(name) <= LONGEST:
        return None
    found = f"{name!r}" if len(name) <= LONGEST else f"{len(name)} characters long"
    return (
        f"{setting} is {found}; it becomes part of file names: give 1 to {LONGEST} letters, "
        "digits, '_', '.', '+' or '-', beginning with a letter, a digit or '_'"
    )
