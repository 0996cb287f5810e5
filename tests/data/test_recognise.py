"""Which mapping is recognised; what is refused stands in test_hostile_files.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunegrid.data.example import Example, Exchange
from tunegrid.data.readers.instructions import read

ROLE = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]

FORMS: list[tuple[Any, tuple[Any, ...]]] = [
    ({"instruction": "i", "input": "n", "output": "o"}, ("i", "n", "o")),
    ({"instruction": "i", "input": "n", "output": "o", "response": "x"}, ("i", "n", "o")),
    ({"instruction": "i", "input": "n", "response": "o"}, ("i", "n", "o")),
    ({"instruction": "i", "context": "n", "response": "o", "category": "c"}, ("i", "n", "o")),
    ({"prompt": "i", "completion": "o"}, ("i", "", "o")),
    ({"prompt": "i", "response": "o", "source": "s"}, ("i", "", "o")),
    ({"question": "i", "answer": "o"}, ("i", "", "o")),
    ({"query": "i", "response": "o", "history": [["q", "a"]]}, ("i", "", "o", ("q", "a"))),
    ({"inputs": "i", "targets": "o", "task": "t"}, ("i", "", "o")),
    ({"kind": "k", "input": "i", "target": "o"}, ("i", "", "o")),
    ({"conversations": [{"from": "human", "value": "i"}, {"from": "gpt", "value": "o"}], "id": "1"},
     ("i", "", "o")),
    ({"messages": [*ROLE, {"role": "user", "content": "i"}, {"role": "assistant", "content": "o"}]},
     ("i", "", "o", ("q", "a"))),
    (ROLE, ("q", "", "a")),
    ({"id": "0", "data": ["q", "a", "i", "o"]}, ("i", "", "o", ("q", "a"))),
    ({"chat": {"turn_1": {"Human": "<|Human|>: i<eoh>\n", "MOSS": "<|MOSS|>: o<eom>\n"}}},
     ("i", "", "o")),
]  # fmt: skip


@pytest.mark.parametrize(("record", "texts"), FORMS, ids=lambda value: str(value)[:30])
def test_every_form_is_read(tmp_path: Path, record: Any, texts: tuple[Any, ...]) -> None:
    instruction, input_, output, *earlier = texts
    path = tmp_path / "a.json"
    path.write_text(json.dumps([record] * 3), encoding="utf-8")
    expected = [
        Example(
            instruction, input_, output, "a.json", n, tuple(Exchange(*pair) for pair in earlier)
        )
        for n in (1, 2, 3)
    ]
    found = read(path)
    assert found.examples == expected
    assert found.rejected == []
    if isinstance(record, dict):
        path.write_text("\n".join([json.dumps(record)] * 3), encoding="utf-8")
        assert read(path).examples == expected


def test_a_form_is_never_taken_from_what_a_text_says(tmp_path: Path) -> None:
    text = "Human: hi\n\nAssistant: hello\n\nHuman: [|AI|] <bot>: what?"
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"prompt": text, "completion": "o"}]), encoding="utf-8")
    assert read(path).examples == [Example(text, "", "o", "a.json", 1)]


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"kind": "NLI", "input": "i", "target": "o", "n": 1}]', encoding="utf-8")
    assert read(path).form == "JSON array; input, target (not read: kind, n)"
