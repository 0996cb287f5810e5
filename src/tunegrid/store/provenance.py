"""What a result was made with: versions, commit, hardware.

Owns: reading these facts off the machine. Recorded, never hashed: a new machine or library does
not fork a cell. Environment variables are not recorded, since keys live there.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "tunegrid",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "tokenizers",
    "datasets",
    "hydra-core",
    "omegaconf",
    "sacrebleu",
)


def collect(root: Path) -> dict[str, Any]:
    """Return versions, commit, hardware and time as a JSON-able dict.

    Args:
        root: the project directory whose commit is recorded.
    """
    return {
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit(root),
        "hardware": hardware(),
    }


def version(package: str) -> str | None:
    """Return the installed version of a package, None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit(root: Path) -> dict[str, Any]:
    """Return the commit of the checkout at `root` and whether tracked files differ from it."""
    revision = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision or None, "changed": bool(changed)}


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no user input
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def hardware() -> dict[str, Any]:
    """Return processor, memory in bytes and graphics cards; imports torch."""
    import torch

    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_bytes": psutil.virtual_memory().total,
        "graphics": cards,
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
