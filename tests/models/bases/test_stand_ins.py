"""Pointers of git-lfs and web pages in the place of a base's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles import families
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.bases import load_model, stand_ins
from tunegrid.models.bases.loading import load_tokenizer

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 499723\n"
PAGE = "\ufeff\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("family", "architecture", "file"),
    [
        ("internlm", "internlm", "tokenizer.model"),
        ("chatglm1", "chatglm", "ice_text.model"),
        ("qwen3", "qwen3", "tokenizer.json"),
        ("moss", "moss", "merges.txt"),
    ],
)
@pytest.mark.parametrize(
    ("content", "kind"), [(POINTER, "a pointer of git-lfs"), (PAGE, r"a web page \(HTML\)")]
)
def test_a_tokenizer_file_that_is_none_is_called_what_it_is(
    tmp_path: Path, family: str, architecture: str, file: str, content: str, kind: str
) -> None:
    folder = families.write(family, tmp_path)
    base = ModelConfig(name=family, path=str(folder), architecture=architecture)
    assert load_tokenizer(base, tmp_path).pad_token_id is not None
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{file} is {kind}.*git lfs pull"):
        load_tokenizer(base, tmp_path)


def test_all_of_them_are_named_at_once_and_weights_too(tmp_path: Path) -> None:
    folder = families.write("gpt2", tmp_path)
    (folder / "model.safetensors").write_text(POINTER, encoding="utf-8")
    (folder / "tokenizer.json").write_text(PAGE, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.safetensors is .*; tokenizer\.json is "):
        load_model(folder, device="cpu")


def test_texts_that_speak_of_pages_are_no_pages(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("#version: 0.2\n< html\n", encoding="utf-8")
    (tmp_path / "vocab.json").write_text('{"<html": 0}', encoding="utf-8")
    (tmp_path / "empty.json").touch()
    stand_ins.refuse(str(tmp_path))
    stand_ins.refuse("owner/name")
