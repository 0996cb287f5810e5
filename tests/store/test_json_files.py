"""Files that are whole or absent, and lines of which a kill costs the last at most."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tunegrid.config.errors import StoreError
from tunegrid.store import json_files


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "a.json"
    json_files.write_text(path, "first")
    assert path.read_text() == "first"

    def killed(*names: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            json_files.write_text(path, "second, much longer")
    assert path.read_text() == "first"
    json_files.write_text(path, "third")
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert path.read_text() == "third"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ("", []),
        ('{"a": 1}\n', [{"a": 1}]),
        # Whole, but for its newline: it stays.
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2', [{"a": 1}]),
        ('{"a": "' + "x" * json_files.BLOCK_BYTES, []),
    ],
)
def test_a_last_line_that_a_kill_cut_off_is_repaired(
    tmp_path: Path, left: str, expected: list[object]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(left)
    assert list(json_files.read_json_lines(path)) == expected
    json_files.append_line(path, {"a": "新"})
    assert list(json_files.read_json_lines(path)) == [*expected, {"a": "新"}]
    assert path.read_bytes().endswith('新"}\n'.encode())


def test_a_character_cut_in_two_is_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a": "新'.encode()[:-1])
    assert list(json_files.read_json_lines(path)) == []
    json_files.append_line(path, 1)
    assert list(json_files.read_json_lines(path)) == [1]


def test_separators_of_unicode_separate_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for text in ("a\u2028b", "c\u0085d"):
        json_files.append_line(path, text)
    assert list(json_files.read_json_lines(path)) == ["a\u2028b", "c\u0085d"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('1\n{"broken\n3\n')
    with pytest.raises(StoreError, match="line 2 is no JSON"):
        list(json_files.read_json_lines(path))


def test_what_is_not_there_has_no_lines_and_is_no_json(tmp_path: Path) -> None:
    assert list(json_files.read_json_lines(tmp_path / "a.jsonl")) == []
    with pytest.raises(StoreError, match=r"a\.json"):
        json_files.read_json(tmp_path / "a.json")


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff")
    for read in (json_files.read_json, json_files.read_text):
        with pytest.raises(StoreError, match=r"a\.json"):
            read(path)


def test_a_disk_that_refuses_says_which_path_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*runtime\.results"):
        json_files.write_text(tmp_path / "file" / "a.json", "x")
    with pytest.raises(StoreError, match="cannot write"):
        json_files.append_line(tmp_path / "file" / "a.jsonl", 1)


def test_a_line_is_json_with_its_characters() -> None:
    assert json_files.json_line({"a": "狐"}) == '{"a": "狐"}\n'
    assert json.loads(json_files.json_line("a\nb")) == "a\nb"


def test_half_a_surrogate_pair_is_escaped_and_comes_back(tmp_path: Path) -> None:
    record = {"text": "得分\ud83d", "key\ude00": 1}
    json_files.append_line(tmp_path / "lines.jsonl", record)
    json_files.write_text(tmp_path / "whole.json", json_files.json_text(record, indent=1))
    (tmp_path / "lines.jsonl").read_text(encoding="utf-8")
    assert list(json_files.read_json_lines(tmp_path / "lines.jsonl")) == [record]
    assert json_files.read_json(tmp_path / "whole.json") == record
    assert json_files.json_line({"text": "得分"}) == '{"text": "得分"}\n'
