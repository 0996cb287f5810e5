"""Reads a task of Natural Instructions: one definition, and many inputs with their outputs.

Owns: the task's form. Of several accepted outputs the first is learned. One file:

    {"Definition": ["In this task …"], "Instances": [{"id": "…", "input": "…", "output": ["…"]}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.data.json_records import Record, read_whole, shortened
from tunegrid.data.reading import Reading, Texts, collected, kind


def read(path: Path) -> Reading:
    """Return an example for each instance of a task.

    Args:
        path: one JSON object; a task has at most some ten thousand instances and is read whole.

    Raises:
        DataError: the file cannot be read, or has no definition or no instances.
    """
    path = Path(path)
    task = read_whole(path)
    definition = task.get("Definition") if isinstance(task, dict) else None
    if isinstance(definition, str):
        definition = [definition]
    instances = task.get("Instances") if isinstance(task, dict) else None
    if not definition or not all(isinstance(one, str) for one in definition) or not instances:
        raise DataError(
            f"{path}: no task of Natural Instructions; it needs Definition, a list of texts, and "
            "Instances"
        )
    instruction = "\n".join(definition)
    rows = (Record(n, 0, one, shortened(str(one)[:1000])) for n, one in enumerate(instances, 1))

    def texts(value: Any) -> Texts | str:
        if not isinstance(value, dict):
            return "not an object"
        text, outputs = value.get("input"), value.get("output")
        output = outputs[0] if isinstance(outputs, list) and outputs else outputs
        if not isinstance(text, str):
            return f"'input' is {kind(text)}, not a text"
        if not isinstance(output, str):
            return f"'output' is {kind(output)}, not a text"
        return Texts(instruction, text, output)

    return collected(path, rows, texts, "a task; its Definition, input, first output")
