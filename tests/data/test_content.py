"""Bytes of files; what is refused by them stands in test_hostile_files.py."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow
import pytest

from tunegrid.config.errors import DataError
from tunegrid.data.content import encoding_of, looks_like_gb18030, opened


def all_of(path: Path) -> bytes:
    stream = opened(path).stream
    return b"".join(iter(lambda: stream.read(1000), b""))


def test_content_is_the_same_whatever_compresses_it(tmp_path: Path) -> None:
    text = b'{"instruction": "i"}\n' * 10_000
    (tmp_path / "a.json").write_bytes(text)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.json.zst").write_bytes(pyarrow.compress(text, "zstd", asbytes=True))
    for name, compression in (("a.json", ""), ("a.json.gz", "gzip"), ("a.json.zst", "zstd")):
        assert all_of(tmp_path / name) == text
        assert opened(tmp_path / name).compression == compression
        assert not opened(tmp_path / name).is_parquet


def test_compressed_data_that_is_cut_off_is_refused_where_it_ends(tmp_path: Path) -> None:
    text = "".join(map(str, range(300_000))).encode()
    for name, packed in (
        ("a.gz", gzip.compress(text)),
        ("a.zst", pyarrow.compress(text, "zstd", asbytes=True)),
    ):
        (tmp_path / name).write_bytes(packed[: len(packed) * 2 // 3])
        with pytest.raises(DataError, match=rf"{name}: its compressed data is damaged or cut off"):
            all_of(tmp_path / name)


def test_chinese_is_told_from_other_bytes(tmp_path: Path) -> None:
    chinese = "高血压患者能吃党参吗？,我有高血压这两天。"
    assert looks_like_gb18030(chinese.encode("gb18030"))
    assert not looks_like_gb18030("déjà vu, naïve, über".encode("latin-1"))
    (tmp_path / "a.csv").write_bytes(chinese.encode("gb18030"))
    (tmp_path / "b.csv").write_bytes(chinese.encode())
    assert encoding_of(tmp_path / "a.csv") == "gb18030"
    assert encoding_of(tmp_path / "b.csv") == "utf-8-sig"
