"""A judge that is a model on this machine: how it is asked, repeated, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubles import tiny_bases
from tunegrid.evaluation.judges import local
from tunegrid.evaluation.judges.judge import Reply, Request, Spent

SPENT = Spent(0, 0)
TEMPLATE = "{% for m in messages %}{{ bos_token }}[{{ m.role }}] {{ m.content }}{% endfor %}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judge")
    tiny_bases.save("llama", root)
    return root / "llama"


def request(number: int, repeat: int = 0) -> Request:
    return Request(f"k{number}{repeat}", f"i{number}", repeat, 0, f"the fox {'jumps ' * number}")


def replies(base: Path, *asked: Request, stop_after: int = 99, **options: Any) -> dict[str, Reply]:
    found: dict[str, Reply] = {}

    def on_reply(one: Request, reply: Reply) -> None:
        found[one.key] = reply

    judge = local.build(path=str(base), max_tokens=4, device="cpu", **options)
    assert judge.ask is not None
    judge.ask(list(asked), on_reply, lambda: len(found) >= stop_after, SPENT)
    return found


def test_every_request_has_its_reply_and_the_same_each_time(base: Path) -> None:
    asked = [request(number) for number in range(3)]
    found = replies(base, *asked)
    assert set(found) == {one.key for one in asked}
    assert all(1 <= reply.new_tokens <= 4 and reply.calls == 1 for reply in found.values())
    # An untrained model finds no end: what fills its room counts as cut off.
    assert {reply.problem for reply in found.values() if reply.new_tokens == 4} <= {"cut off"}
    assert replies(base, *reversed(asked)) == found


def test_repeats_of_one_request_are_drawn_apart(base: Path) -> None:
    asked = [request(1, repeat) for repeat in range(4)]
    found = replies(base, *asked, repeats=4, temperature=5.0)
    assert len({reply.text for reply in found.values()}) > 1
    assert replies(base, *asked, repeats=4, temperature=5.0) == found


def test_it_stops_when_it_is_asked_to(base: Path) -> None:
    asked = [request(number) for number in range(5)]
    assert len(replies(base, *asked, stop_after=2, batch_tokens=1)) == 2


def test_a_request_is_framed_as_the_model_expects() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    assert local._framed(tokenizer, "rate", "be fair", None) == "rate"
    assert local._framed(tokenizer, "rate", "be fair", "Q: {request} A:") == "Q: rate A:"


def test_a_chat_template_opens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE)
    framed = local._framed(tokenizer, "rate", "", None)
    assert framed == "[user] rate"
    assert local._framed(tokenizer, "rate", "be fair", None).startswith("[system] be fair")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"precision": "fp4"}, ["judge.options.precision", "nf4"]),
        ({"device": "gpu"}, ["judge.options.device", "cuda"]),
        ({"template": "rate this"}, ["{request}"]),
        ({"repeats": 2}, ["temperature"]),
        ({"repeats": 0}, ["judge.options.repeats"]),
    ],
)
def test_bad_options_are_refused_before_anything_is_loaded(
    options: dict[str, Any], expected: list[str]
) -> None:
    said = " ".join(local.problems(options))
    assert all(part in said for part in expected)
    assert local.problems({"repeats": 2, "temperature": 0.5, "template": "{request}"}) == []
