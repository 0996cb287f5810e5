"""`tunegrid expand-vocab`: a base with a larger vocabulary, which trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import pipeline
from tunegrid.cli import main
from tunegrid.cli.run import from_composed
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.schema import CellConfig, ModelConfig
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use import expand_vocabulary as expanding

LINES = [
    "人工智能是计算机科学的一个分支。",
    "机器学习是人工智能的一部分。",
    "北京是中国的首都。",
] * 40


def run(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main.main(["expand-vocab", *words])
    return end.value.code


def test_a_corpus_becomes_pieces_and_a_base_that_trains(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "corpus.txt", tmp_path / "out"
    corpus.write_text("\n".join(LINES), encoding="utf-8")
    words = ["--corpus", str(corpus), "--pieces", "60", "--measure", str(corpus)]
    assert not run("mini_llama", *words, "--out", str(out))
    report = json_files.read_json(out / expanding.REPORT)
    before, after = (report[f"characters_per_token_{when}"] for when in ("before", "after"))
    assert after > 1.2 * before
    shown = capsys.readouterr()
    assert f"characters per token: {before:.3f} to {after:.3f}" in shown.out
    assert f"model.path={out}" in shown.err
    # The next command, as it is printed, but shorter.
    ConfigStore.instance().store(name="schema", node=CellConfig)
    settings = [
        "model=path", f"model.path={out}", "peft=full", "train.objective=language_modeling",
        "data=raw_text", f"data.collections.text.files=[{corpus}]", "train.max_steps=4",
        "train.examples_per_step=16", "stage=train", f"runtime.results={tmp_path / 'results'}",
        "runtime.device=cpu", "runtime.progress=false",
    ]  # fmt: skip
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        cell = from_composed(compose("config", overrides=settings), project, tmp_path)
    pipeline.run(cell, lambda: False)
    trained = RunDirectory(cell.directory).read(run_files.TRAINED)
    assert trained["last_tenth_loss"] < trained["first_tenth_loss"]
    assert trained["examples"] == len(LINES)


def test_the_real_pieces_halve_the_tokens(shared_data: Path, project: Path, tmp_path: Path) -> None:
    pieces = expanding.pieces_of(shared_data / "tokenizer" / "chinese_sp.model")
    assert len(pieces) == 19_997
    texts = expanding.texts_of(shared_data / "instruct" / "alpaca_zh_demo.json")
    miniature = project / "assets" / "miniature" / "llama"
    base = ModelConfig(name="m", path=str(miniature), architecture="llama")
    report = expanding.expand(base, pieces, tmp_path / "out", measured=texts)
    assert report["characters_per_token_before"] == pytest.approx(0.624, abs=0.001)
    assert report["characters_per_token_after"] == pytest.approx(1.519, abs=0.001)


def test_wrong_input_is_named(tmp_path: Path) -> None:
    page = tmp_path / "tokenizer.model"
    page.write_text("<html>404</html>", encoding="utf-8")
    out = str(tmp_path / "out")
    for words, expected in (
        (["mini_llama", "--sentencepiece", str(page), "--out", out], 1),
        (["mini_llama", "--sentencepiece", str(tmp_path / "none"), "--out", out], 1),
        (["no_such_base", "--sentencepiece", str(page), "--out", out], 2),
        (["mini_llama", "--sentencepiece", str(page), "--out", out, "--init", "mode"], 2),
    ):
        assert run(*words) == expected, words
    with pytest.raises(DataError, match="is no sentencepiece model"):
        expanding.pieces_of(page)
    with pytest.raises(DataError, match="no 5,000 pieces can be trained"):
        expanding.trained_pieces(page, 5000)
    with pytest.raises(ConfigError, match="accepted: mean, random, zero"):
        expanding.refuse_start("mode")
    assert not (tmp_path / "out").exists()
