"""Replies that stand in a file."""

from __future__ import annotations

import json
from pathlib import Path

from doubles.rated import benchmark, rate
from tunegrid.evaluation.judges import recorded
from tunegrid.store.run_directory import RunDirectory


def test_recorded_replies_and_what_they_lack(run: RunDirectory, tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    lines = [{"identifier": "i0", "reply": "得分：1分"}, {"identifier": "i2", "reply": "0.5分"}]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    rated = rate(run, benchmark("a", "b", "c"), recorded.build(replies=str(path)))
    assert [score.value for score in rated.scores] == [1.0, None, 0.5]
    assert rated.is_incomplete
    assert "no recorded reply in replies.jsonl" in rated.problems
    assert recorded.problems({"replies": str(tmp_path / "none")})
