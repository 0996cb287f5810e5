"""MOSS' tokenizer: byte pairs, runs of blanks as words, tokens in brackets as signs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer

from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.architectures.moss import tokenization as moss
from tunegrid.models.bases.loading import load_tokenizer

SETTINGS = ModelConfig(name="moss", path="moss", architecture="moss")
ADDED = ["  ", "    ", "\t\t", "<eoh>", "<eom>", "<eot>", "<eoc>", "<eor>"]


@pytest.fixture
def root(tmp_path) -> Path:
    """Files as MOSS has them, with a small vocabulary."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        ["the fox jumps over the dog 狐狸 def f(x):\n    return x"] * 9, 300
    )
    folder = tmp_path / "moss"
    folder.mkdir()
    trained.save_model(str(folder))
    words = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    words["<|endoftext|>"] = len(words)
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    added = {token: len(words) + place for place, token in enumerate(ADDED)}
    (folder / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    # As on the hub: transformers 5.23 raises a TypeError on it.
    broken = {"additional_special_tokens": [{"content": "<eoh>"}]}
    (folder / "special_tokens_map.json").write_text(json.dumps(broken), encoding="utf-8")
    return tmp_path


def test_added_tokens_have_the_ids_of_their_file(root):
    tokenizer = load_tokenizer(SETTINGS, root)
    stored = json.loads((root / "moss" / "added_tokens.json").read_text(encoding="utf-8"))
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in ADDED} == stored
    assert tokenizer.eos_token == moss.END
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.decode([stored["<eoh>"]], skip_special_tokens=True) == ""
    assert tokenizer.decode([stored["    "]], skip_special_tokens=True) == "    "


def test_bytes_are_paired_as_the_files_say(root):
    tokenizer = load_tokenizer(SETTINGS, root)
    folder = root / "moss"
    reference = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    for text in ("the fox jumps", "over 狐狸 x", "unseen words"):
        assert tokenizer(text)["input_ids"] == reference.encode(text).ids
    assert len(tokenizer("the fox jumps")["input_ids"]) == 3


@pytest.mark.parametrize("text", ["code:\n    def f", "a" + " " * 90 + "b", "狐狸 fox\t\tend ?"])
def test_no_text_is_lost(text, root):
    """In 2023 the blanks' neighbours were: the new line here, 31 of the 90 spaces."""
    tokenizer = load_tokenizer(SETTINGS, root)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_added_tokens_with_a_gap_are_refused(root):
    path = root / "moss" / "added_tokens.json"
    added = json.loads(path.read_text(encoding="utf-8"))
    added["<eor>"] += 5
    path.write_text(json.dumps(added), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'<eor>' do not get the ids"):
        load_tokenizer(SETTINGS, root)
