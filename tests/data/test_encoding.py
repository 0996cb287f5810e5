"""Instructions and raw text become ids by the objective they are trained with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doubles import tiny_bases
from tunegrid.config.choices import Objective
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.schema import PromptConfig, TrainConfig
from tunegrid.data.encoding import encoded
from tunegrid.data.example import Example
from tunegrid.data.readers import raw_text
from tunegrid.data.tokens import NOT_TRAINED, encode_all

PROMPT = PromptConfig(
    name="p", language="en", with_input="I: {instruction}\n{input}\nR:",
    without_input="I: {instruction}\nR:", multiple_choice="Q: {instruction}\nR:",
)  # fmt: skip
RAW = TrainConfig(objective=Objective.language_modeling, max_length_tokens=8)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_every_token_of_a_document_is_trained_once_and_none_is_lost(kind: str) -> None:
    tokenizer = tiny_bases.tokenizer(kind)
    texts = ["the fox jumps over the dog", "狐狸 </s> x", "a"]
    documents = [Example("", "", text, "s", i) for i, text in enumerate(texts)]
    found = encoded(tokenizer, PROMPT, RAW, documents)
    ids = [token for block in found.examples for token in block.ids]
    text = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    ends = tokenizer.eos_token
    opening = "<s>" if kind == "llama" else ""
    assert text.replace("<s> ", "<s>") == "".join(f"{opening}{one}{ends}" for one in texts)
    # One end a document; the spelled one is text.
    assert ids.count(tokenizer.eos_token_id) == len(texts)
    for block in found.examples:
        assert 2 <= len(block.ids) <= 8
        assert block.labels == [NOT_TRAINED, *block.ids[1:]]
    assert found.tokens == len(ids)
    assert found.truncated_count == 0
    assert found.rejected_indices == []


def test_instructions_are_encoded_as_ever() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    example = Example("the fox", "", "jumps", "s", 0)
    found = encoded(tokenizer, PROMPT, TrainConfig(), [example])
    same = encode_all(tokenizer, [("I: the fox\nR:", " jumps")], max_length_tokens=512)
    assert found == same


def test_either_objective_refuses_the_others_examples() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    raw, asked = Example("", "", "text", "a.txt", 3), Example("ask", "", "x", "b.json", 4)
    with pytest.raises(DataError, match=r"1 of 2 examples, the first record 3 of a\.txt.*raw text"):
        encoded(tokenizer, PROMPT, TrainConfig(), [asked, raw])
    with pytest.raises(DataError, match=r"record 4 of b\.json, have an instruction.*raw_text"):
        encoded(tokenizer, PROMPT, RAW, [raw, asked])


def test_documents_are_lines_paragraphs_or_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n\n  \nthree\r\n", encoding="utf-8")
    lines = raw_text.read(path)
    assert [example.output for example in lines.examples] == ["one", "two", "three"]
    assert [example.position for example in lines.examples] == [1, 2, 3]
    paragraphs = raw_text.read(path, separated_by="paragraph")
    assert [example.output for example in paragraphs.examples] == ["one\ntwo", "three"]
    rows = [{"text": "x\ny"}, {"text": "\u200b"}, {"other": 1}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    fields = raw_text.read(path)
    assert [example.output for example in fields.examples] == ["x\ny"]
    assert [one.reason for one in fields.rejected] == ["empty text", "'text' is null, not a text"]
    with pytest.raises(ConfigError, match="accepted: line, paragraph"):
        raw_text.read(path, separated_by="page")


def test_chinese_in_gb18030_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("北京是首都。\n它在华北。\n".encode("gb18030"))
    assert [one.output for one in raw_text.read(path).examples] == ["北京是首都。", "它在华北。"]
