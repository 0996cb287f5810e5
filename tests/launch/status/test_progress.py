"""Growing files are read cheaply, and steps are counted as training counts them."""

from __future__ import annotations

import json
from pathlib import Path

from doubles.fabricated_runs import settings
from tunegrid.launch.status import progress


def test_only_the_end_of_a_long_curve_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = json.dumps({"step": 1, "loss": 1.0, "seconds": 1.0}) + "\n"
    path.write_text(line * 50_000 + '{"step": 7, "loss": 2.0, "seconds": 9.0}\n')
    records = progress.tail_records(path)
    assert records[-1]["step"] == 7
    assert 10 < len(records) < 1000


def test_planned_steps_are_the_trainings_own() -> None:
    train = settings()["train"]
    assert progress.planned_steps({"train_tokens": {"examples": 161}}, train) == 42
    assert progress.planned_steps(None, train) is None
    assert progress.planned_steps(None, train | {"max_steps": 7}) == 7


def test_lines_of_a_growing_file_are_counted_once_each(tmp_path: Path) -> None:
    reader, path = progress.Reader(), tmp_path / "a.jsonl"
    assert reader.lines(path) == 0
    path.write_text("a\nb\nc")
    assert reader.lines(path) == 2
    path.write_text("a\nb\ncd\ne\n")
    assert reader.lines(path) == 4
    path.write_text("a\n")
    assert reader.lines(path) == 1
