"""Which mapping a file's records need, found by looking at the first of them.

Owns: the known forms, and when a guess is too doubtful to be made. Knows nothing of how files are
opened. What is recognised depends on the content alone, because a file of the same content is
the same data to a cell's identity; a form added here must therefore not change what is read from a
file that could be read before.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.data.json_records import Record
from tunegrid.data.mapping import ASSISTANT_ROLES, SYSTEM_ROLES, USER_ROLES, Fields, Turns
from tunegrid.data.tagged import Alternating, MossChat

LOOKED_AT = 200
"""Records."""
ALPACA = Fields("instruction", "input", "output")

_INSTRUCTIONS = ("instruction", "prompt", "question", "query", "inputs")
_INPUTS = ("input", "context")
_OUTPUTS = ("output", "response", "completion", "answer", "target", "targets")
_ROLES = ("from", "role", "speaker")
_TEXTS = ("value", "content", "text")
_EARLIER = ("history", "system")
_KNOWN = (*_INSTRUCTIONS, *_INPUTS, *_OUTPUTS)
_ACCEPTED = (
    "instruction, input, output; prompt, completion; question, answer; query, response, history; "
    "inputs, targets; input, target; instruction, context, response; lists of turns "
    "(conversations with from and value, messages with role and content)"
)

Recognised = Fields | Turns | MossChat | Alternating


def recognise(path: Path, head: Sequence[Record]) -> Recognised:
    """Return the mapping of a file's records.

    Args:
        path: for messages.
        head: the first records, at most `LOOKED_AT`.

    Raises:
        DataError: no known form, or several that would read different texts, or fields that are
            probably misspelt.
    """
    records = [record.value for record in head if isinstance(record.value, dict)]
    if not records:
        return _of_lists(path, head)
    _refuse_columns(path, records)
    counts = Counter(key for record in records for key in record)
    if any("instruction" in record and "output" in record for record in records):
        _refuse_misspelt_input(path, records, counts)
        _refuse_ignored_history(path, records)
        return ALPACA
    found = _conversations(records) + _exchanges(records, counts)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{path}: its records could be read in {len(found)} ways: "
            f"{'; '.join(f'({n}) {one}' for n, one in enumerate(found, 1))}. Say which: make it a "
            "collection with instruction_key, input_key and output_key in its options "
            "(docs/inputs.md), or leave the other fields out of the file"
        )
    raise _unknown(path, counts)


def other_fields(head: Sequence[Record], mapping: Recognised) -> list[str]:
    """Return the fields of the first records that are not read, in their order."""
    values = (record.value for record in head if isinstance(record.value, dict))
    read = {name.partition(".")[0] for name in mapping.names}
    return [key for key in dict.fromkeys(key for v in values for key in v) if key not in read]


def _of_lists(path: Path, head: Sequence[Record]) -> Recognised:
    """Return the mapping of records that are lists of turns, or that are no objects at all."""
    values = [record.value for record in head]
    pair = _turn_keys([value for value in values if isinstance(value, list)])
    if pair is not None:
        return Turns("", *pair)
    return ALPACA  # which rejects every record by name


def _refuse_columns(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Refuse one object that holds all records by column, and turns that are no conversation."""
    first = records[0]
    fields = [value for key, value in first.items() if key in _KNOWN]
    if len(records) == 1 and fields:
        if all(isinstance(value, dict) and _is_numbered(value) for value in fields):
            form = '{"instruction": {"0": …}}'
        elif len(fields) > 1 and all(isinstance(v, list) and len(v) > 1 for v in fields):
            form = '{"instruction": ["…", …]}'
        else:
            return
        raise DataError(
            f"{path}: one object holds the texts by column, {form}. Accepted are records, one "
            'object each; write them with pandas: frame.to_json(path, orient="records", '
            "lines=True, force_ascii=False)"
        )
    if _turn_keys([records]) is not None and not any(key in _KNOWN for key in first):
        raise DataError(
            f"{path}: its records are single turns ({', '.join(first)}), and nothing says which of "
            'them belong together. Accepted are conversations: {"messages": [{"role": …}, …]}, '
            "one a record"
        )


def _is_numbered(value: dict[str, Any]) -> bool:
    return bool(value) and all(key.isdigit() for key in list(value)[:10])


