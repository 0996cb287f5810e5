"""Records of JSON files, whatever their form; what is broken is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.config.errors import DataError
from tunegrid.data import json_records
from tunegrid.data.readers.instructions import read


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(written(folder, text))
    assert "a.json" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("number", ["12", "1234567", "-1.5e3", "true"])
def test_a_bare_value_cut_by_a_chunk_is_one_record(
    tmp_path: Path, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 1)
    found = read(written(tmp_path, f"{number}\n{number}"))
    assert [rejection.excerpt for rejection in found.rejected] == [number, number]


GOOD = '{"instruction": "i", "output": "o"}'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"[{GOOD},\n{GOOD},\n{{'a': 1}}]", ["line 3, column 2", "before it: 2 ", "{'a': 1}"]),
        (
            f"{GOOD}\n{GOOD[:-2]}\n{GOOD}",
            ["line 2, column 34", "before it: 1 ", "control character"],
        ),
        (f"{GOOD}\n{GOOD[:-1]}\n{GOOD}", ["line 3, column 1", "before it: 1 ", "begins on line 2"]),
        (f"[{GOOD}, {GOOD}", ["the file ends", "before it: 2 "]),
        (f"[{GOOD} {GOOD}]", ["'{' stands where ',' or ']' is expected", "column 38"]),
        (f"[{GOOD},\n]", ["line 2, column 1", "ends after a comma"]),
        (f"[{GOOD}]\n{GOOD}", ["line 2, column 1", "more text follows"]),
        (f"{GOOD},\n{GOOD}", ["a comma follows record 1", "before it: 1 "]),
        (GOOD[:18], ["line 1", "Unterminated string", "before it: 0 "]),
        ("instruction output\na b\n", ["line 1, column 1", "Expecting value"]),
        ("[" * 200_000, ["nested too deeply"]),
        ("", ["is empty"]),
        ("\ufeff \n", ["is empty"]),
        ("[]", ["holds no record"]),
        ("[] x", ["more text follows"]),
    ],
)
def test_broken_json_is_refused_with_its_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refused(tmp_path, text)
    for part in parts:
        assert part in message


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    text = f'{GOOD}\n{GOOD}\n{{"instruction": "中文", "output": "好"}}'
    message = refused(tmp_path, text.encode("gb18030"))
    assert "line 3" in message
    assert "d6 d0" in message
    assert "iconv" in message
    assert "not UTF-8" in refused(tmp_path, text.encode("utf-16"))
    assert "not UTF-8" in refused(tmp_path, b'["\xe4\xb8')


@pytest.mark.parametrize("what", ["missing", "directory"])
def test_what_is_no_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path if what == "directory" else tmp_path / "none.json"
    with pytest.raises(DataError, match="directory" if what == "directory" else "no such file"):
        read(path)


def test_places_are_right_beyond_the_first_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 64)
    lines = [json.dumps({"instruction": f"i{n}", "output": "中" * n}) for n in range(1, 60)]
    lines[40] = lines[40].replace('"output"', '"result"')
    found = read(written(tmp_path, "\n".join(lines)))
    assert [(r.position, r.line) for r in found.rejected] == [(41, 41)]
    lines[57] = lines[57][:-2]
    message = refused(tmp_path, "\n".join(lines))
    assert f"line 58, column {len(lines[57]) + 1}" in message
    assert "before it: 57 " in message


def test_a_broken_record_is_found_without_reading_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 256)
    path = written(tmp_path, f"[{GOOD}, {{bad}}, " + ", ".join([GOOD] * 1000) + "]")
    asked = []
    original = json_records._Text._read_more
    monkeypatch.setattr(
        json_records._Text, "_read_more", lambda self: (asked.append(1), original(self))[1]
    )
    with pytest.raises(DataError):
        read(path)
    assert len(asked) < 5


def test_reading_takes_linear_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of many chunks is decoded over and over, but in ever longer pieces."""
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 64)
    size = 200_000
    path = written(tmp_path, json.dumps({"instruction": "i", "output": "o" * size}))
    held = []
    original = json_records._Text._read_more

    def counted(self: json_records._Text) -> None:
        original(self)
        held.append(len(self._buffer))

    monkeypatch.setattr(json_records._Text, "_read_more", counted)
    assert len(read(path).examples) == 1
    assert sum(held) < 6 * size
