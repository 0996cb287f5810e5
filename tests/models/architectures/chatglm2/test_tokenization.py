"""ChatGLM2's tokenizer answers as it did in 2023, although its files name ChatGLM's."""

from __future__ import annotations

from doubles import golden_tokenizers as golden
from tunegrid.data.tokens import encode_prompt
from tunegrid.models.architectures.chatglm2.tokenization import BEHIND, ChatGLM2Tokenizer


def test_it_answers_as_it_did(tmp_path):
    tokenizer = golden.load("chatglm2", "llama_like", tmp_path)
    assert type(tokenizer) is ChatGLM2Tokenizer
    golden.check(tokenizer, "chatglm2", {})


def test_the_five_ids_stand_behind_the_pieces(tmp_path):
    tokenizer = golden.load("chatglm2", "llama_like", tmp_path)
    ids = tokenizer.convert_tokens_to_ids(list(BEHIND))
    assert ids == [2200, 2201, 2202, 2203, 2204]
    assert tokenizer.convert_ids_to_tokens(ids) == list(BEHIND)
    assert max(tokenizer.get_vocab().values()) == 2204
    assert encode_prompt(tokenizer, "a")[:2] == [2201, 2203]
    assert (
        tokenizer.decode([*ids, *tokenizer("fox", add_special_tokens=False)["input_ids"]]) == "fox"
    )


def test_a_text_that_looks_like_a_special_token_is_text(tmp_path):
    tokenizer = golden.load("chatglm2", "llama_like", tmp_path)
    ids = tokenizer("</s> [gMASK] sop", add_special_tokens=False)["input_ids"]
    assert not set(ids) & {2, 2200, 2201, 2202, 2203, 2204}
