"""Imports go down only, and Hydra and OmegaConf appear in the top layer alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

# From the bottom to the top; a module may import from its own layer and from those below.
LAYERS = [
    {"__init__", "schema", "errors", "wiring", "fingerprint"},
    {"collections", "mixture", "prompts"},
    {"tokens", "microbatches", "bases", "methods", "quantization", "seeding", "int8_evaluation"},
    {"training", "generation", "likelihood", "harness", "stopping", "benchmarks", "judges"},
    {"store", "lock", "provenance", "contents", "machine"},
    {
        "identity",
        "preflight",
        "evaluation",
        "pipeline",
        "models",
        "answering",
        "gates",
        "grid",
        "predicting",
        "imports",
        "merging",
        "judging",
        "scoring",
        "harness_stage",
        "shared_base",
        "tracking",
        "tables",
        "plan",
    },
    {
        "cell",
        "distributed",
        "team",
        "overrides",
        "entry",
        "usage",
        "launch",
        "launches",
        "running",
        "sweeping",
        "child",
        "preload",
        "cli",
        "asking_again",
        "evaluation_commands",
        "method_commands",
        "reading",
        "sweep_commands",
        "slurm",
        "slurm_commands",
        "watching",
        "fetching",
        "miniature",
    },
]
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}
EDGE = LAYERS[-1]
SOURCE = Path(__file__).resolve().parents[1] / "src" / "tunegrid"
FILES = sorted(SOURCE.rglob("*.py"))


def top_module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_a_layer() -> None:
    assert len(FILES) > 20
    assert {top_module(path) for path in FILES} <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down_only(path: Path) -> None:
    own = top_module(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "tunegrid" and len(parts) > 1 and parts[1] in LEVEL:
            assert LEVEL[parts[1]] <= LEVEL[own], f"{own} imports {name} from a layer above"
        if parts[0] in ("hydra", "omegaconf"):
            assert own in EDGE, f"{own} imports {name}; only the top layer may"


def test_the_edge_is_loaded_without_torch() -> None:
    """Help, config errors and finished cells answer at once."""
    code = (
        "import sys; import tunegrid.entry, tunegrid.cli, tunegrid.evaluation; "
        "heavy = {'torch', 'transformers', 'peft', 'bitsandbytes', 'pandas', 'openpyxl'}; "
        "sys.exit(repr(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
