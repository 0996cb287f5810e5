"""The tokens a cell trains on, each as it is, and which of them are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import check
from tunegrid.cells.identity import Cell
from tunegrid.cli import main
from tunegrid.config.compose import typed
from tunegrid.config.schema import CellConfig, ModelConfig
from tunegrid.data.tokens import encode_prompt
from tunegrid.models.bases.loading import load_tokenizer
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.show_tokens import shown_examples, texts_of_tokens


@pytest.fixture
def cell(project: Path, tmp_path: Path) -> Cell:
    """The default cell, begun."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        composed = compose("config", overrides=[f"runtime.results={tmp_path}"])
    made = check.checked(typed.typed(composed), project, project)
    run = RunDirectory(made.directory)
    run.create()
    run.write(run_files.CELL, made.record())
    return made


def texts(example: dict[str, Any], *, trained: bool) -> str:
    return "".join(t["text"] for t in example["tokens"] if t["trained"] is trained)


def test_the_answer_is_trained_and_the_prompt_is_not(cell: Cell) -> None:
    shown = shown_examples(cell.config, 3)
    assert len(shown) == 3
    for example in shown:
        assert "### Response:" in texts(example, trained=False)
        assert texts(example, trained=True).strip()
        assert "### Response:" not in texts(example, trained=True)
        flags = [token["trained"] for token in example["tokens"]]
        # The prompt, then the answer: one border.
        assert flags == sorted(flags)


def test_the_command_prints_where_an_example_is_from(
    cell: Cell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["show", cell.train_id, "--examples", "1", "--results", str(tmp_path)])
    assert not end.value.code
    (example,) = shown_examples(cell.config, 1)
    shown = capsys.readouterr().out
    assert f"{example['source']} record {example['position']}" in shown
    trained = sum(token["trained"] for token in example["tokens"])
    assert f"{len(example['tokens'])} tokens, {trained} trained" in shown


TEXTS = (
    "什么是人工智能合作用？请解释。",
    "emoji 🦊🏽‍🚀 and naïve café – mixed 中文",
    "  two  spaces\n\tand a tab",
    "plain English, 3.14",
    "龘 rare \u0000 and \ufffd itself",
)


@pytest.mark.parametrize("kind", ["llama", "bloom"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_tokens_texts_are_the_text(project: Path, kind: str, text: str) -> None:
    base = ModelConfig(name="m", path=kind, architecture=kind)
    tokenizer = load_tokenizer(base, project / "assets" / "miniature")
    ids = encode_prompt(tokenizer, f"x{text}")
    shown = texts_of_tokens(tokenizer, ids)
    assert len(shown) == len(ids)
    whole = "".join(shown)
    assert whole == tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert whole.endswith(f"x{text}")
    if "\ufffd" not in text:
        assert not any("\ufffd" in one for one in shown)
