from __future__ import annotations

import pytest

from doubles import tiny_bases
from tunegrid.config.errors import ConfigError
from tunegrid.data.tokens import NOT_TRAINED, encode, encode_all, encode_prompt

PROMPTS = ["### Response:", "Name it.\n", " begins with a space", "", "结尾："]
ANSWERS = [
    " Paris",
    "Paris",
    "\nParis",
    ":: colon",
    " 巴黎。",
    "  two spaces",
    "",
    "a\n\n### b",
    " 🦊",
]


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_ids_give_the_text_back_and_begin_with_the_evaluation_prompt(kind, prompt, answer):
    tokenizer = tiny_bases.tokenizer(kind)
    example = encode(tokenizer, prompt, answer, max_length_tokens=256)
    opening = encode_prompt(tokenizer, prompt)
    assert example.ids[: len(opening)] == opening
    assert example.prompt_tokens == len(opening)
    text = tokenizer.decode(example.ids, clean_up_tokenization_spaces=False)
    if kind == "bloom":
        assert text == f"{prompt}{answer}</s>"
    elif prompt:
        # Llama's tokenizer opens every text with one space, its own or the text's.
        assert text == f"<s> {prompt.removeprefix(' ')}{answer}</s>"
    else:
        assert text == f"<s>{answer}</s>"


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_an_answer_is_encoded_as_inside_a_text(kind):
    tokenizer = tiny_bases.tokenizer(kind)
    example = encode(tokenizer, "the fox", " jumps over", max_length_tokens=64)
    whole = tokenizer("the fox jumps over")["input_ids"]
    assert example.ids == [*whole, tokenizer.eos_token_id]


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_only_answer_and_end_are_trained(kind):
    tokenizer = tiny_bases.tokenizer(kind)
    example = encode(tokenizer, "the fox", " jumps", max_length_tokens=64)
    border = example.prompt_tokens
    assert set(example.labels[:border]) == {NOT_TRAINED}
    assert example.labels[border:] == example.ids[border:]
    assert example.labels[-1] == tokenizer.eos_token_id
    assert example.trained_tokens == len(example.ids) - border


def test_training_on_the_prompt_leaves_out_the_first_token_alone():
    example = encode(
        tiny_bases.tokenizer("bloom"),
        "the fox",
        " jumps",
        max_length_tokens=64,
        train_on_prompt=True,
    )
    assert example.labels == [NOT_TRAINED, *example.ids[1:]]


def test_long_examples_lose_their_end_and_long_prompts_are_rejected():
    tokenizer = tiny_bases.tokenizer("bloom")
    prompt = encode_prompt(tokenizer, "the fox")
    texts = [("the fox", " jumps over the dog"), ("the fox jumps over the dog", "!")]
    cut = encode_all(tokenizer, texts, max_length_tokens=len(prompt) + 2)
    assert cut.rejected_indices == [1]
    assert cut.truncated_count == 1
    [example] = cut.examples
    assert len(example.ids) == len(prompt) + 2
    assert tokenizer.eos_token_id not in example.ids
    assert (cut.tokens, cut.trained_tokens) == (len(prompt) + 2, 2)
    assert encode(tokenizer, "the fox", "!", max_length_tokens=len(prompt)) is None


def test_one_by_one_equals_all_at_once():
    tokenizer = tiny_bases.tokenizer("llama")
    texts = [(prompt, answer) for prompt in PROMPTS for answer in ANSWERS]
    together = encode_all(tokenizer, texts, max_length_tokens=256).examples
    assert together == [encode(tokenizer, *text, max_length_tokens=256) for text in texts]


def test_an_end_that_the_tokenizer_appends_itself_stands_once_and_last():
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_bases.tokenizer("bloom")
    plain = encode(tokenizer, "the fox", " jumps", max_length_tokens=64)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    try:
        framed = encode(tokenizer, "the fox", " jumps", max_length_tokens=64)
    finally:
        tiny_bases.tokenizer.cache_clear()
    assert framed.ids == [1, *plain.ids]


def test_a_tokenizer_without_an_end_is_refused():
    from transformers import PreTrainedTokenizerFast

    backend = tiny_bases.tokenizer("bloom").backend_tokenizer
    with pytest.raises(ConfigError, match="end-of-sequence"):
        encode_all(PreTrainedTokenizerFast(tokenizer_object=backend), [], max_length_tokens=8)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_every_answer_of_a_conversation_is_trained_and_nothing_else(kind):
    tokenizer = tiny_bases.tokenizer(kind)
    texts = ["the fox", " jumps", "over the dog", " 巴黎。", "again", " Paris"]
    (one,) = encode_all(tokenizer, [texts], max_length_tokens=256).examples
    trained = [token for token, label in zip(one.ids, one.labels, strict=True) if label == token]
    text = tokenizer.decode(trained, clean_up_tokenization_spaces=False).removeprefix(" ")
    assert text.replace("</s> ", "</s>") == "jumps</s> 巴黎。</s> Paris</s>".replace(
        "</s> ", "</s>"
    )
    assert trained.count(tokenizer.eos_token_id) == 3
    assert {label for label in one.labels if label not in trained} == {NOT_TRAINED}
    first = encode(tokenizer, texts[0], texts[1], max_length_tokens=256)
    assert one.ids[: len(first.ids)] == first.ids
    assert one.labels[: len(first.ids)] == first.labels
    cut = encode_all(tokenizer, [texts], max_length_tokens=len(one.ids) - 1).examples[0]
    assert (cut.ids, cut.truncated) == (one.ids[:-1], True)
