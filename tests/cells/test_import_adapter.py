"""A LoRA that peft wrote, in either form and of any age, is a finished cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tunegrid.cells import import_adapter as importing
from tunegrid.cells import reopen
from tunegrid.cells.loaded_models import Models
from tunegrid.cli import main
from tunegrid.config.compose.typed import composed_groups
from tunegrid.config.errors import ConfigError, DataError, TunegridError
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.reports import rows
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.merge import merge

PROJECT = project_directory()
IDS = torch.arange(20, 40)[None]
TARGETS = {"llama": ["q_proj", "v_proj"], "bloom": ["query_key_value"]}


def released(folder: Path, kind: str = "llama", form: str = "safetensors") -> torch.Tensor:
    """Write an adapter as it was released in 2023; return its logits."""
    base = AutoModelForCausalLM.from_pretrained(PROJECT / "assets" / "miniature" / kind)
    settings = peft.LoraConfig(
        r=4, lora_alpha=16, lora_dropout=0.05, target_modules=TARGETS[kind], task_type="CAUSAL_LM"
    )
    torch.manual_seed(0)
    model = peft.get_peft_model(base, settings)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(str(folder))
    # What peft 0.2 wrote, and no more.
    old = {
        "base_model_name_or_path": "decapoda-research/llama-7b-hf", "bias": "none",
        "enable_lora": None, "fan_in_fan_out": False, "inference_mode": True, "lora_alpha": 16,
        "lora_dropout": 0.05, "merge_weights": False, "modules_to_save": None,
        "peft_type": "LORA", "r": 4, "target_modules": TARGETS[kind], "task_type": "CAUSAL_LM",
    }  # fmt: skip
    (folder / importing.CONFIG).write_text(json.dumps(old), encoding="utf-8")
    if form == "bin":
        weights = load_file(folder / "adapter_model.safetensors")
        torch.save(weights, folder / "adapter_model.bin")
        (folder / "adapter_model.safetensors").unlink()
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(IDS).logits
    return logits


def config(results: Path, kind: str = "llama") -> CellConfig:
    words = [f"model=mini_{kind}", f"runtime.results={results}", "runtime.device=cpu"]
    return composed_groups(words, PROJECT, ("model", "quantization", "prompt", "runtime"))


def imported(folder: Path, results: Path, kind: str = "llama", **labels: Any) -> Any:
    labels = {"name": None, "data": None} | labels
    return importing.import_adapter(folder, config(results, kind), PROJECT, **labels)


@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize("kind", TARGETS)
def test_it_answers_as_it_did_where_it_was_made(kind: str, form: str, tmp_path: Path) -> None:
    expected = released(tmp_path / "adapter", kind, form)
    cell, [note] = imported(
        tmp_path / "adapter", tmp_path / "results", kind, name="released", data="alpaca"
    )
    assert "trained on 'decapoda-research/llama-7b-hf'" in note
    run = RunDirectory(cell.directory)
    with torch.no_grad():
        found = Models(cell, run).answering()(IDS).logits
    assert torch.allclose(found, expected, atol=1e-5)
    # Nothing of the training is made up.
    report = run.read(run_files.TRAINED)
    assert report["steps"] is None
    assert "last_tenth_loss" not in report
    [row] = rows.run_rows([run])
    assert (row["method"], row["data"], row["status"]) == ("released", "alpaca", "done")
    assert row["steps"] is row["final_loss"] is row["examples"] is None
    merged = merge(reopen.config_of(run), run, tmp_path / "merged")
    assert merged["largest_logit_difference"] < 1e-4


def test_the_same_weights_are_the_same_cell(tmp_path: Path) -> None:
    released(tmp_path / "adapter")
    first, _ = imported(tmp_path / "adapter", tmp_path / "results")
    again, notes = imported(tmp_path / "adapter", tmp_path / "results", name="other")
    assert again.hash == first.hash
    assert "there already" in notes[-1]
    config = json.loads((tmp_path / "adapter" / importing.CONFIG).read_text("utf-8"))
    (tmp_path / "adapter" / importing.CONFIG).write_text(json.dumps(config | {"lora_alpha": 8}))
    scaled, _ = imported(tmp_path / "adapter", tmp_path / "results")
    assert scaled.hash != first.hash


def test_the_command_names_the_next_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released(tmp_path / "adapter")
    words = ["import-adapter", str(tmp_path / "adapter"), "--model", "mini_llama"]
    with pytest.raises(SystemExit) as end:
        main.main([*words, "--results", str(tmp_path / "results"), "--quantization", "int8"])
    assert not end.value.code
    shown = capsys.readouterr()
    assert "Next: tunegrid predict mini_llama-imported-int8-english-" in shown.err
    # It can be asked: its settings give its own name again.
    from tunegrid.use.predict import cells_with

    [run] = (tmp_path / "results" / "runs").glob("mini_llama-*")
    [cell] = cells_with([RunDirectory(run)], ["eval.limit=3"], PROJECT, tmp_path / "results")
    assert cell.train_id == run.name


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    released(folder)

    def refused(error: type[TunegridError], expected: str, kind: str = "llama") -> None:
        with pytest.raises(error, match=expected):
            imported(folder, tmp_path / "results", kind)

    refused(ConfigError, "q_proj", kind="bloom")
    stored = json.loads((folder / importing.CONFIG).read_text(encoding="utf-8"))

    def change(**values: Any) -> None:
        (folder / importing.CONFIG).write_text(json.dumps(stored | values), encoding="utf-8")

    change(r=8)
    refused(ConfigError, r"does not fit mini_llama.*is \[4, \d+\], not \[8, \d+\]")
    change(target_modules=["q_proj", "k_proj", "v_proj"])
    refused(ConfigError, "is missing")
    change(enable_lora=[True, False])
    refused(ConfigError, "enable_lora=")
    change(peft_type="PREFIX_TUNING")
    refused(ConfigError, "accepted is LORA")
    (folder / importing.CONFIG).write_text("{", encoding="utf-8")
    refused(DataError, "is no JSON")
    (folder / importing.CONFIG).unlink()
    refused(DataError, "has no adapter_config.json")
    change()
    (folder / "adapter_model.safetensors").unlink()
    refused(DataError, "has no weights")
    torch.save({"a": Path}, folder / "adapter_model.bin")
    refused(DataError, "reading it would run what it holds")
    assert not list((tmp_path / "results").glob("runs/*/train.json"))


def test_either_form_of_the_same_weights_is_one_cell(tmp_path: Path) -> None:
    released(tmp_path / "a")
    released(tmp_path / "b", form="bin")
    first, _ = imported(tmp_path / "a", tmp_path / "results")
    second, notes = imported(tmp_path / "b", tmp_path / "results")
    assert first.train_id == second.train_id
    assert "there already" in notes[-1]


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    released(tmp_path / "a", form="bin")
    file = tmp_path / "a" / "adapter_model.bin"
    weights = torch.load(file, weights_only=True)
    next(iter(weights.values()))[0, 0] = float("nan")
    torch.save(weights, file)
    with pytest.raises(DataError, match="not finite"):
        imported(tmp_path / "a", tmp_path / "results")
