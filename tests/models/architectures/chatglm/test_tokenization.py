"""ChatGLM's first tokenizer answers as it did in 2023."""

from __future__ import annotations

import pytest

from doubles import golden_tokenizers as golden
from tunegrid.data.tokens import encode, encode_prompt
from tunegrid.models.architectures.chatglm.tokenization import ChatGLMTokenizer


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_it_answers_as_it_did(kind, tmp_path):
    tokenizer = golden.load("chatglm", f"glm1_{kind}", tmp_path)
    assert type(tokenizer) is ChatGLMTokenizer
    # Encoding of 2023 lost the blanks beside a special token inside a text; decoding moved a
    # question mark to the word before it, and wrote <unk> as " ⁇ ".
    but = {
        golden.SUM: ("decoded", "decoded_skip"),
        golden.SPECIAL: ("ids", "ids_special", "decoded"),
        golden.BORDER: ("ids", "ids_special", "decoded"),
    }
    golden.check(tokenizer, f"chatglm1_{kind}", but)


@pytest.mark.parametrize("text", ["a\n\tb", "x" + " " * 90 + "y", "def f():\n    return 1\n", "  "])
def test_what_is_rewritten_comes_back(text, tmp_path):
    tokenizer = golden.load("chatglm", "glm1_unigram", tmp_path)
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_an_example_is_context_border_answer_end(tmp_path):
    tokenizer = golden.load("chatglm", "glm1_bpe", tmp_path)
    prompt = encode_prompt(tokenizer, "Name a fox.")
    assert tokenizer.convert_ids_to_tokens(prompt[-2:]) == ["[gMASK]", "<sop>"]
    example = encode(tokenizer, "Name a fox.", " Reynard", max_length_tokens=64)
    assert example is not None
    assert example.ids[: len(prompt)] == prompt
    assert example.labels[: len(prompt)] == [-100] * len(prompt)
    assert example.ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(example.ids[len(prompt) :], skip_special_tokens=True) == "Reynard"
