"""How far raters agree: known values, and the command over a run directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.cli import main
from tunegrid.evaluation.judges.agreement import agreement, rank_correlation, weighted_kappa
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


def test_kappa_against_a_value_worked_out_by_hand() -> None:
    """Ratings 0,1,1,0 and 0,1,0,0: observed 1/4, by chance (2*1+2*3)/16 = 1/2, kappa 1/2."""
    assert weighted_kappa([0, 1, 1, 0], [0, 1, 0, 0]) == pytest.approx(0.5)
    assert weighted_kappa([0.2, 0.9], [0.2, 0.9]) == pytest.approx(1.0)
    assert weighted_kappa([0, 1], [1, 0]) == pytest.approx(-1.0)
    assert weighted_kappa([0.5, 0.5], [0.5, 0.5]) is None
    assert weighted_kappa([], []) is None


def test_rank_correlation_with_ties() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: 1.5 / sqrt(1.5 * 2).
    assert rank_correlation([0, 0, 1], [1, 2, 3]) == pytest.approx(0.8660254)
    assert rank_correlation([1, 1], [1, 2]) is None


def test_kappa_counts_every_tenth_alike_whichever_are_used() -> None:
    """A rating that nobody gave lies between others all the same: 0, 0.5, 1 are 5 steps apart."""
    found = weighted_kappa([0, 0.5, 1.0, 1.0], [0, 1.0, 1.0, 0.5])
    # Observed (25 + 25) / 4 in squared tenths; by chance over all pairs of ratings.
    pairs = [(a, b) for a in (0, 5, 10, 10) for b in (0, 10, 10, 5)]
    by_chance = sum((a - b) ** 2 for a, b in pairs) / 16
    assert found == pytest.approx(1 - (50 / 4) / by_chance)


def test_only_items_that_both_have_rated_count() -> None:
    found = agreement({"a": 1.0, "b": 0.5, "c": None}, {"a": 0.5, "b": 0.5, "c": 1.0, "d": 0.0})
    assert (found.items, found.mean_difference) == (2, 0.25)
    assert agreement({}, {"a": 1.0}).mean_difference is None


def test_the_command_compares_judges_repeats_and_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path / "runs" / "cell-1")
    run.create()
    run.write(run_files.CELL, {"train_id": "cell-1"})
    for judge, scores in (("first", [0.0, 1.0, 0.5]), ("second", [0.1, 0.9, 0.6])):
        run.write(
            f"scores/{judge}.json",
            {"score_id": judge, "benchmark": "belle", "prediction_id": "p", "judge": judge},
        )
        run.write_lines(
            f"scores/{judge}.jsonl",
            [
                {"identifier": f"i{n}", "value": s, **({"repeats": [s, s]} if n < 9 else {})}
                for n, s in enumerate(scores)
            ],
        )
    hand = tmp_path / "hand.jsonl"
    hand.write_text('{"identifier": "i0", "score": 0}\n{"identifier": "i1", "score": 1}\n')
    command = ["judge", "agreement", "cell-1", "--hand", str(hand), "--json"]
    with pytest.raises(SystemExit) as ended:
        main.main([*command, "--results", str(tmp_path)])
    assert ended.value.code == 0
    found = {(r["first"], r["second"]): r for r in json.loads(capsys.readouterr().out)}
    assert found["first", "second"]["items"] == 3
    assert found["first", "second"]["rank_correlation"] == pytest.approx(1.0)
    assert found["first, repeat 0", "first, repeat 1"]["kappa"] == pytest.approx(1.0)
    assert found["second", "hand"]["mean_difference"] == pytest.approx(0.0)


def test_the_command_shows_how_replies_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = tmp_path / "replies.txt"
    replies.write_text('"得分：0.8分"\n"[red]不知道"\n', encoding="utf-8")
    for form in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main.main(["judge", "parse", str(replies), *form])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert "[red]" in out
    found = json.loads(out)
    assert [row["score"] for row in found] == [0.8, None]
    assert [row["reason"] for row in found] == [None, "no score found"]
    replies.write_text('{"reply": "1"}', encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main.main(["judge", "parse", str(replies)])
    assert ended.value.code == 1
    assert "line 1" in capsys.readouterr().err
