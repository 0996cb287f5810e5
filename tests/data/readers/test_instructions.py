"""Reading instruction files: every accepted form, every refusal with its place and reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.data import json_records
from tunegrid.data.example import Example
from tunegrid.data.readers.instructions import Reading, read

RECORDS = [
    {"instruction": "翻译", "input": "hello", "output": "你好"},
    {"instruction": "Name a colour.", "output": "red", "id": 7},
    {"instruction": "再说一个。", "input": None, "output": "蓝\n\t😀"},
]


EXAMPLES = [
    Example("翻译", "hello", "你好", "a.json", 1),
    Example("Name a colour.", "", "red", "a.json", 2),
    Example("再说一个。", "", "蓝\n\t😀", "a.json", 3),
]


FORMS = {
    "one array": json.dumps(RECORDS, ensure_ascii=False),
    "array with indents": json.dumps(RECORDS, indent=2),
    "JSON lines": "\n".join(json.dumps(r) for r in RECORDS),
    "lines with a final newline and blank lines": "\n\n".join(json.dumps(r) for r in RECORDS)
    + "\n",
    "lines ended by CR LF": "\r\n".join(json.dumps(r) for r in RECORDS) + "\r\n",
    "pretty-printed objects": "\n".join(json.dumps(r, indent=4) for r in RECORDS),
    "byte-order mark": "\ufeff" + json.dumps(RECORDS, ensure_ascii=False),
    "white space around": "\n\t " + json.dumps(RECORDS) + " \n ",
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples(
    tmp_path: Path, form: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", chunk)
    assert read(written(tmp_path, FORMS[form])) == Reading(EXAMPLES, [])


def test_characters_are_those_of_the_three_texts() -> None:
    assert EXAMPLES[0].characters == 2 + 5 + 2


def test_other_field_names_are_options(tmp_path: Path) -> None:
    path = written(tmp_path, '[{"prompt": "p", "context": "c", "response": "r", "input": "x"}]')
    found = read(path, instruction_key="prompt", input_key="context", output_key="response")
    assert found.examples == [Example("p", "c", "r", "a.json", 1)]
    without = read(path, instruction_key="prompt", input_key=None, output_key="response")
    assert without.examples == [Example("p", "", "r", "a.json", 1)]


def test_one_field_cannot_be_two(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a field of its own"):
        read(written(tmp_path, "[]"), instruction_key="text", output_key="text")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('"text"', "not an object"),
        ("[1, 2]", "not an object"),
        ("null", "not an object"),
        ("12", "not an object"),
        ('{"input": "", "output": "o"}', "no field 'instruction'"),
        ('{"instruction": "i"}', "no field 'output'"),
        ('{"instruction": null, "output": "o"}', "'instruction' is null, not a text"),
        ('{"instruction": "i", "output": 3}', "'output' is a number, not a text"),
        ('{"instruction": "i", "output": NaN}', "'output' is a number, not a text"),
        ('{"instruction": "i", "input": ["a"], "output": "o"}', "'input' is a list, not a text"),
        ('{"instruction": "i", "output": ""}', "empty output"),
        ('{"instruction": "i", "output": " \\n\\u3000"}', "empty output"),
        ('{"instruction": " ", "input": "", "output": "o"}', "empty instruction and input"),
        ('{"instruction": "i", "output": "a", "output": "b"}', "a field stands twice"),
        (
            '{"instruction": "i", "output": "\\ud83d"}',
            "'output' holds half of a surrogate pair",
        ),
        ('{"instruction": "i", "output": ' + "9" * 5000 + "}", "'output' is a number, not a text"),
    ],
)
def test_an_unusable_record_is_rejected_with_its_reason(
    tmp_path: Path, record: str, reason: str
) -> None:
    fine = '{"instruction": "i", "output": "o"}'
    found = read(written(tmp_path, f"[{fine},\n {record},\n{fine}]"))
    assert [example.position for example in found.examples] == [1, 3]
    (rejection,) = found.rejected
    assert (rejection.position, rejection.line, rejection.reason) == (2, 2, reason)
    assert rejection.excerpt.startswith(" ".join(record.split())[:40])


def test_an_empty_instruction_with_an_input_is_an_example(tmp_path: Path) -> None:
    found = read(written(tmp_path, '{"instruction": "", "input": "i", "output": " o "}'))
    assert found.examples == [Example("", "i", " o ", "a.json", 1)]


def test_the_real_demo_file(shared_data: Path) -> None:
    found = read(shared_data / "instruct" / "alpaca_zh_demo.json")
    assert len(found.examples) == 1000
    assert found.rejected == []
    assert found.examples[0].instruction.startswith("识别并解释给定列表中的两个科学理论")
    assert found.examples[-1].position == 1000
    other = read(shared_data / "raw" / "gpteacher_roleplay.json", output_key="response")
    assert len(other.examples) + len(other.rejected) == 1923
