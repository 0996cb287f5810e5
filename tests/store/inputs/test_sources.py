"""What cells need is named once, and unsafe sources are refused before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.inputs import config, with_collection
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import (
    BenchmarkConfig,
    SourceConfig,
)
from tunegrid.store.inputs.sources import inputs_of


def test_each_input_is_named_once(tmp_path: Path) -> None:
    source = SourceConfig(repository="owner/data", files=["a.json"])
    first, second = (with_collection(source, "inputs/a.json") for _ in range(2))
    second.seed = 1
    found = inputs_of([first, second], tmp_path)
    assert [(one.kind, one.name) for one in found] == [("base", "tiny"), ("collection", "stories")]
    assert found[1].files[0].path == tmp_path / "inputs" / "a.json"


def test_an_untuned_base_needs_no_collection(tmp_path: Path) -> None:
    made = with_collection(SourceConfig(repository="o/d", files=["a.json"]), "inputs/a.json")
    made.peft.function = None
    assert [one.kind for one in inputs_of([made], tmp_path)] == ["base"]


def test_a_benchmarks_files_go_into_its_folder_or_beside_its_file(tmp_path: Path) -> None:
    made = config()
    source = SourceConfig(url="https://x.org/e/", files=["test/a.xlsx", "dev/b.xlsx"])
    made.eval.benchmarks["mmcu"] = BenchmarkConfig("mmcu.read", "inputs/mmcu", source=source)
    beside = SourceConfig(url="https://x.org/e", files=["eval_set.json", "eval_prompt.json"])
    made.eval.benchmarks["belle"] = BenchmarkConfig("belle.read", "i/own.json", source=beside)
    belle, mmcu = (one for one in inputs_of([made], tmp_path) if one.kind == "benchmark")
    assert [f.path for f in belle.files] == [
        tmp_path / "i/own.json",
        tmp_path / "i/eval_prompt.json",
    ]
    assert [f.path for f in mmcu.files] == [
        tmp_path / "inputs/mmcu/test/a.xlsx", tmp_path / "inputs/mmcu/dev/b.xlsx"
    ]  # fmt: skip
    assert mmcu.address(mmcu.files[0]) == "https://x.org/e/test/a.xlsx"


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        (SourceConfig(repository="o/d", files=["../../etc/passwd"]), "i/a.json", "without '..'"),
        (SourceConfig(repository="o/d", files=["/etc/passwd"]), "i/a.json", "not absolute"),
        (SourceConfig(repository="o/d", files=["a\\..\\b"]), "i/a.json", "is not accepted"),
        (SourceConfig(repository="o/d", files=["C:/b"]), "i/a.json", "is not accepted"),
        (SourceConfig(repository="o/d", files=["a"]), "../a.json", "lies outside"),
        (SourceConfig(repository="o/d", files=["a"]), "/nowhere/a.json", "lies outside"),
        (SourceConfig(repository="o/d", files=["a", "b"]), "i/a.json", "2 names for 1 paths"),
        (SourceConfig(repository="o/d", files=["a"], sha256=["0"] * 2), "i/a.json", "2 hashes"),
        (SourceConfig(url="http://x.org", files=["a"]), "i/a.json", "https://"),
        (SourceConfig(url="file:///etc", files=["a"]), "i/a.json", "https://"),
        (SourceConfig(url="https://me:pass@x.org", files=["a"]), "i/a.json", "no password"),
        (SourceConfig("o/d", url="https://x.org", files=["a"]), "i/a.json", "not both"),
    ],
)
def test_refused_before_anything_is_asked(
    source: SourceConfig, path: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=expected):
        inputs_of([with_collection(source, path)], tmp_path)


def test_one_path_has_one_source(tmp_path: Path) -> None:
    first = with_collection(SourceConfig(repository="o/d", files=["a"]), "inputs/a.json")
    second = with_collection(SourceConfig(repository="o/e", files=["a"]), "inputs/a.json")
    with pytest.raises(ConfigError, match="datasets/o/d for one cell and from datasets/o/e"):
        inputs_of([first, second], tmp_path)
