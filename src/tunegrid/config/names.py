"""Names that become parts of file names.

Owns: what such a name may be, and which words tables cannot hold. A configuration may come from
somebody else, and may not lead writing out of the results directory.
"""

from __future__ import annotations

import re

LONGEST = 100
MISSING = frozenset({"na", "n/a", "nan", "null", "none", "<na>", "#n/a", "#na", "-nan"})
"""What pandas reads as no value from a CSV file, quoted or not, in small letters."""
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


def reads_as_missing(setting: str, name: str) -> str | None:
    """Return why a name cannot stand in metrics.csv and runs.csv, or None.

    Args:
        setting: where the name stands.
        name: any text; `none`, as cells without a method have it, is read back as it is.
    """
    if name.strip().lower() not in MISSING or name == "none":
        return None
    return (
        f"{setting} is {name!r}, which pandas and other programs read back from a table as a "
        f"missing value; give another name, such as {name.strip('<>#- ')}-1"
    )
