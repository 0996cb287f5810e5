"""What import-linter cannot hold: what is loaded at import, and that names in strings exist.

The rooms and their arrows are contracts in pyproject.toml; `make lint` runs `lint-imports`.
"""

from __future__ import annotations

import importlib.util
import re
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


# Which test holds a file that has no test file of its own at the mirrored path, and why there.
# The test names the module or, where a third text is given, runs it by these words.
TESTED_ELSEWHERE: dict[str, tuple[str, ...]] = {
    # TABLE
}
MIRRORED_OVER_LINES = 40
TESTS = project_directory() / "tests"


def sources_to_test() -> dict[str, Path]:
    """Return each source file of some length below src, with the path its tests belong at."""
    found = {}
    source = project_directory() / "src"
    for path in sorted(source.rglob("*.py")):
        if len(path.read_text(encoding="utf-8").splitlines()) <= MIRRORED_OVER_LINES:
            continue
        name = path.relative_to(source)
        room = name.relative_to("tunegrid") if name.parts[0] == "tunegrid" else name
        found[name.as_posix()] = TESTS / room.with_name(f"test_{name.stem.strip('_')}.py")
    return found


def names_module(text: str, source: str) -> bool:
    """Return whether a test imports a module, whole or one of its names."""
    dotted = source.removesuffix(".py").replace("/", ".")
    package, _, name = dotted.rpartition(".")
    imported = rf"from {re.escape(package)} import (\([^)]*|[^\n(]*)\b{name}\b"
    return re.search(rf"\b{re.escape(dotted)}\b|{imported}", text) is not None


def test_every_source_file_has_its_tests_or_a_reason() -> None:
    sources = sources_to_test()
    assert len(sources) > 180
    absent = [
        f"{name}: no {test.relative_to(TESTS.parent)}, and TESTED_ELSEWHERE names no other"
        for name, test in sources.items()
        if not test.is_file() and name not in TESTED_ELSEWHERE
    ]
    assert absent == []


@pytest.mark.parametrize("source", TESTED_ELSEWHERE)
def test_what_is_tested_elsewhere_is_tested_there(source: str) -> None:
    sources = sources_to_test()
    assert source in sources, f"{source} is gone or short: the entry is not needed"
    assert not sources[source].is_file(), f"{sources[source]} is there: the entry is not needed"
    test, reason, *words = TESTED_ELSEWHERE[source]
    text = (TESTS.parent / test).read_text(encoding="utf-8")
    assert reason
    if words:
        assert all(word in text for word in words), f"{test} does not run {source}: {words}"
        assert not names_module(text, source), f"{test} imports {source}: no words are needed"
    else:
        assert names_module(text, source), f"{test} does not name {source}"
