"""Run directories as finished cells leave them, without any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunegrid.store.run_directory import FORMAT

ANSWERS = [{"identifier": f"i{n}", "text": f"answer {n}"} for n in range(5)]


def make(results: Path, number: int, *, method: str = "lora", base: str | None = None) -> Path:
    """Write one finished run and return its directory.

    Args:
        results: the results directory.
        number: makes its name; its scores depend on it.
        method: `none` is an untuned base.
        base: name of the untuned base's run, to which its answers are compared.
    """
    name = f"cell-{method}-{number:012x}"
    run = results / "runs" / name
    (run / "scores").mkdir(parents=True)
    (run / "predictions").mkdir()
    groups = ("model", "quantization", "data", "prompt", "train")
    config: dict[str, Any] = {group: {"name": group} for group in groups}
    function = None if method == "none" else "library.attach"
    config |= {"peft": {"name": method, "function": function}, "seed": number}
    config |= {"eval": {"benchmarks": {"belle": {}}, "tasks": []}, "stage": "all"}
    score = f"belle-{number:012x}-reference-{number:012x}"
    prediction = score.partition("-reference")[0]
    measurements = [
        {"category": f"category {n}", "metric": "score", "value": n + number / 7, "items": 5,
         "unscored": 0, "standard_error": None if n else 0.25}
        for n in range(20)
    ]  # fmt: skip
    summary = {
        "score_id": score, "prediction_id": prediction, "benchmark": "belle", "version": "1",
        "protocol": "generation", "judge": "reference", "incomplete": False, "suspect": [],
        "measurements": measurements,
        "base_prediction": "" if base is None else f"{base}/predictions/{_prediction(base)}.jsonl",
    }  # fmt: skip
    files = {
        "cell.json": {"format": FORMAT, "train_id": name, "config": config, "identity": {},
                      "asked": [score]},
        "provenance.json": {"hardware": {"processor": "one"}, "commit": {"revision": "abc"}},
        "results.json": {"scores": [score]},
        f"scores/{score}.json": summary,
    }  # fmt: skip
    if method != "none":
        files["train.json"] = {"steps": 9, "seconds": 1.5, "last_tenth_loss": 2.5, "suspect": []}
    for path, content in files.items():
        (run / path).write_text(json.dumps(content), encoding="utf-8")
    (run / "scores" / f"{score}.jsonl").write_text("", encoding="utf-8")
    write_answers(run, f"answers of {number}")
    return run


def write_answers(run: Path, text: str) -> None:
    """Write what a run has answered: five items, of which the last says `text`."""
    answers = [*ANSWERS[:-1], ANSWERS[-1] | {"text": text}]
    path = run / "predictions" / f"{_prediction(run.name)}.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in answers), encoding="utf-8")


def _prediction(name: str) -> str:
    return f"belle-{name.rpartition('-')[2]}"
