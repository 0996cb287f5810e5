"""Objects that wrap records, and objects that only look so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.data import json_records
from tunegrid.data.json_records import records_of
from tunegrid.data.json_wrappers import wrapper_in


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"data": [{"a": 1}]}', "data"),
        ('{"name": "x", "n": [1, {"b": 2}], "examples" : [ {"a": 1}]}', "examples"),
        ('{"data": [{"from": "human", "value": "v"}]}', None),
        ('{"data": ["q", "a"]}', None),
        ('{"data": []}', None),
        ('{"other": [{"a": 1}]}', None),
        ('{"instruction": "i", "data": [{"a": 1}]}', None),
        ('{"broken', None),
    ],
)
def test_a_wrapper_is_told_from_a_record(text: str, key: str | None) -> None:
    found = wrapper_in(text, 0)
    assert (None if found is None else found.key) == key
    if found is not None:
        assert text[: found.begin].endswith("[")


@pytest.mark.parametrize("chunk", [1, 9, 1 << 20])
def test_wrapped_records_are_those_of_the_array(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", chunk)
    records = [{"question": f"q{n}", "answer": "a"} for n in range(5)]
    wrapped = {"keywords": "k", "example": records, "after": {"x": [1, 2]}, "last": "z"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(wrapped, indent=2), encoding="utf-8")
    form, rows = records_of(path)
    found = list(rows)
    assert form == "JSON array in 'example'"
    assert [record.value for record in found] == records
    assert [(record.position, record.line) for record in found][:2] == [(1, 4), (2, 8)]
