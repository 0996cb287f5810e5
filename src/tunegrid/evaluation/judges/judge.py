"""What rates an answer: a rule, or a language model that is asked and whose reply is read.

Owns: the forms of judges, requests and replies, and the text a language model is asked with. Knows
nothing of benchmarks' files, servers or where replies are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.evaluation.benchmark import Item, ItemScore

SYSTEM = "You are a helpful assistant."
"""What the study's eval/score.py tells its judge first."""


@dataclass(frozen=True)
class Request:
    """One question to a language model that judges.

    `key` names it by everything its reply depends on; `repeat` counts the times one answer is
    rated, `attempt` the times it was asked again because a reply held no score.
    """

    key: str
    identifier: str
    repeat: int
    attempt: int
    text: str


@dataclass(frozen=True)
class Reply:
    """What came back.

    `text` is None when nothing usable did, and `problem` says why; a text with a problem, such
    as "cut off", is kept and not read. `calls` counts every call that was made for it;
    `received` has, as they came, the bodies that were no completion with a text.
    """

    text: str | None
    problem: str
    prompt_tokens: int
    new_tokens: int
    calls: int
    received: Sequence[str] = ()
    finish: str = ""
    """How the server says that it ended, such as `stop` or `length`; empty where it does not."""
    model: str = ""
    """What the server says that it asked; a name may stand for a model that changes."""


@dataclass(frozen=True)
class Spent:
    """What earlier runs of the same scoring have used up."""

    calls: int
    tokens: int


OnReply = Callable[[Request, Reply], None]
Ask = Callable[[Sequence[Request], OnReply, Callable[[], bool], Spent], None]


@dataclass(frozen=True)
class Judge:
    """Rates answers, by `rate(item, answer)` or by the replies to `ask`; one of them is given.

    `ask(requests, on_reply, should_stop, spent)` calls `on_reply` once a request, as replies come
    in; requests that were not asked because it had to stop get none.
    """

    name: str
    description: str
    rate: Callable[[Item, str], ItemScore] | None = None
    ask: Ask | None = None
    estimate: Callable[[Sequence[Request]], str] | None = None
    """What asking these costs, for a person, before the first call."""
    repeats: int = 1
    attempts: int = 1
    """How often an answer is put to the judge while its reply holds no score."""
    max_unparsed_share: float = 0.0
    """A larger share of answers without a readable score leaves the scoring incomplete."""
    loads_model: bool = False
    """Whether it takes the device's memory for a model of its own while it is asked."""


def request_text(rubric: str, question: str, reference: str | None, answer: str) -> str:
    """Return what the study's eval/score.py sends: its rubric, the question and the answer.

    Args:
        rubric: the judge's prompt of the category.
        question: the item's.
        reference: the expected answer; None for the categories that are judged without one.
        answer: what is rated.

    """
    expected = "" if reference is None else f" 标准回答： {reference}"
    asked = "请针对模型回答给出得分，顺便给出理由："
    return f"{rubric} {question}{expected} 模型回答： '{answer}'。{asked}"


def request(
    judge: Mapping[str, Any],
    item: Item,
    answer: str,
    rubric: str,
    *,
    with_reference: bool,
    repeat: int,
    attempt: int,
) -> Request:
    """Return the request to rate one answer, with the key under which its reply is kept.

    Args:
        judge: all that names the judge and its parameters.
        item: what was answered.
        answer: what is rated.
        rubric: the judge's prompt of the item's category.
        with_reference: whether the judge is shown the expected answer.
        repeat: the how manyth rating of this answer, from 0.
        attempt: how often this rating was asked before in vain.

    """
    reference = item.reference if with_reference else None
    depends_on = {
        "judge": dict(judge),
        "rubric": rubric,
        "question": item.question,
        "reference": reference,
        "answer": answer,
        "repeat": repeat,
        "attempt": attempt,
    }
    text = request_text(rubric, item.question, reference, answer)
    return Request(text_sha256(canonical_json(depends_on)), item.identifier, repeat, attempt, text)


def common_problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options that every judge that is asked has."""
    found = []
    for name in ("repeats", "attempts"):
        value = options.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            found.append(f"judge.options.{name} is {value!r}; give a whole number of at least 1")
    share = options.get("max_unparsed_share", 0.0)
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        found.append(f"judge.options.max_unparsed_share is {share!r}; give a share from 0 to 1")
    return found
