"""A server that sends each malformed content once: all is kept, nothing is invented or repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doubles import servers
from doubles.rated import benchmark, built, rate
from tunegrid.store.run_directory import RunDirectory

COMPLETION: dict[str, Any] = {
    "choices": [{"message": {"content": "得分：0.5分"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 5},
}


def content(value: str) -> bytes:
    """Return a completion whose content is this JSON."""
    return b'{"choices": [{"message": {"content": %s}}]}' % value.encode()


def usage(value: str) -> bytes:
    """Return a completion without a score, whose usage is this JSON."""
    message = '{"choices": [{"message": {"content": "kept"}}], "usage": '
    return f"{message}{value}}}".encode()


# Contents first, then completions that are fine but for their usage.
MALFORMED = {
    "half a pair": content('"\\ud83d 得分：高"'),
    "other half": content('"得分：\\ude00"'),
    "half behind a score": content('"得分：0.\\ud83d"'),
    "halves in the wrong order": content('"\\ude00\\ud83d"'),
    "null": content("null"),
    "empty": content('""'),
    "a number": content("1"),
    "a fraction": content("0.8"),
    "true": content("true"),
    "a list": content('["得分：1分"]'),
    "parts": content('[{"type": "text", "text": "得分：1分"}]'),
    "an object": content('{"score": 1}'),
    "NaN": content("NaN"),
    "Infinity": content("Infinity"),
    "control characters": content('"\\u0000\\u0007\\u001b[31m"'),
    "line separators": content('"得分：\\u2028\\u2029"'),
    "a long number": content("9" * 5000),
    "a long text": content('"' + "得分" * 20_000 + '"'),
    "infinite usage": usage('{"prompt_tokens": Infinity, "completion_tokens": Infinity}'),
    "usage NaN": usage('{"prompt_tokens": NaN, "completion_tokens": -Infinity}'),
    "negative usage": usage('{"prompt_tokens": -5, "completion_tokens": -1}'),
    "usage as text": usage('{"prompt_tokens": "many", "completion_tokens": "5"}'),
    "usage as a list": usage("[1, 2]"),
    "usage of 5,000 digits": usage('{"completion_tokens": %s}' % ("9" * 5000)),
    "usage as objects": usage('{"prompt_tokens": {}, "completion_tokens": [true]}'),
}


@pytest.mark.parametrize("attempts", [1, 2])
def test_each_is_kept_asked_once_and_gives_no_score(run: RunDirectory, attempts: int) -> None:
    assert len(MALFORMED) == 25
    of = benchmark(*[f"{name}/" for name in MALFORMED], "fine/")
    bodies = {f"kind:{name}/ ": body for name, body in MALFORMED.items()}

    def behave(handler: Any, question: str, count: int) -> None:
        found = [body for kind, body in bodies.items() if kind in question]
        servers.send(handler, 200, found[0] if found else json.dumps(COMPLETION).encode())

    with servers.serving(behave) as server:
        rated = rate(run, of, built(server.url, attempts=attempts))
        # An unparsed reply is asked for again under a key of its own, the fine one is not.
        assert len(server.asked) == 25 * attempts + 1
        again = rate(run, of, built(server.url, attempts=attempts))
        assert len(server.asked) == 25 * attempts + 1
    assert [score.value for score in rated.scores] == [None] * 25 + [0.5]
    assert again.scores == rated.scores
    assert rated.is_incomplete
    records = run.read_lines("replies/openai-tiny.jsonl")
    assert len(records) == 25 * attempts + 1
    kept = {(one["identifier"], one["attempt"]): one["reply"] for one in records}
    for number, body in enumerate(MALFORMED.values()):
        reply = kept[f"i{number}", attempts - 1]
        message = json.loads(body, parse_int=float)["choices"][0]["message"]["content"]
        is_text = message is None or isinstance(message, str)
        assert reply["text"] == (message or "") if is_text else body.decode() in reply["received"]
        assert 0 <= reply["new_tokens"] < 1_000_000
    # What any other program reads as UTF-8.
    (run.path / "replies" / "openai-tiny.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "body", [b"\xff\xfe not JSON \xe5", b"[" * 100_000, b"[]", b'{"choices": {}}', b"1", b"{"]
)
def test_a_body_that_is_no_completion_is_kept_and_tried_again(
    run: RunDirectory, body: bytes
) -> None:
    def behave(handler: Any, question: str, count: int) -> None:
        fine = json.dumps(COMPLETION).encode()
        servers.send(handler, 200, fine if count == 1 else body)

    with servers.serving(behave) as server:
        rated = rate(run, benchmark("fine"), built(server.url))
        assert len(server.asked) == 2
    assert rated.scores[0].value == 0.5
    [record] = run.read_lines("replies/openai-tiny.jsonl")
    assert record["reply"]["received"] == [body.decode("utf-8", "backslashreplace")]


def test_a_refusal_is_kept_as_it_came(run: RunDirectory) -> None:
    body = b'{"error": "' + b"too long " * 100 + b'"}'
    with servers.serving(lambda handler, *_: servers.send(handler, 400, body)) as server:
        rate(run, benchmark("fine"), built(server.url))
    [record] = run.read_lines("replies/openai-tiny.jsonl")
    assert record["reply"]["received"] == [body.decode()]


def test_half_a_pair_in_an_answer_is_asked_about(run: RunDirectory) -> None:
    with servers.serving(servers.replying("得分：1分")) as server:
        rated = rate(run, benchmark("fine"), built(server.url), answers=["half \ud83d"])
        assert "\ud83d" in server.asked[0]
    assert rated.scores[0].value == 1.0
