"""Answers of a base behind a server: what is asked, what was answered before, what it may cost.

Owns: replies/api.jsonl, into which every reply is written before the next one is looked at, so that
an interrupted cell loses none and asks none twice. Knows nothing of scores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tunegrid.cells import api_base
from tunegrid.cells.identity import Cell
from tunegrid.cells.requests import EvaluationRequest
from tunegrid.config.errors import StageError, Stopped
from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.evaluation.judges import openai
from tunegrid.evaluation.judges.judge import Reply, Request, Spent
from tunegrid.store.run_directory import RunDirectory

REPLIES = "replies/api.jsonl"
FINISHED = {"stop": "eos"}
"""A server's words for how an answer ended that predictions have another word for."""


@dataclass
class _Replies:
    """What the server has said to this cell, by the key of the question."""

    run: RunDirectory
    found: dict[str, Reply] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0

    def read(self) -> None:
        for record in self.run.read_lines(REPLIES):
            self._take(record["key"], Reply(**record["reply"]))

    def keep(self, one: Request, reply: Reply) -> None:
        """Write a reply, also one that failed: its calls count."""
        self._take(one.key, reply)
        if reply.calls or reply.text is not None:
            record = {"key": one.key, "identifier": one.identifier, "reply": asdict(reply)}
            self.run.append_line(REPLIES, record)

    def _take(self, key: str, reply: Reply) -> None:
        self.found[key] = reply
        self.calls += reply.calls
        self.tokens += reply.prompt_tokens + reply.new_tokens


def answers(
    cell: Cell,
    run: RunDirectory,
    asked: EvaluationRequest,
    done: frozenset[int],
    should_stop: Callable[[], bool],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the position of each prompt and what predictions say of its answer.

    Args:
        cell: with a base behind a server.
        run: its directory.
        asked: the questions.
        done: positions that are answered already.
        should_stop: whether to end.

    Raises:
        StageError: questions without an answer; what was answered is kept and not asked again.
        Stopped: `should_stop` became true.
    """
    replies = _Replies(run)
    replies.read()
    common = api_base.body(cell.config, asked.max_new_tokens)
    wanted = {
        index: _request(common, asked, index)
        for index in range(len(asked.prompts))
        if index not in done
    }
    _ask(cell, asked, list(wanted.values()), replies, should_stop)
    problems = []
    for index, one in wanted.items():
        reply = replies.found[one.key]
        if reply.text is None:
            problems.append(reply.problem)
            continue
        yield index, _record(reply)
    if problems:
        raise StageError(
            f"{len(problems)} of {len(asked.prompts)} questions of {asked.name} have no answer, "
            f"the first: {problems[0]}. What was answered is kept; the same command asks the others"
        )


def _request(common: dict[str, Any], asked: EvaluationRequest, index: int) -> Request:
    """Return one question; its key is all that the answer depends on."""
    text = asked.prompts[index]
    key = text_sha256(canonical_json({"body": common, "text": text}))
    return Request(key, asked.benchmark.items[index].identifier, 0, 0, text)


def _ask(
    cell: Cell,
    asked: EvaluationRequest,
    requests: list[Request],
    replies: _Replies,
    should_stop: Callable[[], bool],
) -> None:
    """Ask what has no answer yet; the same text is asked once."""
    from tqdm import tqdm

    def is_open(one: Request) -> bool:
        return one.key not in replies.found or replies.found[one.key].text is None

    waiting = list({one.key: one for one in requests if is_open(one)}.values())
    if not waiting:
        return
    options = api_base.Options(**cell.config.model.options)
    estimate = openai.estimate(
        waiting, asked.max_new_tokens,
        options.price_per_million_prompt_tokens, options.price_per_million_new_tokens,
    )  # fmt: skip
    print(f"{asked.name}, {options.model}: {estimate}", file=sys.stderr, flush=True)
    ask = openai.asking(api_base.settings(cell.config, asked.max_new_tokens))
    with tqdm(
        total=len(waiting), desc=asked.name, disable=not cell.config.runtime.progress,
        dynamic_ncols=True,
    ) as bar:  # fmt: skip

        def keep(one: Request, reply: Reply) -> None:
            replies.keep(one, reply)
            bar.update()

        ask(waiting, keep, should_stop, Spent(replies.calls, replies.tokens))
    if should_stop():
        raise Stopped


def _record(reply: Reply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "new_tokens": reply.new_tokens,
        "finished": FINISHED.get(reply.finish, reply.finish),
        "batch_rows": 1,
        "served_model": reply.model,
    }
