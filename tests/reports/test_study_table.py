"""The study's tables from its own numbers: order, averages and marks; and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.statistics import macro_average
from tunegrid.reports import declared, formats, published, study_table
from tunegrid.reports.declared import Declaration
from tunegrid.reports.study_table import Filled, Member

SWEEPS = Path(__file__).parents[2] / "sweeps"
STUDY = {one.name: one for one in declared.declared(SWEEPS / "study.yaml")}


def measured(train_id: str, column: str, value: float, **changes: Any) -> dict[str, Any]:
    benchmark, _, category = column.partition(".")
    metric = "score" if benchmark == "belle" else "accuracy"
    found = {"train_id": train_id, "score_id": f"{benchmark}-1", "benchmark": benchmark,
             "category": category, "metric": metric, "value": value, "standard_error": 1.0,
             "items": 50, "version": "1", "judge": "rule", "protocol": "generation",
             "inference_precision": "bf16", "suspect": ""}  # fmt: skip
    return found | changes


def member(name: str, label: str, kind: str = "") -> Member:
    return Member(name, {"model": label}, kind or name, frozenset({"belle-1", "mmcu-1"}))


def made(name: str) -> Filled:
    """Fill a table with cells whose categories are the published ones; averages are ours."""
    table = STUDY[name]
    everything = replace(table, rows={label: {"model": label} for label in table.rows})
    metrics, runs = [], []
    for label in table.rows:
        per_benchmark: dict[str, list[tuple[float | None, float | None]]] = {}
        for column in table.columns:
            benchmark, _, category = column.partition(".")
            value = published.value(name, label, column)
            # Tables 4 and 8 print averages without all that they are taken over.
            if category == "average" and name not in ("table4", "table8"):
                value, _ = macro_average(per_benchmark[benchmark])
                if any(mean is None for mean, _ in per_benchmark[benchmark]):
                    value = None
            if benchmark == "run":
                runs.append({"train_id": label, category: 5})
            elif value is not None:
                metrics.append(measured(label, column, value))
            per_benchmark.setdefault(benchmark, []).append((value, 1.0))
    return study_table.filled(everything, [member(x, x) for x in table.rows], metrics, runs)


AVERAGES_THAT_DIFFER = {
    (name, label, column): (shown, printed)
    for name in ("table2", "table3", "table6", "table7")
    for label, row in made(name).entries.items()
    for column, one in row.items()
    if column.endswith("average") and one.value is not None and one.published is not None
    if (shown := study_table.shown(one.value, column))
    != (printed := study_table.shown(one.published, column))
}


def test_our_averages_are_the_published_ones() -> None:
    assert AVERAGES_THAT_DIFFER == {}


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table6", "table7", "table8"])
def test_marks_follow_from_the_published_numbers(name: str) -> None:
    table = made(name)
    assert list(table.entries) == list(published.tables()[name])
    for column in table.declaration.columns:
        if column.startswith("run."):
            continue
        numbers = {label: published.value(name, label, column) for label in table.entries}
        order = sorted({one for one in numbers.values() if one is not None}, reverse=True)
        for mark, value in zip(("best", "second"), order, strict=False):
            expected = {label for label, one in numbers.items() if one == value}
            assert {x for x, row in table.entries.items() if row[column].mark == mark} == expected


def test_marks_of_table_4_by_hand() -> None:
    text = formats.latex(made("table4"))
    assert r"{SadapterH} & 5 & \textbf{58.7} & \textbf{20.23} \\" in text
    assert r"{LoRA} & 5 & \underline{58.1} & 19.07 \\" in text
    assert r"{P-adapter-l} & 5 & 56.3 & \underline{19.40} \\" in text


def test_a_table_without_cells_is_dashes_and_commands() -> None:
    table = STUDY["table4"]
    cells = [Member(f"c{n}", words or {}, str(n), frozenset())
             for n, words in enumerate(table.rows.values())]  # fmt: skip
    found = study_table.filled(table, cells, [], [])
    assert found.missing[1] == "LoRA (all): python run.py -cd sweeps -cn peft_methods peft=lora"
    assert "| LoRA | – | – (58.1) | – (19.07) |" in formats.markdown(found)


PLAIN = Declaration("t", "t", "s", {"a": {"model": "a"}, "b": {"model": "b"}}, ("mmcu.law",))


# A column names one category; only averages have two names (below).
@pytest.mark.parametrize("fact", [fact for fact in declared.FACTS if fact != "category"])
def test_unlike_numbers_are_refused_unless_asked_for(fact: str) -> None:
    cells = [member("a", "a"), member("b", "b")]
    rows = [measured("a", "mmcu.law", 3.0), measured("b", "mmcu.law", 4.0, **{fact: "other"})]
    with pytest.raises(ConfigError, match=f"{fact} is .* in row 'a', 'other' in row 'b'"):
        study_table.filled(PLAIN, cells, rows, [])
    found = study_table.filled(replace(PLAIN, mixed=(fact,)), cells, rows, [])
    assert found.entries["b"]["mmcu.law"].mark == "best"


def test_seeds_are_pooled_and_what_differs_otherwise_is_refused() -> None:
    seeds = [member("a0", "a", "same"), member("a1", "a", "same"), member("b", "b")]
    rows = [measured("a0", "mmcu.law", 10.0), measured("a1", "mmcu.law", 14.0)]
    one = study_table.filled(PLAIN, seeds, rows, []).entries["a"]["mmcu.law"]
    assert (one.value, one.seeds) == (12.0, 2)
    # Items: 1; seeds: sd 2.83 / sqrt(2) = 2.
    assert one.standard_error == pytest.approx(5**0.5)
    with pytest.raises(ConfigError, match=r"row 'a' .* cells that differ: a0, a1"):
        study_table.filled(PLAIN, [member("a0", "a"), member("a1", "a"), seeds[2]], rows, [])
    with pytest.raises(ConfigError, match=r"row 'b' .* means no cell"):
        study_table.filled(PLAIN, seeds[:2], rows, [])


def test_a_share_of_nothing_right_has_a_width() -> None:
    cells = [member("a", "a"), member("b", "b")]
    one = study_table.filled(PLAIN, cells, [measured("a", "mmcu.law", 0.0, items=3)], [])
    entry = one.entries["a"]["mmcu.law"]
    assert entry.low == 0.0
    # Wilson: z² / (n + z²).
    assert entry.high == pytest.approx(100 * 3.8415 / 6.8415, abs=0.01)


def test_names_are_escaped() -> None:
    label = "a_b|<i>&$"
    table = replace(PLAIN, rows={label: None}, title="<script>")
    found = study_table.filled(table, [], [], [])
    assert r"a\_b\|\<i\>&$" in formats.markdown(found)
    assert r"a\_b|<i>\&\$" in formats.latex(found)
    page = formats.page(found)
    assert "<script>" not in page
    assert "a_b|&lt;i&gt;&amp;$" in page


def test_the_inconsistency_of_figure_1_is_in_the_data() -> None:
    after = published.value("figure1", "bloomz-mt", "mmcu.average")
    before = published.value("table3", "Bloomz-mt", "mmcu.average")
    assert after is not None
    assert before is not None
    assert after - before == pytest.approx(-13.71)
    assert re.search(r"-11\.15.*-13\.71", published.__doc__ or "", re.DOTALL)


def test_a_sweep_without_a_declaration_has_a_table_of_what_varies() -> None:
    cells = [member("x-1", "a"), member("y-2", "b"), member("y-3", "b", "y-2")]
    table, named = study_table.default("s", cells)
    assert list(table.rows) == ["a", "b"]
    assert table.columns == ("belle.average", "mmcu.average")
    rows = [measured("y-2", "mmcu.average", 2.0), measured("y-3", "mmcu.average", 4.0)]
    assert study_table.filled(table, named, rows, []).entries["b"]["mmcu.average"].value == 3.0
    missing = study_table.filled(table, named, [], []).missing
    assert missing[0] == "a (all): python run.py -cd sweeps -cn s model=a"


def test_an_average_over_a_part_is_one_and_is_not_mixed_with_whole_ones() -> None:
    """The judge without a model leaves items without a score: their average has another name."""
    cells = [member("a", "a"), member("b", "b")]
    table = replace(PLAIN, columns=("belle.average",))
    part = {"category": "average_scored"}
    rows = [
        measured("a", "belle.average", 40.0, **part),
        measured("b", "belle.average", 50.0, **part),
        # Of another rule than the benchmark's own.
        measured("a", "belle.average", 9.0, metric="rules_disagree"),
    ]
    found = study_table.filled(table, cells, rows, []).entries
    assert [found[name]["belle.average"].value for name in ("a", "b")] == [40.0, 50.0]
    rows[1] = measured("b", "belle.average", 50.0)
    with pytest.raises(ConfigError, match="category is 'average_scored' in row 'a', 'average'"):
        study_table.filled(table, cells, rows, [])


def test_commands_are_copied_as_they_are() -> None:
    table = replace(PLAIN, rows={"a": {"model": "a"}, "b": {"model": "b"}})
    found = study_table.filled(table, [member("a", "a"), member("b", "b")], [], [])
    assert found.missing
    assert all(f"- `{one}`" in formats.markdown(found) for one in found.missing)