def _refuse_misspelt_input(
    path: Path, records: Sequence[dict[str, Any]], counts: Counter[str]
) -> None:
    if counts["input"]:
        return
    every = [key for key, count in counts.items() if count == len(records)]
    near = [
        key
        for key in every
        if key not in ("instruction", "output")
        and difflib.SequenceMatcher(None, key.casefold(), "input").ratio() > 0.7
    ]
    if near:
        raise DataError(
            f"{path}: no record has a field 'input', and all of the first {len(records)} have "
            f"{near[0]!r}, which would not be read. Rename it to 'input'; if it is meant to be "
            "left out, remove it, or read the file as a collection with input_key in its options "
            f"(input_key: {near[0]}, or null for none; docs/inputs.md)"
        )


def _refuse_ignored_history(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Refuse earlier turns beside instruction and output: they were never read from such files."""
    for key in _EARLIER:
        if any(record.get(key) for record in records):
            raise DataError(
                f"{path}: its records have instruction and output, and texts in {key!r} that come "
                "before them: (1) read with these, (2) read without. Say which: write them as "
                'conversations ({"messages": [{"role": …, "content": …}, …]}), or remove the '
                "field"
            )


def _conversations(records: Sequence[dict[str, Any]]) -> list[Recognised]:
    """Return the mappings of fields that hold turns, by their structure."""
    found: list[Recognised] = []
    for key in dict.fromkeys(key for record in records for key in record):
        values = [record[key] for record in records if record.get(key)]
        pair = _turn_keys([value for value in values if isinstance(value, list)])
        if pair is not None:
            has_system = any(isinstance(record.get("system"), str) for record in records)
            found.append(Turns(key, *pair, system="system" if has_system else None))
        elif key == "chat" and any(_is_moss(value) for value in values):
            found.append(MossChat())
        elif key == "data" and any(_is_alternating(value) for value in values):
            found.append(Alternating(key))
    return found


def _turn_keys(lists: Sequence[Sequence[Any]]) -> tuple[str, str] | None:
    """Return the fields of role and text that all turns of the lists have."""
    turns = [turn for one in lists for turn in one]
    if not turns or not all(isinstance(turn, dict) for turn in turns):
        return None
    roles = [key for key in _ROLES if all(isinstance(turn.get(key), str) for turn in turns)]
    texts = [key for key in _TEXTS if any(isinstance(turn.get(key), str) for turn in turns)]
    if len(roles) != 1 or len(texts) != 1:
        return None
    known = {*USER_ROLES, *ASSISTANT_ROLES, *SYSTEM_ROLES}
    return (roles[0], texts[0]) if known & {turn[roles[0]].casefold() for turn in turns} else None


def _is_moss(value: Any) -> bool:
    turn = value.get("turn_1") if isinstance(value, dict) else None
    return isinstance(turn, dict) and "Human" in turn and "MOSS" in turn


def _is_alternating(value: Any) -> bool:
    is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return is_texts and len(value) > 1


def _exchanges(records: Sequence[dict[str, Any]], counts: Counter[str]) -> list[Recognised]:
    """Return the mappings with one instruction and one output, each a different pair of fields."""
    often = {key for key, count in counts.items() if 2 * count >= len(records)}
    instructions = [key for key in _INSTRUCTIONS if key in often]
    inputs: list[str] = [key for key in _INPUTS if key in often]
    outputs = [key for key in _OUTPUTS if key in often]
    if not instructions and inputs:
        instructions, inputs = inputs, []
    if not instructions and {"title", "ask"} <= often:
        instructions, inputs = ["title"], ["ask"]
    history = "history" if "history" in counts and instructions != ["instruction"] else None
    unpacked = any(isinstance(record.get(key), list) for record in records for key in outputs)
    return [
        Fields(instruction, input_, output, history, unpacked)
        for instruction in instructions
        for input_ in inputs or (None,)
        for output in outputs
    ]


def _unknown(path: Path, counts: Counter[str]) -> DataError:
    names = list(counts)
    near = {
        name: close[0]
        for name in names
        if name not in _KNOWN
        and (close := difflib.get_close_matches(name.casefold(), _KNOWN, n=1, cutoff=0.75))
    }
    meant = "".join(f"; {name!r} may be meant as {known!r}" for name, known in near.items())
    return DataError(
        f"{path}: no known form: its records have the fields {', '.join(names[:20])}{meant}. "
        f"Accepted: {_ACCEPTED}. Rename the fields, or read the file as a collection with "
        "instruction_key, input_key and output_key in its options (docs/inputs.md)"
    )
