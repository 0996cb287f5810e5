"""Answers made elsewhere become a run directory like a cell's, marked as imported.

Owns: what such a directory holds: cell.json with `kind` imported and the row's name, predictions,
scores and results.json, but nothing of training. Knows nothing of the command line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunegrid.cells import gates, identity
from tunegrid.cells.requests import GENERATION, build_judge, judge_label
from tunegrid.cells.stages import score as scoring
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.functions import find_function, hashed_name
from tunegrid.config.names import name_problem, reads_as_missing
from tunegrid.config.schema import CellConfig, JudgeConfig
from tunegrid.evaluation.imported import answers
from tunegrid.evaluation.imported.answers import ImportedAnswers
from tunegrid.evaluation.imported.lm_eval_samples import harness_files
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

FOLDERS = ("mmcu",)
"""Benchmarks whose published answers are folders of workbooks; see `answers`."""


def read(benchmark: str, path: Path, items: Path | None, *, sets: bool) -> ImportedAnswers:
    """Return the answers at a path, in whichever of the accepted forms they are.

    Args:
        benchmark: a module of `evaluation/benchmarks`, or any name for sample files of
            lm-evaluation-harness.
        path: a folder or file.
        items: the benchmark's own file or folder; None where the answers stand beside the items.
        sets: score a published folder of MMCU by sets of letters instead of as published.

    Raises:
        DataError: nothing there, or nothing of an accepted form.
        ConfigError: `benchmark` is unknown for this form.
    """
    problem = name_problem("the benchmark", benchmark)
    problem = problem or reads_as_missing("the benchmark", benchmark)
    if problem is not None:
        raise ConfigError(problem)
    if not path.exists():
        raise DataError(f"{path} does not exist; give the folder or file with the answers")
    harness = harness_files(path)
    if harness:
        return answers.read_harness(benchmark, harness)
    try:
        reader = find_function("benchmark", f"{benchmark}.read")
    except ConfigError as error:
        raise ConfigError(
            f"the benchmark {benchmark!r} is not known here ({error}), and {path} holds no "
            "samples_*.jsonl of lm-evaluation-harness, which may have any name"
        ) from None
    if path.is_dir():
        if benchmark not in FOLDERS:
            raise DataError(f"{path} is a folder; answers to {benchmark} are one JSON file")
        return answers.read_published_mmcu(path, strict=not sets)
    own = items is None
    found = reader(path if items is None else items)
    return answers.read_records_of(found, path, is_own=own)


def run_directory(results: Path, name: str) -> RunDirectory:
    """Return the directory of an imported row.

    Raises:
        ConfigError: a name that is empty, holds control characters or reads as a missing value.
    """
    if not name.strip() or not name.isprintable():
        raise ConfigError(f"--name is {name!r}; give a name of printable characters")
    missing = reads_as_missing("--name", name)
    if missing is not None:
        raise ConfigError(missing)
    slug = re.sub(r"[^\w.]+", "_", name)[:80]
    return RunDirectory(
        results / "runs" / f"imported-{slug}-{identity.short_hash({'imported': name})}"
    )


def write(
    results: Path, name: str, benchmark: str, given: ImportedAnswers, judge: JudgeConfig | None
) -> dict[str, Any]:
    """Write the answers and their scores as a row; return the summary of the scoring.

    The same files under the same name change nothing.

    Args:
        results: the results directory.
        name: of the row.
        benchmark: its name in rows.
        given: what was read.
        judge: rates where the benchmark has no rule.

    Raises:
        ConfigError: the row holds other answers to this benchmark.
    """
    run = run_directory(results, name)
    run.create()
    with run.locked():
        names = _names(benchmark, given, judge)
        _refuse_other(run, benchmark, names.prediction_id)
        run.write(
            run_files.CELL,
            {
                "format": identity.FORMAT,
                "kind": run_files.IMPORTED,
                "train_id": run.path.name,
                "name": name,
                "identity": {"imported": name},
            },
        )
        run.write_lines(
            f"{run_files.PREDICTIONS}/{names.prediction_id}.jsonl",
            [
                {"index": index, "identifier": item.identifier, "category": item.category,
                 "text": answer, "finished": run_files.IMPORTED}
                for index, (item, answer) in enumerate(
                    zip(given.benchmark.items, given.answers, strict=True)
                )
            ],
        )  # fmt: skip
        summary = _scored(run, names, given, judge)
        if not summary["incomplete"]:
            scored = sorted(path.stem for path in (run.path / run_files.SCORES).glob("*.json"))
            run.write(run_files.RESULTS, {"scores": scored})
        else:
            run.remove(run_files.RESULTS)
    return summary


def _names(benchmark: str, given: ImportedAnswers, judge: JudgeConfig | None) -> scoring.Names:
    prediction = f"{benchmark}-{identity.short_hash({'imported': given.sha256})}"
    rule = given.benchmark.score
    scored_by: Mapping[str, Any] = {
        "prediction": prediction,
        "items": given.benchmark.sha256,
        "rule": None if rule is None else rule.__name__,
        "judge": None if judge is None or rule is not None else asdict(judge),
    }
    label = "rule" if rule is not None or judge is None else judge_label(judge)
    score = f"{prediction}-{label.replace(':', '_')}-{identity.short_hash(scored_by)}"
    return scoring.Names(benchmark, given.benchmark.version, GENERATION, prediction, score, label)


def _refuse_other(run: RunDirectory, benchmark: str, prediction: str) -> None:
    others = [
        path
        for path in (run.path / run_files.PREDICTIONS).glob(f"{benchmark}-*.jsonl")
        if path.stem != prediction
    ]
    if others:
        raise ConfigError(
            f"{run.path} holds other answers to {benchmark}; choose another --name, or remove "
            "that directory first"
        )


def _scored(
    run: RunDirectory, names: scoring.Names, given: ImportedAnswers, judge: JudgeConfig | None
) -> dict[str, Any]:
    built: Judge | None = None
    described: dict[str, Any] = {}
    if given.benchmark.score is None:
        if judge is None:
            raise ConfigError(f"{given.benchmark.name} needs a judge; name one with --judge")
        built = build_judge(CellConfig(judge=judge))
        described = {"function": hashed_name(judge.function), "options": judge.options}
    rated = scoring.rate(
        run, given.benchmark, given.answers, built, described, should_stop=lambda: False
    )
    return scoring.write(
        run, names, given.benchmark, given.answers, rated,
        note="answers made elsewhere", suspects=gates.answer_reasons(given.answers),
    )  # fmt: skip
