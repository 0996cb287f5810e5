"""What a check finds is what the run would find: bases without an end, files that are no data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import check, pipeline, preflight
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Stage
from tunegrid.config.compose import typed
from tunegrid.config.errors import TunegridError
from tunegrid.config.schema import CellConfig
from tunegrid.plan import examples

ROWS = [{"instruction": f"Say {n}.", "input": "", "output": f"{n}!"} for n in range(20)]
HOSTILE: dict[str, tuple[bytes, str]] = {
    "gb18030": (
        json.dumps(ROWS, ensure_ascii=False).replace("!", "。").encode("gb18030"),
        "GB18030",
    ),
    "utf-16": (json.dumps(ROWS).encode("utf-16"), "UTF-16"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    "page": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "half": (json.dumps(ROWS).encode()[:300], "line 1"),
    "without output": (json.dumps([row | {"output": ""} for row in ROWS]).encode(), "empty output"),
    "not fields": (json.dumps([{"a": 1}] * 20).encode(), "a"),
}


@pytest.fixture
def cell(project: Path, tmp_path: Path) -> Callable[..., Cell]:
    ConfigStore.instance().store(name="schema", node=CellConfig)

    def of(*words: str) -> Cell:
        overrides = [f"runtime.results={tmp_path / 'results'}", "runtime.device=cpu", *words]
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            composed = compose("config", overrides=overrides)
        return check.checked(typed.typed(composed), project, project)

    return of


def checked(cell: Cell) -> None:
    cell.config.stage = Stage.check
    pipeline.run(cell, lambda: False)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_the_run_refuses_is_refused_by_check_plan_and_launch(
    cell: Callable[..., Cell], tmp_path: Path, name: str
) -> None:
    content, expected = HOSTILE[name]
    (tmp_path / "data.json").write_bytes(content)
    made = cell("data=files", f"data.files=[{tmp_path / 'data.json'}]")
    with pytest.raises(TunegridError, match=expected):
        checked(made)
    [problem] = preflight.data_problems(made.config)
    assert expected in problem
    with pytest.raises(TunegridError, match=expected):
        examples.composed(made.config)
    assert not made.directory.exists()


def test_sound_data_can_be_run(cell: Callable[..., Cell], tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(ROWS), encoding="utf-8")
    made = cell("data=files", f"data.files=[{tmp_path / 'data.json'}]")
    checked(made)
    assert preflight.data_problems(made.config) == []
    assert preflight.architecture_problems(made.config) == []


def test_large_data_are_known_by_their_first_bytes(
    cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "READ_WHOLE_BYTES", 10)
    path = tmp_path / "data.json"
    path.write_bytes(HOSTILE["page"][0])
    made = cell("data=files", f"data.files=[{path}]")
    assert "web page" in preflight.data_problems(made.config)[0]
    path.write_bytes(HOSTILE["half"][0])
    assert preflight.data_problems(made.config) == []


def test_prompts_that_are_all_too_long_are_found(cell: Callable[..., Cell], tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(ROWS), encoding="utf-8")
    data = ["data=files", f"data.files=[{tmp_path / 'data.json'}]"]
    with pytest.raises(TunegridError, match="max_length_tokens"):
        checked(cell(*data, "train.max_length_tokens=4"))


def test_a_base_without_an_end_is_refused(
    cell: Callable[..., Cell], project: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(project / "assets" / "miniature" / "llama", base)
    settings = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings.pop("eos_token")
    (base / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    made = cell(f"model.path={base}")
    [problem] = preflight.architecture_problems(made.config)
    assert "no end-of-sequence token" in problem
    with pytest.raises(TunegridError, match="no end-of-sequence token"):
        checked(made)
    untuned = replace(made, config=cell(f"model.path={base}", "peft=none").config)
    checked(untuned)
