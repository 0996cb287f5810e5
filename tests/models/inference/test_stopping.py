"""An answer that ends when its extraction is decided is read as the whole answer would be."""

from __future__ import annotations

import random

import pytest

from doubles import tiny_bases
from tunegrid.config.schema import DecodingConfig
from tunegrid.evaluation.benchmarks.mmcu import letters as mmcu
from tunegrid.models.inference.generation import Answer, answer
from tunegrid.models.inference.stopping import settled_text

# Letters, what the rule removes, what ends a run, full width, and the beginning of the stop text.
PIECES = [*"ABCDEFabcd、.,;，。：: \n#Ｂ．", "答案是", "AB", "CC", "###", "AI"]


def read(text: str, letters: str, strict: bool) -> str | None:
    """What scoring reads: the answer up to the stop text, then the letters."""
    return mmcu.extract(text.split("###")[0].strip(), letters, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("letters", ["ABCD", "ABCDE", "ABCDEF", "AB"])
def test_no_continuation_changes_what_a_decided_beginning_gives(letters: str, strict: bool) -> None:
    draw = random.Random(f"{letters}{strict}")  # noqa: S311
    decided = 0
    for _ in range(4000):
        pieces = draw.choices(PIECES, k=draw.randrange(1, 14))
        whole = "".join(pieces)
        for end in range(len(whole) + 1):
            if mmcu.is_decided(whole[:end], letters, strict=strict):
                decided += 1
                stopped = whole[:end]
                assert read(stopped, letters, strict) == read(whole, letters, strict), whole
                break
    assert decided > 1000


@pytest.mark.parametrize("letters", ["ABCD", "ABCDEF"])
def test_it_is_decided_as_soon_as_it_can_be(letters: str) -> None:
    """What is not called decided has a continuation by one or two pieces that reads otherwise."""
    draw = random.Random(letters)  # noqa: S311
    for _ in range(1500):
        begun = "".join(draw.choices(PIECES[:20], k=draw.randrange(0, 6)))
        if mmcu.is_decided(begun, letters):
            continue
        futures = {
            mmcu.extract(begun + a + b, letters) for a in letters + "。" for b in letters + "。"
        }
        assert len(futures) > 1, begun


@pytest.mark.parametrize(
    ("text", "decided"),
    [
        ("", False),
        ("A", False),
        ("A、", False),
        ("A、C", False),
        ("A。", True),
        ("A ", True),
        ("AA", False),
        ("AA。", False),
        ("AA。B\n", True),
        ("ABCD", True),
        ("ABCA", False),
        ("Ａ", False),
        ("Ａ是", True),
        ("我选", False),
    ],
)
def test_single_beginnings(text: str, decided: bool) -> None:
    assert mmcu.is_decided(text) is decided


def test_half_a_character_settles_nothing() -> None:
    """A byte token can still become part of 、, which is removed between letters."""
    tokenizer = tiny_bases.tokenizer("llama")
    whole = tokenizer("A、C", add_special_tokens=False)["input_ids"]
    texts = [settled_text(tokenizer, whole[:end]) for end in range(len(whole) + 1)]
    assert texts[:-1]
    assert all(text in ("", "A") for text in texts[:-1]), texts
    for end in range(len(whole)):
        assert not mmcu.is_decided(settled_text(tokenizer, whole[:end]))


# The tiny Bloom writes no letter at all when it decodes greedily.
@pytest.mark.parametrize(("kind", "sample"), [("llama", False), ("llama", True), ("bloom", True)])
def test_a_model_that_is_stopped_gives_the_same_letters(kind: str, sample: bool) -> None:
    """Random bases rarely write letters, so the rule reads their most common characters."""
    model = tiny_bases.lora(tiny_bases.base(kind), kind).model
    tokenizer = tiny_bases.tokenizer(kind)
    prompts = [
        f"{a} {b} ### Response:" for a in ("fox", "dog", "巴黎") for b in ("jumps", "is", "1")
    ]

    def run(rule: str | None) -> dict[int, Answer]:
        decide = None if rule is None else (lambda index, text: rule_of(text, rule))
        return dict(
            answer(
                model, tokenizer, prompts, decoding=DecodingConfig(sample=sample),
                max_new_tokens=24, stop="###", batch_tokens=400, seed=0, progress_label="",
                progress=False, is_decided=decide,
            )
        )  # fmt: skip

    def rule_of(text: str, letters: str) -> bool:
        return first(text.upper(), letters)[1]

    def first(text: str, letters: str) -> tuple[str | None, bool]:
        runs = mmcu._runs(text, letters, strict=False)
        for found, final in runs:
            if not final or len(set(found)) == len(found):
                return found, final
        return None, False

    full = run(None)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    stopped = run(letters)
    assert any(one.finished == "decided" for one in stopped.values())
    assert sum(a.new_tokens for a in stopped.values()) < sum(a.new_tokens for a in full.values())
    for index, whole in full.items():
        cut = stopped[index].text.split("###")[0].upper()
        assert first(cut, letters)[0] == first(whole.text.split("###")[0].upper(), letters)[0]
        assert whole.text.startswith(stopped[index].text.rstrip("\ufffd"))


def test_an_answer_ends_at_the_same_token_in_every_batch() -> None:
    model = tiny_bases.lora(tiny_bases.base("llama"), "llama").model
    tokenizer = tiny_bases.tokenizer("llama")
    prompts = ["the fox", "a dog ###", "is it 1", "capital"]

    def run(batch_tokens: int) -> dict[int, Answer]:
        return dict(
            answer(
                model, tokenizer, prompts, decoding=DecodingConfig(), max_new_tokens=24, stop="",
                batch_tokens=batch_tokens, seed=0, progress_label="", progress=False,
                is_decided=lambda index, text: len(text) > 5 + index,
            )
        )  # fmt: skip

    together, alone = run(10_000), run(1)
    assert together == alone
    assert {one.batch_rows for one in together.values()} == {4}
    assert {one.batch_rows for one in alone.values()} == {1}
