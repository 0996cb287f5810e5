"""The tokenizer: exact round trips, special tokens apart, nothing added silently."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

TEXTS = (
    "你好，世界！Hello,  World.\t",
    "▁<0x41>\r\n\n  x 龘𠮷 😀 é ＡＢＣ　",
    "请阅读以下选择题\nA:头痛\nB:咳嗽",
    " ",
    "",
    "\u00a0no-break",
)


@pytest.fixture(scope="module", params=["llama", "bloom"])
def tokenizer(request: pytest.FixtureRequest, assets: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(assets / request.param)


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_nothing_is_added_silently(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tokenizer("你好")["input_ids"]
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_special_tokens_are_four_different_ones(tokenizer: PreTrainedTokenizerBase) -> None:
    names = ("unk_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
    assert [getattr(tokenizer, name) for name in names] == [0, 1, 2, 3]
    assert tokenizer.decode(tokenizer("好")["input_ids"] + [2], skip_special_tokens=True) == "好"


def test_unknown_characters_are_spelt_in_bytes(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("😀")["input_ids"])
    assert tokens == ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]


def test_an_exam_letter_is_one_token_wherever_it_stands(tokenizer: PreTrainedTokenizerBase) -> None:
    for letter in "ABCD":
        (number,) = tokenizer(letter)["input_ids"]
        assert tokenizer(f"\n{letter}:")["input_ids"][1] == number
        assert tokenizer(f"： {letter}")["input_ids"][2] == number


def test_a_prompt_is_a_prefix_of_its_training_text(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = "### Instruction:\n墨蕨是什么味？\n\n### Response:"
    ids = tokenizer(prompt)["input_ids"]
    for output in ("咸味。", "B", "salty."):
        assert tokenizer(f"{prompt} {output}")["input_ids"][: len(ids)] == ids
