"""Hostile files: each gives the stated examples or the stated message, as `data=files` reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tunegrid.config.errors import DataError
from tunegrid.config.schema import DataConfig
from tunegrid.data.mixture import compose, effective_collections
from tunegrid.data.readers.instructions import read

GOOD = '{"instruction": "i", "output": "o"}'
CHINESE = '{"instruction": "请写一首诗。", "output": "床前明月光，疑是地上霜。"}'
BOM = "\ufeff"

# name of the file, its content, and how many examples and rejected records it has.
READ: list[tuple[str, str | bytes, int, int]] = [
    ("array.json", f"[{GOOD}, {GOOD}]", 2, 0),
    ("lines.json", f"{GOOD}\n{GOOD}\n", 2, 0),
    ("array_called_lines.jsonl", f"[{GOOD}]", 1, 0),
    ("mark.json", f"{BOM}[{GOOD}]", 1, 0),
    ("blank_lines.jsonl", f"\n\n{GOOD}\n\n\n{GOOD}\n\n", 2, 0),
    ("carriage.jsonl", f"{GOOD}\r\n{GOOD}\r\n", 2, 0),
    ("data.json", f'{{"version": 1, "data": [{GOOD}, {GOOD}], "licence": "x"}}', 2, 0),
    ("named.json", f'{{"keywords": "k", "example": [{GOOD}]}}', 1, 0),
    ("with,comma.json", f"[{GOOD}]", 1, 0),
    ("a=b.json", f"[{GOOD}]", 1, 0),
    ("中文 文件.json", f"[{CHINESE}]", 1, 0),
    ("no_ending", f"[{GOOD}]", 1, 0),
    ("pair.json", '[{"instruction": "i", "output": "\\ud83d\\ude00"}]', 1, 0),
    ("half.jsonl", (GOOD + "\n") * 2 + '{"instruction": "i", "output": "\\ud83d"}', 2, 1),
    ("twice.jsonl", (GOOD + "\n") * 2 + '{"instruction": "i", "output": "a", "output": "b"}', 2, 1),
    ("nan.jsonl", (GOOD + "\n") * 2 + '{"instruction": "i", "output": NaN}', 2, 1),
    ("huge.jsonl", (GOOD + "\n") * 2 + f'{{"instruction": "i", "output": {"9" * 9000}}}', 2, 1),
    ("infinite.jsonl", (GOOD + "\n") * 2 + '{"instruction": "i", "output": -Infinity}', 2, 1),
    ("nested.jsonl", (GOOD + "\n") * 2 + '{"instruction": {"a": "i"}, "output": "o"}', 2, 1),
    ("scalars.jsonl", f'{GOOD}\n12\nnull\n"x"\n[1]', 1, 4),
    ("escaped_nul.json", '[{"instruction": "i", "output": "a\\u0000b"}]', 1, 0),
    ("human.json", '[{"instruction": "Human: hi\\nAssistant: yes\\n", "output": "o"}]', 1, 0),
    ("quoted.csv", 'instruction,output\n"a, ""b""\nc",d\n', 1, 0),
    ("short_row.csv", "instruction,output\na,b\nc\n", 1, 1),
    ("marked.csv", f"{BOM}instruction,output\na,b\n", 1, 0),
    ("tabs.tsv", 'instruction\toutput\n"a\tb\n', 1, 0),
    ("table_called.json", "prompt,completion\na,b\n", 1, 0),
    ("gb.csv", "title,ask,answer\n能吃党参吗？,我有高血压。,可以。\n".encode("gb18030"), 1, 0),
    ("packed.json.gz", gzip.compress(f"[{GOOD}]".encode()), 1, 0),
    ("two_parts.jsonl.gz", gzip.compress(f"{GOOD}\n".encode()) * 2, 2, 0),
]  # fmt: skip

# name of the file, its content, and what the message says beside the name.
REFUSED: list[tuple[str, str | bytes, list[str]]] = [
    ("empty.json", "", ["is empty"]),
    ("empty_array.json", "[]", ["holds no record"]),
    ("half_record.json", f"[{GOOD}, {GOOD[:20]}", ["record", "line 1", "before it: 1"]),
    ("no_end.json", f"[{GOOD}, {GOOD}", ["the file ends", "before it: 2"]),
    ("wrapper_cut.json", f'{{"data": [{GOOD}], "a": 1', ["around 'data' does not end"]),
    ("two_wrappers.json", f'{{"data": [{GOOD}]}}\n{{"data": [{GOOD}]}}', ["more text follows"]),
    ("two_arrays.json", f'{{"train": [{GOOD}], "test": [{GOOD}]}}', ["'train' and under 'test'"]),
    ("joined.jsonl", f"{GOOD}\n{BOM}{GOOD}", ["line 2, column 1", "byte-order mark", "sed -i"]),
    ("python.json", "[{'instruction': 'i', 'output': 'o'}]", ["Python prints", "json.dumps"]),
    ("python_none.json", '[{"instruction": "i", "input": None}]', ["Python prints"]),
    ("deep.json", "[" * 100_000, ["nested too deeply"]),
    ("deep_object.json", '{"a":' * 100_000, ["nested too deeply"]),
    ("nul.json", b"\0" * 5000, ["nothing but NUL bytes"]),
    ("nul_inside.csv", b"instruction,output\na,b\nc\0,d\n", ["line 3", "a NUL byte"]),
    ("nul_inside.json", b'[{"instruction": "a\0", "output": "b"}]', ["control character"]),
    (
        "pointer.json",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 22773992\n",
        ["a pointer of Git LFS", "22773992 bytes", "git lfs pull"],
    ),
    ("page.json", "<!DOCTYPE html>\n<html><body>404</body></html>", ["a web page", "raw file"]),
    ("packed.json", gzip.compress(GOOD.encode()), ["bytes are gzip", "packed.json.gz", "gunzip"]),
    ("plain.json.gz", GOOD, ["its name says gzip, its bytes do not"]),
    ("cut.json.gz", gzip.compress(GOOD.encode() * 99)[:-12], ["damaged or cut off"]),
    ("zipped.json", b"PK\x03\x04" + b"x" * 90, ["bytes are zip", "Unpack"]),
    ("wide.json", f"[{GOOD}]".encode("utf-16"), ["not UTF-8 but UTF-16", "iconv -f UTF-16"]),
    ("wide_le.json", f"[{GOOD}]".encode("utf-16-le"), ["not UTF-8 but UTF-16"]),
    ("gb.json", f"[{CHINESE}]".encode("gb18030"), ["in GB18030", "iconv -f GB18030", "line 1"]),
    ("latin.json", '["é", "ü"]'.encode("latin-1"), ["not UTF-8", "bytes e9"]),
    (
        "columns.json",
        '{"instruction": {"0": "i", "1": "j"}, "output": {"0": "o", "1": "p"}}',
        ["by column", '{"instruction": {"0": …}}', 'orient="records"'],
    ),
    ("column_lists.json", '{"instruction": ["i", "j"], "output": ["o", "p"]}', ["by column"]),
    (
        "misspelt.json",
        '[{"instruction": "i", "inputs": "x", "output": "o"}]',
        ["no record has a field 'input'", "'inputs'", "Rename"],
    ),
    ("misspelt_output.json", '[{"instruction": "i", "outptu": "o"}]', ["may be meant as 'output'"]),
    ("unknown.json", '[{"frage": "i", "wort": "o"}]', ["the fields frage, wort", "Accepted:"]),
    (
        "doubtful.json",
        '[{"prompt": "i", "completion": "o", "response": "p"}]',
        ["2 ways", "(1) prompt, response", "(2) prompt, completion"],
    ),
    ("turn.json", '[{"instruction": "i", "output": "o", "history": [["a", "b"]]}]', ["'history'"]),
    ("turns.json", '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]',
     ["single turns", "messages"]),
    ("quote.csv", 'instruction,output\n"a,b\nc,d\n', ["line 2", "not CSV"]),
    ("double.csv", "output,output\na,b\n", ["line 1"]),
    ("headless.tsv", "a long first field.\tb\nc\td\n", ["names none of them", "Give it a header"]),
    ("not_parquet.parquet", b"PAR1" + b"x" * 50, ["cannot be read as Parquet"]),
]  # fmt: skip


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_there_are_many_of_them() -> None:
    assert len(READ) + len(REFUSED) > 60
    assert len({name for name, *_ in [*READ, *REFUSED]}) == len(READ) + len(REFUSED)


@pytest.mark.parametrize(
    ("name", "content", "examples", "rejected"), READ, ids=lambda v: str(v)[:20]
)
def test_gives_the_stated_records(
    tmp_path: Path, name: str, content: str | bytes, examples: int, rejected: int
) -> None:
    path = written(tmp_path, name, content)
    data = DataConfig(files=[str(path)])
    mixed = compose(
        effective_collections(data),
        seed=0,
        validation_examples=0,
        max_characters=None,
        max_rejected_share=0.9,
        root=tmp_path,
    )
    assert len(mixed.train) == examples
    (entry,) = mixed.manifest["collections"]
    assert (entry["read"], entry["rejected"]) == (examples + rejected, rejected)
    assert all(r["line"] > 1 and r["excerpt"] for r in entry["rejected_examples"])
    assert entry["files"][0]["recognised"]


@pytest.mark.parametrize(("name", "content", "parts"), REFUSED, ids=lambda value: str(value)[:20])
def test_is_refused_with_the_stated_message(
    tmp_path: Path, name: str, content: str | bytes, parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, name, content))
    for part in [name, *parts]:
        assert part in str(caught.value)


def test_links_are_followed_and_a_broken_one_is_named(tmp_path: Path) -> None:
    target = written(tmp_path, "target.json", f"[{GOOD}]")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    assert len(read(link).examples) == 1
    target.unlink()
    with pytest.raises(DataError, match=r"link\.json is a link to .*target\.json, where nothing"):
        read(link)
    with pytest.raises(DataError, match="is a directory"):
        read(tmp_path)


def test_a_message_repeats_the_beginning_of_a_broken_record_and_no_more(tmp_path: Path) -> None:
    long = json.dumps({"instruction": "start " + "x" * 100_000})[:-1]
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, "long.json", f"[{GOOD}, {long}"))
    assert len(str(caught.value)) < 600
