"""Likelihoods of all choices from one shared reading equal those of reading each choice anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Device, Precision
from tunegrid.config.errors import DataError
from tunegrid.config.schema import QuantizationConfig
from tunegrid.data.tokens import encode_all
from tunegrid.evaluation.benchmarks.mmcu.benchmark import choices
from tunegrid.models.bases.loading import load
from tunegrid.models.inference.likelihood import ChoiceLikelihood, likelihoods
from tunegrid.models.methods import library

PROMPTS = [
    "Name the capital of France. ### Response:",
    "the fox",
    "Below is an instruction that describes a task. 巴黎 ### Response:",
]


ALL = choices("ABCD")


def scores(model: Any, kind: str, **changes: Any) -> dict[int, list[ChoiceLikelihood]]:
    given: dict[str, Any] = {
        "separator": " ", "batch_tokens": 10_000, "progress_label": "", "progress": False,
    } | changes  # fmt: skip
    names = given.pop("choices", [ALL] * len(PROMPTS))
    return dict(likelihoods(model, tiny_bases.tokenizer(kind), PROMPTS, names, **given))


def by_hand(model: Any, kind: str, prompt: str, choice: str) -> tuple[float, float]:
    """The whole text in one pass without batch, mask or cache, as training writes it."""
    tokenizer = tiny_bases.tokenizer(kind)
    (one,) = encode_all(tokenizer, [(prompt, f" {choice}")], max_length_tokens=999).examples
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([one.ids]), use_cache=False).logits[0]
    logs = logits.float().log_softmax(-1)
    each = [float(logs[i - 1, one.ids[i]]) for i in range(one.prompt_tokens, len(one.ids))]
    return sum(each[:-1]), each[-1]


def test_there_are_15_sets_of_four_letters() -> None:
    assert len(ALL) == len(set(ALL)) == 15
    assert ALL[:5] == ["A", "B", "C", "D", "AB"]
    assert ALL[-1] == "ABCD"
    assert len(choices("AB")) == 3


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_the_shared_reading_equals_each_text_read_alone(kind: str) -> None:
    model = tiny_bases.lora(tiny_bases.base(kind), kind).model
    found = scores(model, kind)
    assert sorted(found) == [0, 1, 2]
    for index, prompt in enumerate(PROMPTS):
        assert [one.choice for one in found[index]] == ALL
        for one in found[index]:
            own, end = by_hand(model, kind, prompt, one.choice)
            assert one.log_likelihood == pytest.approx(own, abs=1e-4)
            assert one.end_log_likelihood == pytest.approx(end, abs=1e-4)
            assert one.tokens >= 1


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_neither_batch_nor_sharing_changes_them(kind: str) -> None:
    model = tiny_bases.lora(tiny_bases.base(kind), kind).model
    together = scores(model, kind)
    for changes in ({"batch_tokens": 1}, {"shares_prompt": False}):
        other = scores(model, kind, **changes)
        for index in together:
            for a, b in zip(together[index], other[index], strict=True):
                assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-4)
                assert a.end_log_likelihood == pytest.approx(b.end_log_likelihood, abs=1e-4)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_they_are_the_same_on_quantized_bases(kind: str, precision: str, tmp_path: Path) -> None:
    model = quantized(kind, precision, tmp_path)
    together = scores(model, kind)
    # 8-bit layers are evaluated with dequantized weights only inside the call.
    alone = scores(model, kind, batch_tokens=1, shares_prompt=False)
    for index in together:
        for a, b in zip(together[index], alone[index], strict=True):
            assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-3)


@pytest.mark.parametrize("type_", ["PROMPT_TUNING", "PREFIX_TUNING"])
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_methods_with_tokens_in_front_are_read_with_them(type_: str, kind: str) -> None:
    model = library.attach(tiny_bases.base(kind), type=type_, num_virtual_tokens=3).model
    found = scores(model, kind)
    own, end = by_hand_in_front(model, kind, PROMPTS[1], "AC", type_)
    (one,) = [one for one in found[1] if one.choice == "AC"]
    assert one.log_likelihood == pytest.approx(own, abs=1e-4)
    assert one.end_log_likelihood == pytest.approx(end, abs=1e-4)


def quantized(kind: str, precision: str, root: Path) -> Any:
    settings = QuantizationConfig(name=precision, precision=Precision(precision))
    return load(tiny_bases.save(kind, root), settings, root=root, device=Device.cpu)[0]


def by_hand_in_front(
    model: Any, kind: str, prompt: str, choice: str, type_: str
) -> tuple[float, float]:
    tokenizer = tiny_bases.tokenizer(kind)
    (one,) = encode_all(tokenizer, [(prompt, f" {choice}")], max_length_tokens=999).examples
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([one.ids])).logits[0]
    logs = logits[-len(one.ids) :].float().log_softmax(-1)
    each = [float(logs[i - 1, one.ids[i]]) for i in range(one.prompt_tokens, len(one.ids))]
    return sum(each[:-1]), each[-1]


def test_items_may_have_different_choices_and_be_done() -> None:
    model = tiny_bases.lora(tiny_bases.base("llama"), "llama").model
    found = scores(model, "llama", choices=[ALL, choices("AB"), ALL], done={2})
    assert {index: len(each) for index, each in found.items()} == {0: 15, 1: 3}


def test_a_prompt_without_room_is_named() -> None:
    model = tiny_bases.base("llama")
    model.config.max_position_embeddings = 12
    with pytest.raises(DataError, match="positions, from 0"):
        scores(model, "llama")


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    from tunegrid.models.inference import likelihood

    model = tiny_bases.lora(tiny_bases.base("llama"), "llama").model
    expected = scores(model, "llama")
    shared = likelihood._with_shared_prompt
    sizes = []

    def small(model: Any, tokenizer: Any, rows: Any, branches: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 1:
            raise torch.OutOfMemoryError("too much")
        return shared(model, tokenizer, rows, branches)

    monkeypatch.setattr(likelihood, "_with_shared_prompt", small)
    found = scores(model, "llama")
    assert sizes == [3, 1, 2, 1, 1]
    for index in expected:
        for a, b in zip(found[index], expected[index], strict=True):
            assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-4)
