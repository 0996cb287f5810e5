r"""A judge whose replies stand in a file: another program asked, or a person wrote them.

Owns: the file's form. Knows nothing of how replies are read. One record:

    {"identifier": "belle-0001", "reply": "得分：0.8分。…", "repeat": 0}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.data.json_records import read_records
from tunegrid.evaluation.judges.judge import Judge, OnReply, Reply, Request, Spent, common_problems

PATH_OPTIONS = ("replies",)


def build(*, replies: str, repeats: int = 1, max_unparsed_share: float = 0.0) -> Judge:
    """Return a judge that answers from a file.

    Args:
        replies: JSON or JSON lines with `identifier`, `reply` and, from 0, `repeat`.
        repeats: how many replies an item has.
        max_unparsed_share: a larger share without a readable score is an incomplete scoring.

    Raises:
        DataError: an unreadable file, or a record that is no reply or stands twice.

    """
    path = Path(replies)
    found = read_replies(path)

    def ask(
        requests: Sequence[Request],
        on_reply: OnReply,
        should_stop: Callable[[], bool],
        spent: Spent,
    ) -> None:
        for one in requests:
            text = found.get((one.identifier, one.repeat))
            problem = "" if text is not None else f"no recorded reply in {path.name}"
            on_reply(one, Reply(text, problem, 0, 0, 0))

    return Judge(
        name="recorded",
        description=f"replies recorded in {path.name}",
        ask=ask,
        repeats=repeats,
        max_unparsed_share=max_unparsed_share,
    )


def read_replies(path: Path) -> dict[tuple[str, int], str]:
    """Return the reply of each item and repeat.

    Raises:
        DataError: see `build`.

    """
    found: dict[tuple[str, int], str] = {}
    for record in read_records(path):
        value: Mapping[str, Any] = record.value if isinstance(record.value, dict) else {}
        identifier, reply, repeat = (
            value.get("identifier"), value.get("reply"), value.get("repeat", 0),
        )  # fmt: skip
        if (
            not isinstance(identifier, str)
            or not isinstance(reply, str)
            or not isinstance(repeat, int)
        ):
            raise DataError(
                f"{path}, line {record.line}: not identifier and reply as text, with repeat as a "
                f"whole number where there are several: {record.excerpt}"
            )
        if (identifier, repeat) in found:
            raise DataError(
                f"{path}, line {record.line}: {identifier!r} has a reply for repeat {repeat} "
                "already; number further ones with `repeat`"
            )
        found[identifier, repeat] = reply
    return found


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options beyond their names."""
    path = options.get("replies")
    found = common_problems(options)
    if not isinstance(path, str) or not Path(path).is_file():
        found.append(f"judge.options.replies: there is no file {path!r}; name the file of replies")
    return found
