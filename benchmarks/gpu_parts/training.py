"""Tokens a second and peak memory of Bloom-7B1 in 8 and 4 bit: ours against the seed's Trainer."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from gpu_parts import bases
from tunegrid.config.choices import Attention, Dtype, Precision
from tunegrid.config.schema import ModelConfig, PeftConfig, QuantizationConfig
from tunegrid.data.tokens import NOT_TRAINED, Encoded
from tunegrid.training.footprint import footprint, step_bytes

SEED_BATCH = 4
"""Examples a pass of the seed's settings."""


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return rates of both ways in the order A B A B, and ours' peak beside the plan's."""
    found: dict[str, Any] = {}
    steps = 2 if options.tiny else 3
    drawn = bases.examples(bases.EXAMPLES_PER_STEP, options)
    for precision in (Precision.int8, Precision.nf4):
        rates: dict[str, list[float]] = {"ours": [], "seed": []}
        for _ in range(2):
            bases.free()
            attached = bases.lora(bases.base("bloom", options, precision), "bloom")
            held = _allocated()
            own, report = bases.rate(attached, drawn, steps)
            rates["ours"].append(own)
            if options.device == "cuda":
                found[f"{precision.value}_peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
                planned = held + _planned(attached, drawn, precision, options)
                found[f"{precision.value}_planned_gib"] = planned / 2**30
            found["layout"] = f"{report.layout}, {report.attention}"
            del attached
            bases.free()
            rates["seed"].append(_seed(drawn, steps, precision, options))
            bases.free()
        found[f"{precision.value}_tokens_per_second_ours"] = rates["ours"]
        found[f"{precision.value}_tokens_per_second_seed"] = rates["seed"]
        found[f"{precision.value}_times"] = sum(rates["ours"]) / sum(rates["seed"])
    return found


def _allocated() -> int:
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def _planned(
    attached: Any, drawn: list[Encoded], precision: Precision, options: argparse.Namespace
) -> float:
    """Return what a plan would say beside the weights."""
    config = bases.config_of("bloom", options)
    longest = max(len(one.ids) for one in drawn)
    peft = attached.model.peft_config["default"]
    method = PeftConfig(
        name="lora",
        function="library.attach",
        options={
            "type": "LORA", "r": peft.r, "lora_alpha": peft.lora_alpha,
            "lora_dropout": peft.lora_dropout, "target_modules": sorted(peft.target_modules),
        },
    )  # fmt: skip
    one = footprint(
        ModelConfig(
            name="bloom", path="nobody/nothing", architecture="bloom",
            architecture_config=config.to_dict(),
        ),
        method,
        QuantizationConfig(name=precision.value, precision=precision, dtype=Dtype.bfloat16),
        rows=max(1, 2048 // longest),
        width=longest,
        attention=Attention.auto,
        device=torch.device(options.device),
        gradient_checkpointing=False,
        root=Path(),
    )  # fmt: skip
    return step_bytes(
        one,
        layers=config.num_hidden_layers,
        tokens=2048,
        words=config.vocab_size,
        trained=sum(p.numel() for p in attached.model.parameters() if p.requires_grad),
    )


def _seed(
    drawn: list[Encoded], steps: int, precision: Precision, options: argparse.Namespace
) -> float:
    """Return the rate of a plain Trainer: peft's preparation, batches of four, autocast."""
    import peft
    from transformers import Trainer, TrainingArguments

    base = bases.base("bloom", options, precision, ours=False)
    base = peft.prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
    config = peft.LoraConfig(
        r=32, lora_alpha=64, lora_dropout=0.05, target_modules=["query_key_value"],
        task_type=peft.TaskType.CAUSAL_LM,
    )  # fmt: skip
    model = peft.get_peft_model(base, config)
    stamps: list[float] = []

    class Stamps(Trainer):
        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            stamps.append(time.monotonic())

    with tempfile.TemporaryDirectory() as directory:
        arguments = TrainingArguments(
            output_dir=directory, max_steps=steps + 1, per_device_train_batch_size=SEED_BATCH,
            gradient_accumulation_steps=len(drawn) // SEED_BATCH, learning_rate=3e-4,
            bf16=True, report_to="none", disable_tqdm=True, logging_steps=1,
            save_strategy="no", use_cpu=options.device == "cpu", remove_unused_columns=False,
        )  # fmt: skip
        Stamps(model=model, args=arguments, train_dataset=drawn, data_collator=_collated).train()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    # The first step warms up.
    return steps * sum(len(one.ids) for one in drawn) / (stamps[steps] - stamps[0])


def _collated(batch: list[Encoded]) -> dict[str, torch.Tensor]:
    longest = max(len(one.ids) for one in batch)
    rows = {"input_ids": 2, "labels": NOT_TRAINED, "attention_mask": 0}
    found = {name: torch.full((len(batch), longest), value) for name, value in rows.items()}
    for row, one in enumerate(batch):
        found["input_ids"][row, : len(one.ids)] = torch.tensor(one.ids)
        found["labels"][row, : len(one.ids)] = torch.tensor(one.labels)
        found["attention_mask"][row, : len(one.ids)] = 1
    return found
