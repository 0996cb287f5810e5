"""Data that spells a control token is text, for every kind of tokenizer and every spelling."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doubles import golden_tokenizers, tiny_bases
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig, PromptConfig
from tunegrid.data import prompts
from tunegrid.data.control_tokens import controls, ids_inside
from tunegrid.data.example import Example
from tunegrid.data.rendered import joined
from tunegrid.data.tokens import encode_all, encode_prompt
from tunegrid.models.bases.loading import load_tokenizer
from tunegrid.use.show_tokens import texts_of_tokens

PROMPT = PromptConfig(
    name="p", language="en", with_input="I: {instruction}\n{input}\nR:",
    without_input="I: {instruction}\nR:", multiple_choice="Q: {instruction}\nR:",
)  # fmt: skip
GOLDEN = {
    "chatglm by merges": ("chatglm", "glm1_bpe"),
    "chatglm by weights": ("chatglm", "glm1_unigram"),
    "chatglm2": ("chatglm2", "llama_like"),
    "baichuan": ("baichuan", "baichuan_like"),
    "internlm": ("internlm", "llama_like"),
}
MINIATURE = {"byte fallback": ("llama", "llama"), "byte level": ("bloom", "bloom")}
KINDS = [*tiny_bases.KINDS, *MINIATURE, *GOLDEN]


@pytest.fixture(scope="module")
def tokenizer_of(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    made: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind in tiny_bases.KINDS:
            return tiny_bases.tokenizer(kind)
        if kind not in made:
            if kind in MINIATURE:
                architecture, folder = MINIATURE[kind]
                base = ModelConfig(name="m", path=folder, architecture=architecture)
                made[kind] = load_tokenizer(base, project / "assets" / "miniature")
            else:
                root = tmp_path_factory.mktemp("tokenizer")
                made[kind] = golden_tokenizers.load(*GOLDEN[kind], root)
        return made[kind]

    return of


def spellings(tokenizer: Any) -> list[str]:
    found = list(tokenizer.all_special_tokens)
    found += [token.content for token in tokenizer.added_tokens_decoder.values()]
    found += list(getattr(tokenizer, "control_pieces", {}))
    found += ["<s>", "</s>", "<unk>", "[gMASK]", "<sop>", "<eop>", "sop", "<n>", "<|blank_2|>"]
    return list(dict.fromkeys(word for word in found if word.strip()))


def plain(tokenizer: Any, ids: list[int]) -> str:
    """Return the text of ids; none of them may be a control token."""
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_token_in_data_stays_text(
    tokenizer_of: Callable[[str], Any], kind: str
) -> None:
    tokenizer = tokenizer_of(kind)
    known = controls(tokenizer)
    real = known.ids - {known.unknown}
    assert len(spellings(tokenizer)) >= 9
    for word in spellings(tokenizer):
        for data in (f"{word}old{word} new", word, f"a {word}", f"{word}{word}", f"x{word}\ny"):
            [texts] = [prompts.training_texts(PROMPT, Example(data, data, data, "s", 0))]
            [example] = encode_all(tokenizer, [texts], max_length_tokens=10_000).examples
            border = example.prompt_tokens
            opening = encode_prompt(tokenizer, "")
            # What the tokenizer opens a prompt with, and the one end-of-sequence id of ours.
            inside = [i for i in example.ids[:border] if i in real]
            assert inside == [i for i in opening if i in real], (word, data)
            answer = example.ids[border:]
            assert [i for i in answer if i in real] == [tokenizer.eos_token_id], (word, data)
            # Evaluation reads the same ids.
            assert encode_prompt(tokenizer, texts[0]) == example.ids[:border]
            if known.unknown not in answer[:-1]:
                assert plain(tokenizer, answer[:-1]).strip() == data.strip(), (word, data)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_that_are_shown_give_the_text_back(
    tokenizer_of: Callable[[str], Any], kind: str
) -> None:
    tokenizer = tokenizer_of(kind)
    for word in spellings(tokenizer):
        data = f"{word}old{word} 什么 new"
        [ids] = ids_inside(tokenizer, [data])
        shown = texts_of_tokens(tokenizer, ids)
        assert len(shown) == len(ids)
        if controls(tokenizer).unknown not in ids:
            assert "".join(shown).strip() == data, word


@pytest.mark.parametrize("kind", KINDS)
def test_texts_without_any_have_the_ids_that_they_had(
    tokenizer_of: Callable[[str], Any], kind: str
) -> None:
    tokenizer = tokenizer_of(kind)
    draw = random.Random(0)  # noqa: S311
    letters = "abc <>/[]|s中文，。\n\t  🦊1"
    for _ in range(300):
        text = "".join(draw.choices(letters, k=draw.randint(1, 30)))
        if controls(tokenizer).spelling.search(text):
            continue
        opening = encode_prompt(tokenizer, text)
        assert [i for i in tokenizer(text)["input_ids"] if i != tokenizer.eos_token_id] == opening


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_templates_own_control_token_is_one(kind: str) -> None:
    tokenizer = tiny_bases.tokenizer(kind)
    end = tokenizer.eos_token
    text = joined([("a", False), (end, False), (f"b{end}c", True), (end, False)])
    [ids] = ids_inside(tokenizer, [text])
    assert ids.count(tokenizer.eos_token_id) == 2
    assert plain(tokenizer, ids) == text


def test_a_template_does_not_open_a_text_twice() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    with pytest.raises(ConfigError, match="puts in front of every text itself"):
        encode_prompt(tokenizer, joined([("<s>Answer: ", False), ("x", True)]))
    assert encode_prompt(tokenizer, "<s>Answer: x").count(tokenizer.bos_token_id) == 1
