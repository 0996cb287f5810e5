"""What import-linter cannot hold: what is loaded at import, and that names in strings exist.

The rooms and their arrows are contracts in pyproject.toml; `make lint` runs `lint-imports`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.config.functions import HASHED_AS, PACKAGES, find_function
from tunegrid.config.project import project_directory

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
    "hydra_plugins/grid_sweeper/sweeper.py": (
        "tests/whole/test_grid.py",
        "Hydra loads it for a command",
        '"-cn"',
        '"-m"',
    ),
    "hydra_plugins/slurm_launcher/launcher.py": (
        "tests/launch/slurm/test_on_slurm.py",
        "needs jobs",
        "doubles.trial_sweeps",
    ),
    "tunegrid/cells/check.py": ("tests/contracts/test_sweeps.py", "drafts of every cell there is"),
    "tunegrid/cells/format_1.py": (
        "tests/launch/test_migrate.py",
        "names of runs that are kept in format_1/",
        '"format_1"',
    ),
    "tunegrid/cells/loaded_models.py": (
        "tests/cells/test_inference_settings.py",
        "one training answered in several precisions",
        "merged",
    ),
    "tunegrid/cells/pipeline.py": (
        "tests/cells/test_inference_settings.py",
        "a cell from end to end",
    ),
    "tunegrid/cells/rename.py": (
        "tests/launch/test_migrate.py",
        "renaming whole results directories",
    ),
    "tunegrid/cells/requests.py": ("tests/cells/test_wanted.py", "what a cell asks for"),
    "tunegrid/cells/shared_base.py": ("tests/whole/test_shared_base.py", "cells of one process"),
    "tunegrid/cli/commands/collect.py": (
        "tests/launch/slurm/test_on_slurm.py",
        "needs jobs",
        '"collect"',
    ),
    "tunegrid/cli/commands/evaluation.py": (
        "tests/cells/test_import_predictions.py",
        "needs answers made elsewhere",
        '"import-predictions"',
    ),
    "tunegrid/cli/commands/methods.py": (
        "tests/reports/test_methods.py",
        "prints its rows",
        '"methods"',
    ),
    "tunegrid/cli/commands/migrate.py": (
        "tests/launch/test_migrate.py",
        "prints its steps",
        "tunegrid migrate",
    ),
    "tunegrid/cli/run.py": ("tests/whole/test_cell.py", "the command itself", "run.py"),
    "tunegrid/config/choices.py": (
        "tests/cells/test_identity.py",
        "closed sets of values, without code",
    ),
    "tunegrid/config/compose/sweep_file.py": (
        "tests/config/compose/test_composer.py",
        "sweeps are expanded to be composed",
    ),
    "tunegrid/config/compose/typed.py": (
        "tests/contracts/test_configs.py",
        "every file of conf/ becomes typed",
    ),
    "tunegrid/config/schema.py": (
        "tests/config/test_ranges.py",
        "fields, without code; their ranges",
    ),
    "tunegrid/data/read.py": (
        "tests/data/test_mixture.py",
        "files are read to be mixed",
        "max_rejected_share",
    ),
    "tunegrid/evaluation/lm_eval.py": (
        "tests/cells/stages/test_lm_eval.py",
        "with the stage that runs it",
    ),
    "tunegrid/launch/child.py": ("tests/launch/test_runner.py", "children of a runner"),
    "tunegrid/launch/distributed/cell.py": ("tests/whole/test_distributed.py", "two processes"),
    "tunegrid/launch/distributed/local.py": (
        "tests/whole/test_distributed.py",
        "two processes",
        "runtime.gpus_per_cell=2",
    ),
    "tunegrid/data/readers/camel.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/data/readers/coig.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/data/readers/conversations.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/data/readers/hc3.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/data/readers/marked.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/data/readers/natural_instructions.py": (
        "tests/data/readers/test_raw_records.py",
        "one raw record a reader stands there",
    ),
    "tunegrid/launch/record.py": (
        "tests/launch/test_migrate.py",
        "records of launches are renamed",
    ),
    "tunegrid/launch/sweep_cells.py": (
        "tests/contracts/test_sweeps.py",
        "the cells of every sweep there is",
    ),
    "tunegrid/models/architectures/baichuan/configuration.py": (
        "tests/models/architectures/test_registration.py",
        "all configs are told apart there",
    ),
    "tunegrid/models/architectures/chatglm/configuration.py": (
        "tests/models/architectures/test_registration.py",
        "all configs are told apart there",
    ),
    "tunegrid/models/architectures/chatglm2/configuration.py": (
        "tests/models/architectures/test_registration.py",
        "all configs are told apart there",
    ),
    "tunegrid/reports/formats.py": (
        "tests/reports/test_study_table.py",
        "tables are rendered in every form",
    ),
    "tunegrid/reports/published.py": (
        "tests/reports/test_study_table.py",
        "the published numbers stand beside ours",
    ),
    "tunegrid/cli/commands/show.py": (
        "tests/use/test_show_tokens.py",
        "the command is run there",
        '"show"',
    ),
    "tunegrid/cli/commands/import_adapter.py": (
        "tests/cells/test_import_adapter.py",
        "the command is run there",
        "import-adapter",
    ),
    "tunegrid/cli/commands/expand.py": (
        "tests/use/test_expand_vocabulary.py",
        "the command is run there",
        "expand-vocab",
    ),
    "tunegrid/data/readers/raw_text.py": ("tests/data/test_encoding.py", "documents are read"),
    "tunegrid/models/architectures/families.py": (
        "tests/models/bases/test_projections.py",
        "every name is held to its architecture",
    ),
    "tunegrid/models/bases/__init__.py": (
        "tests/models/bases/test_standalone.py",
        "load_model is called there",
        "load_model",
    ),
    "tunegrid/models/bases/unnamed.py": (
        "tests/whole/test_any_base.py",
        "folders of every family",
        "model=path",
    ),
    "tunegrid/models/methods/agreement.py": (
        "tests/models/methods/test_merging.py",
        "merged models are compared",
        "does not answer as the trained one does",
    ),
    "tunegrid/models/methods/attach.py": (
        "tests/models/methods/test_matrix.py",
        "every method is attached",
        "tiny_methods.attached",
    ),
    "tunegrid/models/methods/bottleneck/layer.py": (
        "tests/models/methods/bottleneck/test_method.py",
        "layers of an attached method",
    ),
    "tunegrid/models/methods/bottleneck/tuner.py": (
        "tests/models/methods/bottleneck/test_method.py",
        "peft finds it for the method",
        "disable_adapter",
    ),
    "tunegrid/plan/evaluations.py": (
        "tests/contracts/test_new_benchmark.py",
        "what a new benchmark costs",
    ),
    "tunegrid/plan/progress.py": ("tests/plan/test_planning.py", "states of planned cells"),
    "tunegrid/plan/records.py": ("tests/plan/test_planning.py", "records of planned cells"),
    "tunegrid/plan/rows.py": ("tests/plan/test_planning.py", "rows of a plan"),
    "tunegrid/plan/table.py": ("tests/plan/test_planning.py", "the printed plan"),
    "tunegrid/reports/learning_rates.py": (
        "tests/reports/figures/test_curves.py",
        "beside its figure",
    ),
    "tunegrid/reports/paired.py": ("tests/reports/test_rows.py", "differences of rows"),
    "tunegrid/reports/terminal.py": ("tests/reports/test_rows.py", "rows in a terminal"),
    "tunegrid/store/run_files.py": ("tests/store/test_run_directory.py", "names, without code"),
    "tunegrid/training/process_group.py": (
        "tests/training/test_ddp.py",
        "several processes",
        "doubles.together",
    ),
    "tunegrid/training/setup.py": (
        "tests/training/test_train.py",
        "whole trainings",
        "checkpoint_directory=",
    ),
    "tunegrid/training/trainer.py": (
        "tests/models/methods/test_lora_plus.py",
        "its optimizer; whole trainings are in test_train.py",
    ),
    "tunegrid/use/merge.py": (
        "tests/models/methods/test_merging.py",
        "with what merges the weights",
    ),
    "tunegrid_miniature/__main__.py": ("tests/tunegrid_miniature/test_manifest.py", "the command"),
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
    assert Path(test).name.startswith("test_")
    if words:
        assert all(word in text for word in words), f"{test} does not run {source}: {words}"
        assert not names_module(text, source), f"{test} imports {source}: no words are needed"
    else:
        assert names_module(text, source), f"{test} does not name {source}"
