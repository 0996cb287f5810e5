"""Every method of conf/peft on the tiny bases, in every precision: shared by the tests here."""

from __future__ import annotations

import copy
import functools
import gc
import tempfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from doubles import tiny_bases
from tunegrid.config.choices import Device, Dtype, Layout, Precision, Schedule
from tunegrid.config.project import project_directory
from tunegrid.config.schema import (
    CellConfig,
    DecodingConfig,
    ModelConfig,
    PeftConfig,
    QuantizationConfig,
    TrainConfig,
)
from tunegrid.models.bases.loading import load
from tunegrid.models.compute import computing
from tunegrid.models.methods.attach import attach
from tunegrid.models.methods.attached import Attached
from tunegrid.models.seeding import seed_everything
from tunegrid.training.train import train

CONF = project_directory() / "conf"
NAMES = sorted(path.stem for path in (CONF / "peft").glob("*.yaml"))
STEPS = 3
SETTINGS = TrainConfig(
    name="tiny",
    max_steps=STEPS,
    examples_per_step=4,
    learning_rate=0.01,
    schedule=Schedule.constant,
    warmup_share=0.0,
    checkpoints_per_epoch=3,
)
LINEAR = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "bloom": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
}


@functools.cache
def _yaml(name: str) -> Any:
    return OmegaConf.to_container(OmegaConf.load(CONF / "peft" / f"{name}.yaml"))


def config(name: str, kind: str, precision: Precision = Precision.fp32, **options: Any):
    """A cell of a method's own YAML on a tiny base; options replace those of the YAML."""
    model = ModelConfig(
        name=kind,
        path=kind,
        architecture=kind,
        attention_modules=tiny_bases.TARGETS[kind],
        linear_modules=LINEAR[kind],
    )
    facts = {name: getattr(model, name) for name in ("attention_modules", "linear_modules")}
    both = OmegaConf.create({"model": facts, "peft": _yaml(name)})
    merged = OmegaConf.merge(
        OmegaConf.structured(PeftConfig), OmegaConf.to_container(both.peft, resolve=True)
    )
    peft = OmegaConf.to_object(merged)
    assert isinstance(peft, PeftConfig)
    peft.options |= options
    return CellConfig(model=model, peft=peft, quantization=quantization(precision))


def quantization(precision: Precision, dtype: Dtype = Dtype.float32) -> QuantizationConfig:
    """Without outliers, so that in 8 bit no row depends on its batch."""
    return QuantizationConfig(
        name=precision.value, precision=precision, dtype=dtype, int8_threshold=0.0
    )


@functools.cache
def _frozen() -> None:
    """Keep what is imported out of the garbage collections that each training asks for."""
    gc.collect()
    gc.freeze()


@functools.cache
def _loaded(kind: str, precision: Precision, dtype: Dtype) -> Any:
    with tempfile.TemporaryDirectory() as root:
        model = tiny_bases.save(kind, Path(root))
        held = quantization(precision, dtype)
        return load(model, held, root=Path(root), device=Device.cpu)[0]


def base(kind: str, precision: Precision = Precision.fp32, dtype: Dtype = Dtype.float32) -> Any:
    """A base as a cell loads it; each call gives one of its own."""
    return copy.deepcopy(_loaded(kind, precision, dtype))


def attached(cell: CellConfig, model: Any = None, *, seed: int = 0, steps: int = STEPS) -> Attached:
    """The cell's method on a fresh base, its first weights drawn with the seed."""
    if model is None:
        model = base(cell.model.architecture, cell.quantization.precision, cell.quantization.dtype)
    seed_everything(seed)
    return attach(cell.peft, model, steps)


@functools.cache
def _examples(kind: str) -> Any:
    return tiny_bases.examples(kind)


def trained(method: Attached, kind: str, checkpoints: Path, **options: Any) -> Any:
    """Train a few steps; return the report."""
    _frozen()
    chosen: dict[str, Any] = {
        "settings": SETTINGS,
        "on_record": lambda record: None,
        "on_resume": lambda step: None,
        "validation_set": None,
        "micro_batch_tokens": 120,
        "gradient_checkpointing": False,
        "should_stop": lambda: False,
    } | options
    return train(
        method,
        tiny_bases.tokenizer(kind),
        _examples(kind),
        chosen.pop("validation_set"),
        chosen.pop("settings"),
        layout=Layout.sorted,
        seed=0,
        checkpoint_directory=checkpoints,
        progress=False,
        **chosen,
    )


def trainable(model: Any) -> dict[str, torch.Tensor]:
    """The trainable weights by name."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


def logits(model: Any) -> torch.Tensor:
    """Logits of a fixed text."""
    ids = torch.arange(3, 35)[None]
    model.eval()
    with torch.no_grad(), computing(model):
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()


PROMPTS = ("### Question: the lazy dog ### Response:", "fox")


def answers(model: Any, kind: str, prompts: tuple[str, ...] = PROMPTS) -> dict[int, str]:
    """Greedy answers by position."""
    from tunegrid.models.inference.generation import answer

    found = answer(
        model,
        tiny_bases.tokenizer(kind),
        prompts,
        decoding=DecodingConfig(),
        max_new_tokens=5,
        stop="",
        batch_tokens=10_000,
        seed=0,
        progress_label="tiny",
        progress=False,
    )
    return {index: given.text for index, given in found}


def answer_by_hand(model: Any, kind: str, prompt: str) -> str:
    """A greedy answer without a cache: the whole text again for each token."""
    from tunegrid.data.tokens import encode_prompt

    tokenizer = tiny_bases.tokenizer(kind)
    ids = encode_prompt(tokenizer, prompt)
    start = len(ids)
    model.eval()
    for _ in range(5):
        one = torch.tensor([ids])
        with torch.no_grad(), computing(model):
            scores = model(
                input_ids=one, attention_mask=torch.ones_like(one), use_cache=False
            ).logits
        ids.append(int(scores[0, -1].argmax()))
        if ids[-1] == tokenizer.eos_token_id:
            break
    return tokenizer.decode(ids[start:], skip_special_tokens=True)
