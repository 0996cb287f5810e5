"""What is imported before a process gets its cell."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tunegrid.launch.preload import AHEAD, MODULES


def test_what_a_spare_imports_asks_no_gpu_for_anything() -> None:
    """bitsandbytes asks when it is imported; the GPU still belongs to the cell before."""
    code = (
        "import importlib, sys, torch\n"
        "asked = []\n"
        "for name in ('is_available', 'device_count', '_lazy_init', 'get_device_properties'):\n"
        "    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))\n"
        f"for name in {AHEAD}:\n"
        "    importlib.import_module(name)\n"
        "assert not asked, asked\n"
        "assert 'bitsandbytes' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted({*MODULES, *AHEAD}))
def test_what_the_server_imports_for_its_children_exists(name: str) -> None:
    # A server that cannot import a module says nothing: each cell would import it anew.
    assert importlib.util.find_spec(name) is not None
