"""Where this program lies.

Owns: the one rule by which its own directories are found. A checkout holds `src/` (with this
package), `conf/` and `sweeps/`.
"""

from __future__ import annotations

import os
from pathlib import Path


def source_directory() -> Path:
    """Return the directory that holds the package, for the module path of other processes."""
    return Path(__file__).resolve().parents[2]


def project_directory() -> Path:
    """Return the checkout: the directory that holds conf/ and sweeps/."""
    return source_directory().parent


def put_on_module_path() -> None:
    """Have processes that are started from here find the package, installed or not."""
    source = os.fspath(source_directory())
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if source not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([source, *filter(None, paths)])
