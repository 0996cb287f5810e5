"""The mean loss on held-out examples, which changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Layout
from tunegrid.config.schema import TrainConfig
from tunegrid.training.loss_head import TrainedHead
from tunegrid.training.microbatches import Form, lay_out
from tunegrid.training.report import TrainingReport
from tunegrid.training.train import train
from tunegrid.training.validation import mean_loss

SETTINGS = TrainConfig(
    name="tiny",
    epochs=2,
    examples_per_step=4,
    learning_rate=0.01,
    checkpoints_per_epoch=1,
)


class Session:
    """One call of `train`, with everything it told its caller."""

    def __init__(self, directory: Path, method: Any = None, kind: str = "llama") -> None:
        self.directory = directory
        self.kind = kind
        self.method = method or tiny_bases.lora(tiny_bases.base(kind), kind, awake=False)
        self.records: list[dict[str, Any]] = []
        self.resumed: list[int] = []

    def train(self, settings: TrainConfig = SETTINGS, **options: Any) -> TrainingReport:
        chosen: dict[str, Any] = {
            "layout": Layout.sorted,
            "micro_batch_tokens": 120,
            "gradient_checkpointing": False,
            "seed": 0,
            "should_stop": lambda: False,
            "train_set": tiny_bases.examples(self.kind),
            "validation_set": tiny_bases.examples(self.kind, 5),
        } | options
        return train(
            self.method,
            tiny_bases.tokenizer(self.kind),
            chosen.pop("train_set"),
            chosen.pop("validation_set"),
            settings,
            checkpoint_directory=self.directory,
            on_record=lambda record: self.records.append(dict(record)),
            on_resume=self.resumed.append,
            progress=False,
            **chosen,
        )

    def weights(self) -> dict[str, torch.Tensor]:
        named = self.method.model.named_parameters()
        return {name: p.detach().clone() for name, p in named if p.requires_grad}

    def losses(self) -> list[float]:
        return [record["loss"] for record in self.records if "loss" in record]


def with_(**changes: Any) -> TrainConfig:
    return dataclasses.replace(SETTINGS, **changes)


def test_a_validation_loss_is_the_mean_over_its_tokens(tmp_path):
    session = Session(tmp_path, tiny_bases.lora(tiny_bases.base("llama"), "llama"))
    examples = tiny_bases.examples("llama", 5)
    report = session.train(with_(evaluations_per_epoch=1, epochs=1), validation_set=examples)
    total = 0.0
    for example in examples.examples:
        ids, labels = torch.tensor([example.ids]), torch.tensor([example.labels])
        with torch.no_grad():
            loss = session.method.model.eval()(input_ids=ids, labels=labels).loss
        total += loss.item() * example.trained_tokens
    assert report.validation_losses == {3: pytest.approx(total / examples.trained_tokens, abs=1e-5)}
    assert {"step": 3, "epoch": 1.0, "validation_loss": report.validation_losses[3]} in (
        session.records
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_validation_leaves_the_mode_and_the_gradients_alone(training):
    model = tiny_bases.lora(tiny_bases.base("llama"), "llama", lora_dropout=0.9).model
    model.train(training)
    examples = tiny_bases.examples("llama", 5).examples
    form = Form(Layout.sorted, 120, pad_id=2)
    with TrainedHead(model) as head:
        head.loss_sum(model, lay_out(examples, form)[0]).backward()
        before = [p.grad.clone() for p in model.parameters() if p.requires_grad]
        state = torch.get_rng_state()
        losses = [
            mean_loss(
                model,
                head,
                examples,
                form,
                device=torch.device("cpu"),
                sum_over_processes=lambda numbers: numbers,
            )
            for _ in range(2)
        ]
    assert losses[0] == losses[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training is training
    after = [p.grad for p in model.parameters() if p.requires_grad]
    assert before
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
