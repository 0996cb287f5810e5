"""Reads instruction files: records with an instruction, an optional input and an output.

Owns: which record is an example and why another is not. Knows nothing of mixtures, prompts or
tokens. One record of alpaca_data.json:

    {"instruction": "Rewrite the sentence in the passive.", "input": "She wrote it.",
     "output": "It was written by her."}

gives `Example("Rewrite the sentence in the passive.", "She wrote it.", "It was written by her.",
source="alpaca_data.json", position=1)`. Texts are taken as they are: nothing is stripped, and a
record that cannot be used is rejected with its reason, never repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tunegrid.config.errors import ConfigError
from tunegrid.data.example import Example
from tunegrid.data.json_records import Record, RepeatedKeys, read_records


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is no example: its number and line in the file, why, and its beginning."""

    position: int
    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file holds: its examples and its rejected records, in the file's order."""

    examples: list[Example]
    rejected: list[Rejection]


def read(
    path: Path,
    *,
    instruction_key: str = "instruction",
    input_key: str | None = "input",
    output_key: str = "output",
) -> Reading:
    """Return the examples of a JSON array, of JSON lines or of JSON objects in sequence.

    Args:
        path: a UTF-8 file.
        instruction_key: the field with the instruction.
        input_key: the field with the input, which a record may lack or hold as null; None reads
            no input.
        output_key: the field with the output.

    Raises:
        DataError: the file cannot be read as JSON; see `records.read_records`.
        ConfigError: two of the keys are the same.

    """
    keys = [instruction_key, output_key] + ([] if input_key is None else [input_key])
    if len(set(keys)) < len(keys):
        raise ConfigError(
            f"instruction_key, input_key and output_key name the fields {keys}; "
            "each must name a field of its own"
        )
    path = Path(path)
    source = path.name
    reading = Reading([], [])
    for record in read_records(path):
        found = _example(record, source, instruction_key, input_key, output_key)
        if isinstance(found, Example):
            reading.examples.append(found)
        else:
            rejection = Rejection(record.position, record.line, found, record.excerpt)
            reading.rejected.append(rejection)
    return reading


def _example(
    record: Record, source: str, instruction_key: str, input_key: str | None, output_key: str
) -> Example | str:
    """Return the example of a record, or the reason why it is none."""
    value = record.value
    if not isinstance(value, dict):
        return "not an object"
    if isinstance(value, RepeatedKeys):
        return "a field stands twice"
    texts = []
    for key in (instruction_key, input_key, output_key):
        if key == input_key and (key is None or value.get(key) is None):
            texts.append("")
            continue
        if key not in value:
            return f"no field '{key}'"
        text = value[key]
        if not isinstance(text, str):
            return f"'{key}' is not a text"
        if not _is_unicode(text):
            return f"'{key}' holds half of a surrogate pair"
        texts.append(text)
    instruction, input_, output = texts
    if not output.strip():
        return "empty output"
    if not instruction.strip() and not input_.strip():
        return "empty instruction and input"
    return Example(instruction, input_, output, source, record.position)


def _is_unicode(text: str) -> bool:
    """Return whether UTF-8 can hold the text; half of a pair of JSON escapes it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
