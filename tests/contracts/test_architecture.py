"""What import-linter cannot hold: what is loaded at import, and that names in strings exist.

The rooms and their arrows are contracts in pyproject.toml; `make lint` runs `lint-imports`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.config.functions import HASHED_AS, PACKAGES, find_function
from tunegrid.config.project import project_directory
from tunegrid.launch.preload import MODULES

SOURCE = project_directory() / "src" / "tunegrid"
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = ["torch", "transformers", "peft", "bitsandbytes", "pandas", "openpyxl", "sklearn", "scipy"]
LIGHT_ROOMS = ("cli", "use", "launch", "plan", "reports", "cells", "evaluation", "data", "store",
               "config")  # fmt: skip
LOADS_TORCH = {
    # Imported by what runs a model alone, inside functions.
    "tunegrid.cells.shared_base",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_the_contracts_of_the_rooms_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=project_directory(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


def test_no_module_lies_outside_of_a_room() -> None:
    assert len(FILES) > 150
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]


def test_files_and_functions_are_short() -> None:
    import ast

    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{path} is long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 80, f"{path}: {node.name} is long"


def test_light_rooms_are_imported_without_heavy_libraries() -> None:
    """Help, config errors, plans of cached sweeps and finished cells answer at once."""
    modules = [
        name
        for path in FILES
        if (name := module_of(path)).split(".")[1:2]
        and name.split(".")[1] in LIGHT_ROOMS
        and name not in LOADS_TORCH
        and not name.endswith(("__main__", "launch.preloaded"))
    ]
    assert len(modules) > 100
    code = (
        "import importlib, sys\n"
        f"for name in {modules}:\n"
        "    importlib.import_module(name)\n"
        f"    found = set({HEAVY}) & set(sys.modules)\n"
        "    if found: sys.exit(f'{name} imports {sorted(found)}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_what_the_server_imports_for_its_children_exists(name: str) -> None:
    # A server that cannot import a module says nothing: each cell would import it anew.
    assert importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("name", HASHED_AS)
def test_every_name_that_was_ever_hashed_is_found(name: str) -> None:
    found = []
    for group in PACKAGES:
        try:
            found.append(find_function(group, name))
        except Exception:  # noqa: S112 - it belongs to another group
            continue
    assert len(found) == 1
