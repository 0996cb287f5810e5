"""A tokenizer whose ids are not those of its file is refused."""

from __future__ import annotations

import json

import pytest
from transformers.convert_slow_tokenizer import import_protobuf

from doubles import golden_tokenizers as golden
from doubles.golden_bases import FOLDER
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


@pytest.mark.parametrize("is_by_score", [True, False])
def test_a_llama_converted_in_another_order_than_its_scores_is_refused(is_by_score, tmp_path):
    """Transformers 5.23 merges in the order of the pieces, which are seldom in another one."""
    protobuf = import_protobuf()
    source = FOLDER / "tokenizers" / "llama_like.model"
    model = protobuf.ModelProto.FromString(source.read_bytes())
    if not is_by_score:
        pieces = [protobuf.ModelProto.SentencePiece.FromString(p.SerializeToString())
                  for p in model.pieces]  # fmt: skip
        places = [place for place, piece in enumerate(pieces) if piece.type == 1]
        for place, other in zip(places, reversed(places), strict=True):
            model.pieces[place].CopyFrom(pieces[other])
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    settings = {"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    named = ModelConfig(name="llama", path="llama", architecture="llama")
    if is_by_score:
        assert load_tokenizer(named, tmp_path).eos_token_id == 2
        return
    with pytest.raises(ConfigError, match="other ids than its own sentencepiece file"):
        load_tokenizer(named, tmp_path)


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
