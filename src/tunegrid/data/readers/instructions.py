"""Reads instruction files: records with an instruction, an optional input and an output.

Owns: what its options name, and reading a file by what is recognised in it where they name
nothing. Knows nothing of mixtures, prompts or tokens. One record of alpaca_data.json:

    {"instruction": "Rewrite the sentence in the passive.", "input": "She wrote it.",
     "output": "It was written by her."}

gives `Example("Rewrite the sentence in the passive.", "She wrote it.", "It was written by her.",
source="alpaca_data.json", position=1)`. Texts are taken as they are: nothing is stripped, and a
record that cannot be used is rejected with its reason, never repaired.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from tunegrid.config.errors import ConfigError
from tunegrid.data import records
from tunegrid.data.mapping import Fields
from tunegrid.data.readers import cot, csl
from tunegrid.data.reading import Reading, Rejection, collected
from tunegrid.data.recognise import ALPACA, LOOKED_AT, other_fields, recognise

__all__ = ["Reading", "Rejection", "read"]


def read(
    path: Path,
    *,
    instruction_key: str = "instruction",
    input_key: str | None = "input",
    output_key: str = "output",
    history_key: str | None = None,
) -> Reading:
    """Return the examples of a file of JSON, JSON lines, CSV, TSV or Parquet.

    With the default keys the form is recognised by the first records (`data.recognise`); with
    others the named fields are read and nothing is guessed. A key with dots names a field of a
    field.

    Args:
        path: a UTF-8 file, or one that is compressed with gzip or zstd and says so in its name.
        instruction_key: the field with the instruction.
        input_key: the field with the input, which a record may lack or hold as null; None reads
            no input.
        output_key: the field with the output.
        history_key: the field with earlier exchanges, as pairs of question and answer.

    Raises:
        DataError: the file cannot be read, or its form is unknown or doubtful.
        ConfigError: two of the keys are the same.

    """
    mapping = Fields(instruction_key, input_key, output_key, history_key)
    if len(set(mapping.names)) < len(mapping.names):
        raise ConfigError(
            f"instruction_key, input_key and output_key name the fields {list(mapping.names)}; "
            "each must name a field of its own"
        )
    path = Path(path)
    found = records.read(path)
    if mapping != ALPACA:
        return collected(path, found.rows, mapping.texts, f"{found.form}; {mapping}")
    head = list(itertools.islice(found.rows, LOOKED_AT))
    if not found.has_names:
        return csl.read(path) if csl.is_csl(head) else cot.recognised(path, head)
    recognised = recognise(path, head)
    form = f"{found.form}; {recognised}"
    others = other_fields(head, recognised)
    form += f" (not read: {', '.join(others)})" if others else ""
    return collected(path, itertools.chain(head, found.rows), recognised.texts, form)
