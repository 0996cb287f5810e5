"""Further pieces for a tokenizer, and rows for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from doubles import golden_tokenizers, tiny_bases
from tunegrid.config.errors import ConfigError
from tunegrid.models.bases.vocabulary import expanded, grow

PIECES = ["人", "工", "智", "能", "人工", "智能", "人工智能", "▁the▁fox", "机器学习", "the"]
TEXTS = ["人工智能 the fox 🦊", "  two  spaces", "智能人工 jumps\n\tover", "x 机器学习 y", ""]


def test_new_pieces_are_used_and_texts_come_back() -> None:
    old = tiny_bases.tokenizer("llama")
    found = expanded(old, PIECES)
    assert list(found.new) == [p for p in PIECES if p not in old.get_vocab()]
    assert min(found.new.values()) == len(old)
    tokenizer = found.tokenizer
    for text in TEXTS:
        ids = tokenizer.encode(f"a{text}", add_special_tokens=False)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == f"a{text}"
    inside = tokenizer.encode("a人工智能", add_special_tokens=False)
    assert inside[-1] == found.new["人工智能"]
    # Nothing made 机 or 器: no merge leads to the whole.
    assert found.unused >= 1
    assert tokenizer.eos_token_id == old.eos_token_id


def test_texts_without_them_keep_their_ids() -> None:
    old = tiny_bases.tokenizer("llama")
    new = expanded(old, ["人", "工", "人工"]).tokenizer
    for text in ("the capital of France", "Below is an instruction", "智能 x"):
        assert new(text)["input_ids"] == old(text)["input_ids"]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("start", ["mean", "random", "zero"])
def test_a_base_has_rows_for_them(start: str, tied: bool) -> None:
    old = tiny_bases.tokenizer("llama")
    found = expanded(old, PIECES)
    model = tiny_bases.base("llama", tie_word_embeddings=tied)
    before = model.get_input_embeddings().weight.detach().clone()
    grow(model, old, found, start)
    rows, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert (head is rows) is tied
    assert torch.equal(rows[: len(before)], before)
    assert len(rows) == max(found.new.values()) + 1 == model.config.vocab_size
    number = found.new["人工"]
    if start == "mean":
        parts = old.encode("人工", add_special_tokens=False)
        assert torch.allclose(rows[number], before[parts].mean(0), atol=1e-6)
    elif start == "zero":
        assert not rows[number].any()
    else:
        assert rows[number].std() > 0
    ids = torch.tensor([found.tokenizer("人工智能")["input_ids"]])
    assert model(ids).logits.shape[-1] == len(rows)


def test_what_cannot_be_extended_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="merges bytes"):
        expanded(tiny_bases.tokenizer("bloom"), PIECES)
    with pytest.raises(ConfigError, match="reads its sentencepiece file itself"):
        expanded(golden_tokenizers.load("internlm", "llama_like", tmp_path), PIECES)
    with pytest.raises(ConfigError, match="nothing would be added"):
        expanded(tiny_bases.tokenizer("llama"), ["a"])
