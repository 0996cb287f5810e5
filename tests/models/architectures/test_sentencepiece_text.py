"""A tokenizer whose ids are not those of its file is refused."""

from __future__ import annotations

import pytest

from doubles import golden_tokenizers as golden
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.architectures import sentencepiece_text
from tunegrid.models.bases.loading import load_tokenizer


def test_other_ids_than_the_files_are_refused(tmp_path, monkeypatch):
    tokenizer = golden.load("baichuan", "llama_like", tmp_path)
    assert sentencepiece_text.checked(tokenizer, "x") is tokenizer
    # As a conversion that loses the blank in front of a text would answer.
    monkeypatch.setattr(
        type(tokenizer),
        "_tokenize",
        lambda self, text: self.sp_model.encode(text.strip(), out_type=str),
    )
    with pytest.raises(ConfigError, match=r"'x' gives other ids .* '  two  spaces"):
        sentencepiece_text.checked(tokenizer, "x")


def test_bytes_and_leading_blanks_come_back(tmp_path):
    tokenizer = golden.load("baichuan", "llama_like", tmp_path)
    for text in ("  two", "🦊 and 狐", "\ttab"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    assert any(token.startswith("<0x") for token in tokenizer.tokenize("🦊"))


def test_ids_above_the_pieces_are_no_text(tmp_path):
    tokenizer = golden.load("baichuan", "llama_like", tmp_path)
    ids = tokenizer("fox", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode([*ids, 99_999]) == "fox"


def test_a_base_without_the_file_is_refused(tmp_path):
    (tmp_path / "base").mkdir()
    named = ModelConfig(name="base", path="base", architecture="chatglm")
    with pytest.raises(ConfigError, match=r"no tokenizer can be read .*ice_text\.model"):
        load_tokenizer(named, tmp_path)
    (tmp_path / "base" / "ice_text.model").write_bytes(b"no model")
    with pytest.raises(ConfigError, match="no sentencepiece model"):
        load_tokenizer(named, tmp_path)
