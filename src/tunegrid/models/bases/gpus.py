"""The GPUs of this machine as far as they can be seen without torch.

Owns: whether a driver is there, and what torch was built for. Imports no torch.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What shows a driver: NVIDIA's (the directory, or the device alone in a container), AMD's, and
that of a Windows machine's Linux."""


def driver() -> str | None:
    """Return the path that shows a driver of NVIDIA or AMD, or None where there is none."""
    return next((path for path in DRIVERS if os.path.exists(path)), None)


def torch_build() -> str:
    """Return what the installed torch computes on: `cuda`, `rocm` or `cpu`."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return "cpu"
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        # A build of its own; whoever installed it did so for a reason.
        return "cuda"
    for name, build in (("hip", "rocm"), ("cuda", "cuda")):
        if re.search(rf"^{name}\b[^=\n]*=\s*['\"]", text, re.MULTILINE):
            return build
    return "cpu"
