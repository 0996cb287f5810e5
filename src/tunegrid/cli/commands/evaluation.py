"""`tunegrid import-predictions`, `judge` and `predict`: commands around evaluation.

Owns: their command lines and what they print. Part of the edge.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunegrid.cells import import_predictions as imports
from tunegrid.cli.output import update_tables
from tunegrid.config.compose.typed import judge_config
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.project import project_directory
from tunegrid.data.json_records import read_records
from tunegrid.evaluation.judges.agreement import agreement
from tunegrid.evaluation.judges.parsing import parse
from tunegrid.reports import rows
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]

IMPORT_COLUMNS = (
    "base", "kind", "benchmark", "category", "metric", "value", "standard_error", "items", "judge",
)  # fmt: skip
METRIC_COLUMNS = ("train_id", "benchmark", "protocol", "category", "metric", "value", "items")
PARSE_COLUMNS = ("line", "score", "reason", "reply")
AGREEMENT_COLUMNS = (
    "benchmark", "first", "second", "items", "kappa", "rank_correlation", "mean_difference",
    "standard_error",
)  # fmt: skip


def add(command: AddCommand) -> None:
    """Add the commands to the command line."""
    importing = command(
        "import-predictions", import_predictions, "score answers made elsewhere as a row"
    )
    importing.add_argument("benchmark", help="belle, mmcu, or a name for harness samples")
    importing.add_argument("path", type=Path, help="the folder or file with the answers")
    importing.add_argument("--name", required=True, help="of the row in the tables")
    importing.add_argument(
        "--items", type=Path, help="the benchmark's own file, where the answers stand without it"
    )
    importing.add_argument(
        "--sets", action="store_true", help="published MMCU: compare sets of letters, not strings"
    )
    _add_judge_choice(importing)
    judge = command("judge", None, "look at judges: how replies are read, how far judges agree")
    kinds = judge.add_subparsers(required=True, metavar="what")
    parsing = kinds.add_parser("parse", help="how replies, one JSON string a line, are read")
    parsing.add_argument("file", type=Path)
    parsing.set_defaults(command=judge_parse)
    agreeing = kinds.add_parser("agreement", help="between judges, repeats and a hand-scored file")
    agreeing.add_argument("cell", help="a train_id, or the beginning of one")
    agreeing.add_argument("--hand", type=Path, help="JSON records with identifier and score")
    agreeing.set_defaults(command=judge_agreement)
    for one in (parsing, agreeing):
        one.add_argument("--results", type=Path, default=Path("results"))
        one.add_argument("--json", action="store_true", help="rows as JSON on standard output")

    predicting = command(
        "predict", predict, "predict and score finished cells, loading each base once"
    )
    predicting.add_argument(
        "words", nargs="+", metavar="cell or setting",
        help="train_ids or their beginnings, and overrides such as eval=mmcu "
        "eval.benchmarks.mmcu.path=...",
    )  # fmt: skip


def _add_judge_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", default="reference", help="a file of conf/judge, without .yaml")
    parser.add_argument(
        "--judge-option", action="append", default=[], metavar="KEY=VALUE", help="of the judge"
    )


def import_predictions(options: argparse.Namespace) -> int:
    """Score answers that were made elsewhere and print their rows."""
    given = imports.read(options.benchmark, options.path, options.items, sets=options.sets)
    judge = None
    if given.benchmark.needs_judge:
        judge = judge_config(options.judge, options.judge_option)
    summary = imports.write(options.results, options.name, options.benchmark, given, judge)
    run = imports.run_directory(options.results, options.name)
    update_tables(options.results)
    written = [row for row in rows.metric_rows([run]) if row["score_id"] == summary["score_id"]]
    _print(options, written, IMPORT_COLUMNS, shown=[r for r in written if "/" not in r["category"]])
    for note in given.notes:
        print(note, file=sys.stderr)
    print(f"{len(given.answers)} answers, in {run.path}", file=sys.stderr)
    if summary["incomplete"]:
        from tunegrid.cells.stages.score import incomplete_message

        print(incomplete_message(summary), file=sys.stderr)
    return 1 if summary["incomplete"] else 0


def judge_parse(options: argparse.Namespace) -> int:
    """Print how each reply of a file is read."""
    found = []
    for record in read_records(options.file):
        if not isinstance(record.value, str):
            raise DataError(
                f"{options.file}, line {record.line}: {record.excerpt} is no JSON string; give "
                "one reply a line, in double quotes"
            )
        read = parse(record.value)
        found.append(
            {
                "line": record.line,
                "score": read.score,
                "reason": read.reason or None,
                "reply": record.value,
            }
        )
    _print(options, found, PARSE_COLUMNS)
    unparsed = sum(row["score"] is None for row in found)
    print(f"{len(found)} replies, {unparsed} unparsed", file=sys.stderr)
    return 0


def judge_agreement(options: argparse.Namespace) -> int:
    """Print how far the judges of a cell agree, its repeats, and a person with them."""
    from tunegrid.cli import output

    run = output.find_run(options.results, options.cell)
    hand = {} if options.hand is None else hand_scores(options.hand)
    found = []
    for benchmark, raters in _raters(run, hand):
        for first, second in itertools.combinations(raters, 2):
            compared = agreement(raters[first], raters[second])
            if compared.items:
                found.append(
                    {"benchmark": benchmark, "first": first, "second": second, **asdict(compared)}
                )
    if not found:
        raise ConfigError(
            f"{run.path.name} has no two ratings of the same answers; score it with a second "
            "judge, with judge.options.repeats=2, or give --hand=<file>"
        )
    _print(options, found, AGREEMENT_COLUMNS)
    print(
        "kappa: quadratic weights over tenths; mean_difference: first minus second, of 1",
        file=sys.stderr,
    )
    return 0


def _raters(
    run: RunDirectory, hand: Mapping[str, float]
) -> Iterator[tuple[str, dict[str, Mapping[str, float | None]]]]:
    """Yield the raters of each set of answers: judges, their repeats, and the hand-scored file."""
    by_prediction: dict[tuple[str, str], dict[str, Mapping[str, float | None]]] = {}
    for summary in rows.score_summaries(run):
        key = (summary["benchmark"], summary["prediction_id"])
        raters = by_prediction.setdefault(key, {})
        records = run.read_lines(f"{run_files.SCORES}/{summary['score_id']}.jsonl")
        name = summary["judge"]
        if name in raters:
            name = f"{name} ({summary['score_id'].rpartition('-')[2]})"
        raters[name] = {record["identifier"]: record["value"] for record in records}
        repeated = [record for record in records if record.get("repeats")]
        for repeat in range(len(repeated[0]["repeats"]) if repeated else 0):
            raters[f"{name}, repeat {repeat}"] = {
                record["identifier"]: record["repeats"][repeat] for record in repeated
            }
    for (benchmark, _), raters in by_prediction.items():
        if hand:
            raters["hand"] = dict(hand)
        yield benchmark, raters


def hand_scores(path: Path) -> dict[str, float]:
    """Return the scores that a person gave, in 0 to 1, by item.

    Raises:
        DataError: a record without identifier and score, a score outside 0 to 1, or an item
            that stands twice.
    """
    found: dict[str, float] = {}
    for record in read_records(path):
        value = record.value if isinstance(record.value, dict) else {}
        name, score = value.get("identifier"), value.get("score")
        if not isinstance(name, str) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise DataError(
                f"{path}, line {record.line}: not an identifier with a score from 0 to 1: "
                f"{record.excerpt}"
            )
        if name in found:
            raise DataError(f"{path}, line {record.line}: {name} has a score already")
        found[name] = float(score)
    return found


def predict(options: argparse.Namespace) -> int:
    """Predict and score finished cells together."""
    from tunegrid.cli import output
    from tunegrid.launch import child, exits, processes
    from tunegrid.use.predict import cells_with

    settings = [word for word in options.words if "=" in word]
    names = [word for word in options.words if "=" not in word]
    if not names:
        raise ConfigError("name at least one cell; `tunegrid status` lists them")
    runs = [output.find_run(options.results, name) for name in names]
    cells = cells_with(runs, settings, project_directory(), options.results)
    code, message = processes.call(child.run_together, cells)
    if message:
        print(message, file=sys.stderr)
    update_tables(options.results)
    asked = {cell.train_id for cell in cells}
    found = rows.metric_rows(run for run in runs if run.path.name in asked)
    _print(options, found, METRIC_COLUMNS, shown=[r for r in found if "/" not in r["category"]])
    return exits.FAILED if code < 0 else code


def _print(
    options: argparse.Namespace,
    found: list[dict[str, Any]],
    columns: Sequence[str],
    *,
    shown: list[dict[str, Any]] | None = None,
) -> None:
    from tunegrid.cli import output

    if options.json:
        output.print_json(found)
    else:
        output.print_table(found if shown is None else shown, columns)
