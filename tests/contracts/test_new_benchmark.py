"""A further benchmark is one YAML and one file; nothing else names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import requests, state
from tunegrid.cli.run import from_composed
from tunegrid.config.schema import CellConfig
from tunegrid.evaluation import benchmarks
from tunegrid.plan import evaluations

YAML = """\
name: capitals
benchmarks:
  capitals:
    function: capitals.read
    path: {path}
    where_from: Capitals is a benchmark of this test
    max_new_tokens: 4
"""
CODE = """
from dataclasses import replace
from tunegrid.evaluation.benchmarks import belle

NEEDS_JUDGE = True


def read(path):
    return replace(belle.read(path), name="capitals", version="7")
"""


def test_one_yaml_and_one_file_make_a_benchmark(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(project / "conf", tmp_path / "conf")
    items = project / "assets" / "miniature" / "belle_eval" / "eval_set.json"
    (tmp_path / "conf" / "eval" / "capitals.yaml").write_text(YAML.format(path=items))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "capitals.py").write_text(CODE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path / "code")])
    ConfigStore.instance().store(name="schema", node=CellConfig)
    words = ["eval=capitals", f"runtime.results={tmp_path}"]
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        cell = from_composed(compose("config", overrides=words), project, project)
    [asked] = requests.evaluation_requests(cell)
    assert (asked.name, asked.benchmark.version, asked.max_new_tokens) == ("capitals", "7", 4)
    assert asked.prediction_id.startswith("capitals-")
    assert asked.score_id.startswith(f"{asked.prediction_id}-reference-")
    [left] = evaluations.left(cell, {}, [], state=state.of_cell(cell))
    assert left.benchmark == "capitals"
