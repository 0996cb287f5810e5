"""Run directories as running, stopped and failed cells leave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.launch.status.states import Watched
from tunegrid.store import run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

HASH = "0123456789ab"


BELLE, MMCU = f"belle-{HASH}-reference-{HASH}", f"mmcu-{HASH}-rule-{HASH}"


def settings(seed: int = 0, retry: str = "failed", method: str = "lora") -> dict[str, Any]:
    named = {group: {"name": group} for group in ("model", "quantization", "data", "prompt")}
    return {
        **named,
        "peft": {"name": method, "function": None if method == "none" else "x.attach"},
        "train": {"name": "mini", "epochs": 2.0, "max_steps": None, "examples_per_step": 8,
                  "learning_rate": 1e-3},
        "eval": {"name": "mini", "limit": 50, "benchmarks": {
                 "belle": {"function": "none.read", "path": "x", "stated_items": 40},
                 "mmcu": {"function": "none.read", "path": "x", "stated_items": 90}}},
        "runtime": {"retry": retry},
        "seed": seed,
    }  # fmt: skip


class Run:
    """A fabricated run directory."""

    def __init__(self, results: Path, name: str = "cell-a", **changes: Any) -> None:
        self.directory = RunDirectory(results / "runs" / name)
        self.name = name
        self.config = settings(**changes)

    def begun(self) -> Run:
        self.directory.create()
        record = {"format": run_directory.FORMAT, "train_id": self.name, "config": self.config}
        self.directory.write(run_files.CELL, record)
        return self

    def training(self, steps: int = 10) -> Run:
        self.begun()
        self.directory.write(run_files.DATA, {"train_tokens": {"examples": 160, "tokens": 9}})
        for step in range(1, steps + 1):
            record = {"step": step, "loss": 3.0 - step / 100, "tokens_per_second": 900.0,
                      "seconds": 2.0 * step}  # fmt: skip
            self.directory.append_line(run_files.CURVE, record)
        return self

    def trained(self, **facts: Any) -> Run:
        self.training(40)
        report = {"steps": 40, "last_tenth_loss": 2.5, "tokens_per_second": 950.0, "suspect": []}
        self.directory.write(run_files.TRAINED, report | facts)
        return self

    def predicting(self, benchmark: str, lines: int) -> Run:
        name = f"{run_files.PREDICTIONS}/{benchmark}-{HASH}.part.jsonl"
        for index in range(lines):
            self.directory.append_line(name, {"index": index, "text": "\u2028"})
        return self

    def scored(self, *names: str, **facts: Any) -> Run:
        for name in names:
            benchmark = name.partition("-")[0]
            self.directory.write_lines(f"{run_files.PREDICTIONS}/{benchmark}-{HASH}.jsonl", [])
            self.directory.write(
                f"{run_files.SCORES}/{name}.json",
                {"benchmark": benchmark, "suspect": [], "incomplete": False} | facts,
            )
        return self

    def failed(self, error: str = "OSError: no\nmore", stage: str = "train") -> Run:
        self.directory.write(run_files.FAILED, {"stage": stage, "error": error, "traceback": ""})
        return self

    def watched(self, *asked: str, launched: float = 0.0) -> Watched:
        path = self.directory.path
        return Watched(self.name, self.name, path, asked, self.config, launched)
