"""Merged cells load with plain transformers and answer like the trained ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from doubles import tiny_bases, tiny_methods
from tunegrid.cells import check
from tunegrid.cells.identity import Cell
from tunegrid.cells.loaded_models import Models
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.errors import ConfigError, StageError
from tunegrid.config.schema import DataConfig, EvalConfig, JudgeConfig, LoggingConfig, PromptConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.methods.attached import export
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.merge import REPORT, merge


def trained(
    name: str, precision: Precision, root: Path, kind: str = "bloom", **options: object
) -> Cell:
    """A cell whose training left an adapter."""
    tiny_bases.save(kind, root)
    (root / "data.json").write_text('[{"instruction": "a", "output": "b"}]')
    config = tiny_methods.config(name, kind, precision, **options)
    config.model.path = str(root / kind)
    config.runtime.results = str(root / "results")
    config.runtime.device = Device.cpu
    config.data = DataConfig(name="data", files=[str(root / "data.json")])
    template = "{instruction}\n### Response:"
    config.prompt = PromptConfig("p", "en", template + "{input}", template, template)
    config.train = dataclasses.replace(tiny_methods.SETTINGS)
    config.eval, config.logging = EvalConfig(name="none"), LoggingConfig(name="none")
    config.judge = JudgeConfig(name="reference", function="reference.build")
    cell = check.checked(config, root, root)
    run = RunDirectory(cell.directory)
    run.create()
    run.write(run_files.CELL, cell.record())
    base, _ = load(config.model, config.quantization, root=root, device=Device.cpu)
    method = tiny_methods.attached(config, base)
    tiny_methods.trained(method, kind, root / "checkpoint")
    export(method.model, run.adapter)
    run.write(run_files.TRAINED, {"steps": tiny_methods.STEPS})
    return cell


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("lora_all_linear", Precision.nf4),
        ("adalora", Precision.int8),
        ("olora", Precision.nf4),
        ("pissa", Precision.fp32),
        ("bitfit", Precision.nf4),
        ("full", Precision.fp32),
    ],
)
def test_a_merged_cell_loads_plainly_and_answers_the_same(name, precision, tmp_path):
    cell = trained(name, precision, tmp_path)
    report = merge(cell.config, RunDirectory(cell.directory), tmp_path / "merged")
    assert report["largest_logit_difference"] < 1e-4 < 0.1 < report["largest_logit"]
    assert report["same_next_token"] == 1.0
    assert report["tokens"] > 50
    assert json_files.read_json(tmp_path / "merged" / REPORT) == report
    # What anybody would do with it, in a process that knows nothing of this package.
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert not hasattr(model.config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    ids = tokenizer("the fox", return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=3).shape[1] > 2


def test_the_written_type_is_the_one_asked_for_and_its_rounding_is_reported(tmp_path):
    cell = trained("lora", Precision.fp32, tmp_path)
    run = RunDirectory(cell.directory)
    report = merge(cell.config, run, tmp_path / "merged", Dtype.bfloat16)
    assert 1e-4 < report["largest_logit_difference"] < 1.0
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert model.dtype is torch.bfloat16


def test_a_model_that_would_answer_otherwise_is_not_written(tmp_path, monkeypatch):
    """What merging into both ends of a tied base gave: the logits of another model."""
    ends = ["lm_head", "query_key_value"]
    cell = trained("lora", Precision.fp32, tmp_path, target_modules=ends)
    run = RunDirectory(cell.directory)
    monkeypatch.setattr("tunegrid.models.methods.merging.untie", lambda model: False)
    with pytest.raises(StageError, match="does not answer as the trained one does"):
        merge(cell.config, run, tmp_path / "merged")
    assert not [path for path in tmp_path.iterdir() if "merged" in path.name]
    cell.config.eval.merged = True
    with pytest.raises(StageError, match=r"eval\.merged=true"):
        Models(cell, run).answering()
    monkeypatch.undo()
    report = merge(cell.config, run, tmp_path / "merged")
    assert report["largest_logit_difference"] < 1e-4
    assert Models(cell, run).answering().config.tie_word_embeddings is False


def test_what_cannot_be_merged_is_refused_with_its_reason(tmp_path):
    cell = trained("sadapter_p", Precision.fp32, tmp_path)
    run = RunDirectory(cell.directory)
    with pytest.raises(ConfigError, match="a bottleneck adapter is not linear"):
        merge(cell.config, run, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_another_base_a_full_directory_and_an_unfinished_cell_are_refused(tmp_path):
    cell = trained("lora", Precision.fp32, tmp_path)
    run = RunDirectory(cell.directory)
    with pytest.raises(ConfigError, match="is not empty"):
        merge(cell.config, run, tmp_path)
    base = tiny_bases.base("bloom")
    with torch.no_grad():
        base.transformer.ln_f.weight.add_(0.5)
    base.save_pretrained(tmp_path / "bloom")
    with pytest.raises(ConfigError, match=r"is not the one that .* was trained on"):
        merge(cell.config, run, tmp_path / "merged")
    run.remove(run_files.TRAINED)
    with pytest.raises(ConfigError, match="has no trained adapter"):
        merge(cell.config, run, tmp_path / "merged")
