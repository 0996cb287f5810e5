"""What a GPU does with this project: cells of every precision, speed, memory, and learning.

Needs no download: large bases have random weights, made on the device; cells are the miniature's.
Each part writes its figures into gpu.json as it ends, and a part that is there is not run again, so
that a run that was cut off goes on. gpu.md is the table. Speeds are compared in one process in the
order A B A B, because machines are noisy.

    python benchmarks/gpu.py --out DIR                         on a GPU
    python benchmarks/gpu.py --device cpu --tiny --out DIR     the same code on a CPU, in minutes

Parts: cells, training, varlen, answers, losses; `--parts all` or a list with commas.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, os.fspath(Path(__file__).parent))

from gpu_parts import answers, losses, training, varlen

ROOT = Path(__file__).resolve().parents[1]
PRECISIONS = ("fp32", "bf16", "fp16", "int8", "nf4")
CELL_SECONDS = 240


def main() -> None:
    """Run the parts that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default="all", help="all, or a list with commas")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="tiny bases, a few steps")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"))
    options = parser.parse_args()
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "cells": cells,
        "training": training.measured,
        "varlen": varlen.measured,
        "answers": answers.measured,
        "losses": losses.measured,
    }
    wanted = list(parts) if options.parts == "all" else options.parts.split(",")
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; accepted: all, {', '.join(parts)}")
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "gpu.json"
    found = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    found.setdefault("machine", machine(options.device))
    failed = []
    for name in wanted:
        if name in found and "error" not in found[name]:
            print(f"{name}: there already", flush=True)
            continue
        began = time.monotonic()
        try:
            found[name] = parts[name](options)
        except Exception as error:  # the other parts are worth their figures
            found[name] = {"error": f"{type(error).__name__}: {error}"}
            failed.append(name)
        found[name]["seconds"] = round(time.monotonic() - began, 1)
        gc.collect()
        record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (options.out / "gpu.md").write_text(table(found), encoding="utf-8")
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    print(table(found))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def machine(device: str) -> dict[str, Any]:
    """Return what the figures were measured on."""
    import bitsandbytes
    import peft
    import torch
    import transformers

    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {os.cpu_count()} cores"
    versions = {one.__name__: one.__version__ for one in (torch, transformers, peft, bitsandbytes)}
    return {"device": name, **versions}


def cells(options: argparse.Namespace) -> dict[str, Any]:
    """Run one miniature cell a precision end to end, two at once, and one that is killed."""
    with tempfile.TemporaryDirectory() as directory:
        common = [
            f"runtime.device={options.device}", f"runtime.results={directory}",
            "runtime.progress=false", "train.max_steps=12", "eval.limit=8",
        ]  # fmt: skip
        sweep = ["-m", f"quantization={','.join(PRECISIONS)}"]
        if options.device == "cpu" or _gpus() > 1:
            sweep.append("runtime.parallel=2")
        began = time.monotonic()
        done = _run([*sweep, *common])
        seconds = time.monotonic() - began
        runs = sorted(Path(directory, "runs").glob("mini_llama-*"))
        finished = [one.name for one in runs if (one / "results.json").is_file()]
        killed = [*common, "seed=1", "train.max_steps=40", "train.checkpoints_per_epoch=40"]
        return {
            "asked": len(PRECISIONS),
            "finished": len(finished),
            "exit_code": done.returncode,
            "sweep_seconds": round(seconds, 1),
            "said": "" if done.returncode == 0 else done.stderr[-2000:],
            "killed_and_continued": _killed_and_continued(killed, Path(directory)),
        }


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, os.fspath(ROOT / "run.py"), *words],
        capture_output=True, text=True, cwd=ROOT, timeout=2 * CELL_SECONDS, check=False,
    )  # fmt: skip


def _killed_and_continued(words: list[str], results: Path) -> bool:
    """Return whether a cell that was killed behind a checkpoint was continued from it."""
    before = _runs(results)
    process = subprocess.Popen(
        [sys.executable, os.fspath(ROOT / "run.py"), *words],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + CELL_SECONDS
    while time.monotonic() < end and process.poll() is None:
        new = _runs(results) - before
        if any(list(one.glob("checkpoint/checkpoint-*")) for one in new):
            break
        time.sleep(0.2)
    killed = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)
    if not killed or _run(words).returncode != 0:
        return False
    [run] = _runs(results) - before
    report = json.loads((run / "train.json").read_text(encoding="utf-8"))
    return (report["resumed_from"] or 0) > 0


def _runs(results: Path) -> set[Path]:
    return {path.parent for path in (results / "runs").glob("*/cell.json")}


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [f"{', '.join(f'{k} {v}' for k, v in found['machine'].items())}", ""]
    lines += ["| part | figure | value |", "|---|---|---|"]
    for part, figures in found.items():
        if part != "machine":
            lines += [f"| {part} | {name} | {_said(value)} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"


def _said(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], float):
        return f"{statistics.median(value):.4g} ({min(value):.4g} to {max(value):.4g})"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "/").replace("\n", " ")


if __name__ == "__main__":
    main()
