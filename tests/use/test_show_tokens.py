"""The tokens a cell trains on, each as it is, and which of them are trained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import check
from tunegrid.cells.identity import Cell
from tunegrid.cli import main
from tunegrid.config.compose import typed
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig, ModelConfig
from tunegrid.data.tokens import encode_prompt
from tunegrid.models.bases.loading import load_tokenizer
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.show_tokens import (
    config_of_settings,
    marked,
    shown_examples,
    texts_of_tokens,
)


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


def test_settings_alone_show_what_their_cell_would_train_on(cell: Cell, project: Path) -> None:
    config = config_of_settings([], project, project)
    assert shown_examples(config, 3) == shown_examples(cell.config, 3)
    other = config_of_settings(["data=mini_chinese", "prompt=chinese"], project, project)
    assert "### 回答:" in texts(shown_examples(other, 1)[0], trained=False)


def test_a_base_by_its_path_alone_shows_the_same(project: Path) -> None:
    words = ["model=path", "model.path=assets/miniature/llama"]
    known = config_of_settings(["model=mini_llama"], project, project)
    unnamed = config_of_settings(words, project, project)
    assert shown_examples(unnamed, 2) == shown_examples(known, 2)


def test_what_is_not_there_is_refused_by_its_setting(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.files: nothing lies at 'nothing\.json'"):
        config_of_settings(["data=files", "data.files=[nothing.json]"], project, project)


def test_every_answer_of_a_conversation_is_marked_and_nothing_else(
    project: Path, tmp_path: Path
) -> None:
    turns = [("什么是人工？", "一门学科。"), ("Say </s> <s>.", "</s> it is."), ("🦊?", "🦊🏽!")]
    messages = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([{"messages": messages}]), encoding="utf-8")
    for base in ("mini_llama", "mini_bloom"):
        words = ["data=files", f"data.files=[{file}]", f"model={base}"]
        words.append("data.validation_examples=0")
        (example,) = shown_examples(config_of_settings(words, project, project), 1)
        shown = marked(example["tokens"])
        trained = re.findall("⟦(.*?)⟧", shown, flags=re.DOTALL)
        assert trained == [f" {answer}</s>" for _, answer in turns]
        for question, _ in turns:
            assert question in re.sub("⟦.*?⟧", "", shown, flags=re.DOTALL)


@pytest.mark.parametrize(
    "words", [["data=mini", "a_cell"], ["one", "two"], ["data=mini", "--n", "0"]]
)
def test_a_command_that_means_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["show", *words])
    assert end.value.code == 2
