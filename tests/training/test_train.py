"""Whole training runs on tiny bases: reports, records, stopping, validation, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from doubles.full_disk import largest_file
from tunegrid.config.choices import Device, Layout, Precision, Schedule
from tunegrid.config.errors import ConfigError, StageError, StoreError
from tunegrid.config.schema import QuantizationConfig, TrainConfig
from tunegrid.models.bases.loading import load
from tunegrid.training import schedule
from tunegrid.training.report import Interrupted, TrainingReport
from tunegrid.training.schedule import rate_share
from tunegrid.training.train import train

SETTINGS = TrainConfig(
    name="tiny",
    epochs=2,
    examples_per_step=4,
    learning_rate=0.01,
    checkpoints_per_epoch=1,
)


RISE = {"steps": 6, "warmup": 1, "schedule": Schedule.linear}


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


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def with_(**changes: Any) -> TrainConfig:
    return dataclasses.replace(SETTINGS, **changes)


def test_the_report_adds_up(tmp_path):
    session = Session(tmp_path)
    report = session.train()
    tokens = tiny_bases.examples("llama")
    assert (report.steps, report.epochs, report.resumed_from) == (6, 2.0, None)
    assert report.tokens == 2 * tokens.tokens
    assert report.trained_tokens == 2 * tokens.trained_tokens
    assert report.padded_tokens >= report.tokens
    assert report.first_loss == session.losses()[0]
    assert report.last_loss == session.losses()[-1] < report.first_loss
    assert report.layout == "sorted"
    assert report.validation_losses == {}
    assert report.best_step is None
    assert (report.exported_step, report.peak_memory_bytes > 10**7) == (6, True)
    assert session.resumed == [0]
    assert [record["step"] for record in session.records] == [1, 2, 3, 4, 5, 6]
    assert session.records[2]["epoch"] == pytest.approx(1.0)
    rates = [record["learning_rate"] for record in session.records]
    assert rates == pytest.approx([0.01 * rate_share(step, **RISE) for step in range(6)])
    assert rates[0] > 0
    assert session.records
    assert all(record["gradient_norm"] > 0 for record in session.records)
    assert sum(record["tokens"] for record in session.records) == report.tokens


def test_records_are_means_over_tokens_since_the_last_one(tmp_path):
    every = Session(tmp_path / "every")
    every.train()
    third = Session(tmp_path / "third")
    third.train(with_(log_every_steps=4))
    assert [record["step"] for record in third.records] == [4, 6]
    steps = every.records[:4]
    mean = sum(r["loss"] * r["trained_tokens"] for r in steps)
    mean /= sum(r["trained_tokens"] for r in steps)
    assert third.records[0]["loss"] == pytest.approx(mean)


def test_the_same_run_twice_is_the_same_to_the_bit(tmp_path):
    results = []
    for name in ("one", "two"):
        method = tiny_bases.lora(tiny_bases.base("llama"), "llama", awake=False, lora_dropout=0.3)
        session = Session(tmp_path / name, method)
        session.train()
        results.append((session.losses(), session.weights()))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1])


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_the_layout_changes_no_loss_of_a_run(kind, tmp_path):
    curves = []
    for layout in (Layout.padded, Layout.sorted, Layout.flattened):
        session = Session(tmp_path / layout.value, kind=kind)
        session.train(layout=layout)
        # The norms too: Adam steps the same way whatever gradients are divided by.
        curves.append([record[k] for record in session.records for k in ("loss", "gradient_norm")])
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    assert curves[2] == pytest.approx(curves[0], abs=1e-5)


def test_the_loss_and_gradient_are_those_of_all_trained_tokens_together(tmp_path):
    session = Session(tmp_path)
    examples = tiny_bases.examples("llama", 4)
    model = session.method.model.train()
    total = torch.zeros(())
    for example in examples.examples:
        ids, labels = torch.tensor([example.ids]), torch.tensor([example.labels])
        total = total + model(input_ids=ids, labels=labels).loss * example.trained_tokens
    loss = total / examples.trained_tokens
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.requires_grad])
    session.train(with_(max_steps=1), train_set=examples)
    [record] = session.records
    assert record["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert record["gradient_norm"] == pytest.approx(norm.item(), rel=1e-4)


def test_each_epoch_takes_every_example_once_in_its_own_order(tmp_path):
    session = Session(tmp_path)
    examples = tiny_bases.examples("llama", 6)
    session.train(with_(examples_per_step=1, learning_rate=1e-12, epochs=3), train_set=examples)
    lengths = [len(example.ids) for example in examples.examples]
    expected = [lengths[i] for epoch in range(3) for i in schedule.order(6, 0, epoch)]
    assert [record["tokens"] for record in session.records] == expected
    assert expected[:6] != expected[6:12]


def test_seeds_order_the_examples_differently(tmp_path):
    first, second = Session(tmp_path / "0"), Session(tmp_path / "1")
    first.train(seed=0)
    second.train(seed=1)
    assert first.losses()[0] != second.losses()[0]


def test_gradient_checkpointing_changes_nothing(tmp_path):
    plain, saving = Session(tmp_path / "plain"), Session(tmp_path / "saving")
    plain.train()
    saving.train(gradient_checkpointing=True)
    assert saving.losses() == pytest.approx(plain.losses(), abs=1e-5)


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.int8, Precision.nf4])
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_evaluating_between_steps_changes_no_weight(kind, precision, tmp_path):
    settings = tiny_bases.save(kind, tmp_path)
    results = []
    for evaluations in (0, 3):
        quantization = QuantizationConfig(name=precision.value, precision=precision)
        base, _ = load(settings, quantization, root=tmp_path, device=Device.cpu)
        method = tiny_bases.lora(base, kind, awake=False)
        session = Session(tmp_path / str(evaluations), method, kind)
        report = session.train(with_(evaluations_per_epoch=evaluations))
        validated = [r["step"] for r in session.records if "validation_loss" in r]
        assert validated == list(report.validation_losses)
        assert len(validated) == 2 * evaluations
        results.append(session)
    assert results[0].losses() == results[1].losses()
    assert same(results[0].weights(), results[1].weights())
    norms = [r["gradient_norm"] for r in results[1].records if "gradient_norm" in r]
    assert min(norms) > 1e-3


def test_the_best_weights_are_kept_when_asked_for(tmp_path):
    # A rate far too high makes the validation loss rise after the first step.
    wild = with_(
        learning_rate=0.5,
        schedule=Schedule.constant,
        evaluations_per_epoch=3,
        max_steps=2,
        warmup_share=0.0,
    )
    last, best = Session(tmp_path / "last"), Session(tmp_path / "best")
    last.train(wild)
    report = best.train(dataclasses.replace(wild, keep_best=True))
    losses = report.validation_losses
    assert report.best_step == min(losses, key=lambda step: losses[step]) < report.steps
    assert report.exported_step == report.best_step
    assert not same(last.weights(), best.weights())
    again = Session(tmp_path / "again", best.method)
    unchanged = again.train(with_(max_steps=1, learning_rate=1e-9, evaluations_per_epoch=1))
    assert unchanged.validation_losses[1] == pytest.approx(losses[report.best_step], abs=1e-5)


def test_a_run_that_is_stopped_goes_on_to_the_same_end(tmp_path):
    settings = with_(evaluations_per_epoch=2, log_every_steps=4)
    straight = Session(tmp_path / "straight")
    expected = straight.train(settings)
    first = Session(tmp_path / "stopped")
    asked = iter([False, False, False, True])
    with pytest.raises(Interrupted) as raised:
        first.train(settings, should_stop=lambda: next(asked))
    assert raised.value.step == 4
    second = Session(tmp_path / "stopped")
    report = second.train(settings)
    assert second.resumed == [4]
    assert report.resumed_from == 4
    assert same(second.weights(), straight.weights())
    timeless = {"seconds", "tokens_per_second"}
    kept = [r for r in first.records if r["step"] <= 4] + second.records
    assert [{k: v for k, v in r.items() if k not in timeless} for r in kept] == [
        {k: v for k, v in r.items() if k not in timeless} for r in straight.records
    ]
    differing = {"seconds", "tokens_per_second", "peak_memory_bytes", "resumed_from"}
    both = [dataclasses.asdict(r) for r in (report, expected)]
    assert {k: v for k, v in both[0].items() if k not in differing} == {
        k: v for k, v in both[1].items() if k not in differing
    }


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = Session(tmp_path)
    expected = first.train()
    second = Session(tmp_path)
    report = second.train()
    assert second.resumed == [6]
    assert second.records == []
    assert report.last_loss == expected.last_loss
    assert same(second.weights(), first.weights())


def test_a_method_gets_its_turn_after_each_step(tmp_path):
    turns = []

    def after_step(step: int) -> None:
        gradients = [p.grad for p in method.model.parameters() if p.requires_grad]
        turns.append((step, all(gradient is not None for gradient in gradients)))

    method = tiny_bases.lora(tiny_bases.base("llama"), "llama", awake=False)
    method = dataclasses.replace(method, after_step=after_step)
    Session(tmp_path, method).train(with_(max_steps=3))
    assert turns == [(0, True), (1, True), (2, True)]


def test_a_diverged_run_is_an_error_with_its_step(tmp_path):
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama")
    with torch.no_grad():
        next(p for p in method.model.parameters() if p.requires_grad).fill_(float("nan"))
    with pytest.raises(StageError, match="loss of optimizer step 1 is nan"):
        Session(tmp_path, method).train()


def test_a_gradient_that_is_not_finite_is_an_error_with_its_step(tmp_path):
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama")
    weight = next(p for p in method.model.parameters() if p.requires_grad)
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(StageError, match="gradient of optimizer step 1 is"):
        Session(tmp_path, method).train()


def test_contradictions_are_refused_all_at_once(tmp_path):
    session = Session(tmp_path)
    with pytest.raises(ConfigError, match="2 problems") as raised:
        session.train(with_(keep_best=True, learning_rate=0.0))
    assert "evaluations_per_epoch" in str(raised.value)
    with pytest.raises(StageError, match="nothing to train on"):
        session.train(train_set=tiny_bases.examples("llama", max_length_tokens=2))


def test_prefix_tuning_is_refused_with_gradient_checkpointing(tmp_path):
    from tunegrid.models.methods import library

    base = tiny_bases.base("llama")
    method = library.attach(base, type="PREFIX_TUNING", num_virtual_tokens=2)
    with pytest.raises(ConfigError, match="prefix tuning"):
        Session(tmp_path, method).train(gradient_checkpointing=True)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "P_TUNING", "num_virtual_tokens": 3, "encoder_hidden_size": 16},
        {"type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": True},
    ],
)
def test_methods_with_an_encoder_of_their_own_can_be_continued(options, tmp_path):
    from tunegrid.models.methods import library
    from tunegrid.models.seeding import seed_everything

    def session(name: str) -> Session:
        base = tiny_bases.base("llama")
        seed_everything(0)
        return Session(tmp_path / name, library.attach(base, **options))

    straight = session("straight")
    straight.train()
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        session("stopped").train(should_stop=lambda: next(asked))
    continued = session("stopped")
    continued.train()
    assert same(continued.weights(), straight.weights())


def test_float16_on_a_cpu_keeps_its_gradients(tmp_path):
    many = tiny_bases.examples("llama", 200)
    norms = []
    for dtype in (torch.float32, torch.float16):
        method = tiny_bases.lora(tiny_bases.base("llama").to(dtype), "llama")
        session = Session(tmp_path / str(dtype), method)
        session.train(
            with_(examples_per_step=200, max_steps=1), train_set=many, micro_batch_tokens=2000
        )
        norms.append(session.records[0]["gradient_norm"])
    assert norms[1] == pytest.approx(norms[0], rel=2e-3)


class SmallMemory:
    """A head that has room for so many tokens of a micro-batch, as a device would."""

    def __init__(self, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
        from tunegrid.training.loss_head import TrainedHead

        self.refused: list[int] = []
        loss_sum = TrainedHead.loss_sum

        def limited(head: Any, model: Any, batch: Any) -> Any:
            if batch.padded_tokens > tokens:
                self.refused.append(batch.padded_tokens)
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return loss_sum(head, model, batch)

        monkeypatch.setattr(TrainedHead, "loss_sum", limited)


def test_where_memory_runs_out_the_run_goes_on_with_smaller_micro_batches(
    tmp_path, monkeypatch, capsys
):
    expected = Session(tmp_path / "large")
    expected.train(validation_set=None)
    memory = SmallMemory(90, monkeypatch)
    session = Session(tmp_path / "small")
    report = session.train(validation_set=None)
    assert memory.refused == [memory.refused[0]]
    assert report.micro_batch_tokens == 60
    assert "micro_batch_tokens=120; the run goes on with 60" in capsys.readouterr().err
    losses = [[record["loss"] for record in one.records] for one in (session, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_an_example_that_does_not_fit_alone_ends_the_cell_and_names_what_to_lower(
    tmp_path, monkeypatch
):
    SmallMemory(20, monkeypatch)
    with pytest.raises(StageError, match=r"=true, lower runtime\.micro_batch"):
        Session(tmp_path).train(validation_set=None)


def test_a_full_disk_at_a_checkpoint_ends_with_a_message_and_no_rest(tmp_path):
    session = Session(tmp_path)
    with largest_file(4_096), pytest.raises(StoreError, match=r"cannot write .*checkpoint-3: "):
        session.train()
    assert list(tmp_path.iterdir()) == []
    assert session.train().steps == 6
