"""Training in 16 bit learns what training in 32 bit learns, and answers as it was trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from doubles import tiny_bases
from doubles.tiny_methods import config
from tunegrid.config.choices import Device, Dtype, Layout, Precision, Schedule
from tunegrid.config.project import project_directory
from tunegrid.config.schema import ModelConfig, QuantizationConfig, TrainConfig
from tunegrid.data.tokens import TokenizedSet, encode_all
from tunegrid.models.bases.loading import load
from tunegrid.models.compute import prepare
from tunegrid.models.inference.generation import answering
from tunegrid.models.methods.attach import attach
from tunegrid.models.methods.attached import Attached, export, restore
from tunegrid.models.seeding import seed_everything
from tunegrid.training.report import Interrupted, TrainingReport
from tunegrid.training.train import train

STEPS = 40
RATES = {"full": 1e-3, "adalora": 3e-2}
METHODS = ("full", "lora", "ln_tuning", "adalora", "prefix_tuning", "houlsby")


MINIATURES = project_directory() / "assets" / "miniature"


def attached(
    method: str, kind: str, precision: str, dtype: Dtype, root: Path | None = None
) -> Attached:
    """A method on a tiny base saved below `root`, or on the miniature where none is given."""
    settings = QuantizationConfig(name=precision, precision=Precision(precision), dtype=dtype)
    if root is None:
        model, place = ModelConfig(name=kind, path=kind, architecture=kind), MINIATURES
    else:
        model, place = tiny_bases.save(kind, root), root
    base = load(model, settings, root=place, device=Device.cpu)[0]
    seed_everything(0)
    return attach(config(method, kind, Precision(precision)).peft, base, STEPS)


def trained(method: Attached, kind: str, root: Path, **options: Any) -> TrainingReport:
    examples = options.pop("train_set", None) or tiny_bases.examples(kind, 24)
    stops = options.pop("should_stop", False)
    settings = TrainConfig(
        name="short",
        max_steps=STEPS,
        examples_per_step=8,
        learning_rate=3e-3,
        schedule=Schedule.constant,
        warmup_share=0.0,
        checkpoints_per_epoch=0,
    )
    return train(
        method,
        tiny_bases.tokenizer(kind),
        examples,
        None,
        dataclasses.replace(settings, **options),
        layout=Layout.sorted,
        micro_batch_tokens=512,
        gradient_checkpointing=False,
        seed=0,
        checkpoint_directory=root / "checkpoints",
        on_record=lambda record: None,
        on_resume=lambda step: None,
        should_stop=lambda: stops,
        progress=False,
    )


def drop(report: TrainingReport) -> float:
    return report.first_tenth_loss - report.last_tenth_loss


PAIRS = [
    # (held as, computed in 16 bit, held as by the one that computes in 32 bit)
    ("bf16", Dtype.bfloat16, "fp32"),
    ("fp16", Dtype.float16, "fp32"),
    ("int8", Dtype.bfloat16, "int8"),
    ("nf4", Dtype.bfloat16, "nf4"),
]


def on_the_miniature(kind: str, count: int = 24) -> TokenizedSet:
    tokenizer = AutoTokenizer.from_pretrained(MINIATURES / kind)
    texts = [
        (f"### Question {i}: name {'the fox ' * (i % 5)}\n### Response:", f" fox number {i % 7}")
        for i in range(count)
    ]
    return encode_all(tokenizer, texts, max_length_tokens=128)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kind"),
    # Each method on one base in turn: all twelve take seven minutes, and agree (docs/findings.md).
    [(method, tiny_bases.KINDS[number % 2]) for number, method in enumerate(METHODS)],
)
def test_16_bit_learns_as_32_bit_does(method: str, kind: str, tmp_path: Path) -> None:
    """On both miniatures; and its weights move: 96 % did not when they were held in bf16."""
    options = {
        "learning_rate": RATES.get(method, 3e-3),
        "train_set": on_the_miniature(kind),
    }
    drops: dict[str, float] = {}
    for precision, dtype, beside in PAIRS:
        if method == "full" and precision in ("int8", "nf4"):
            continue
        if beside not in drops:
            plain = attached(method, kind, beside, Dtype.float32)
            drops[beside] = drop(trained(plain, kind, tmp_path / f"{beside}-32", **options))
            assert drops[beside] > 0.05
        made = attached(method, kind, precision, dtype)
        report = trained(made, kind, tmp_path / precision, **options)
        assert drop(report) == pytest.approx(drops[beside], rel=0.05), precision
        assert report.changed_share is not None
        assert report.changed_share > 0.99
        assert report.compute_dtype == dtype.value


def test_weights_held_in_bf16_would_not_move(tmp_path: Path) -> None:
    """What the gate on the share of changed weights is for."""
    torch.manual_seed(0)
    model = tiny_bases.base("llama").to(torch.bfloat16)
    made = Attached(model=model.requires_grad_(True))
    report = trained(made, "llama", tmp_path, learning_rate=2e-5)
    assert report.changed_share is not None
    assert report.changed_share < 0.5


DTYPE_OF = {"fp32": Dtype.float32, **{precision: dtype for precision, dtype, _ in PAIRS}}


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", DTYPE_OF)
@pytest.mark.parametrize("method", METHODS)
def test_a_model_answers_the_same_where_it_was_trained_and_where_it_was_restored(
    method: str, precision: str, kind: str, tmp_path: Path
) -> None:
    """On both miniatures, and whether its training was stopped in between or not."""
    if method == "full" and precision in ("int8", "nf4"):
        return
    ids = torch.arange(3, 40)[None]
    options = {
        "train_set": on_the_miniature(kind, 8), "max_steps": 3, "checkpoints_per_epoch": 8,
        # Far enough from the start that weights of the start would answer otherwise.
        "learning_rate": 0.02,
    }  # fmt: skip

    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad(), answering(model):
            found: torch.Tensor = model(input_ids=ids).logits
        return found

    made = attached(method, kind, precision, DTYPE_OF[precision])
    trained(made, kind, tmp_path / "straight", **options)
    here = logits(made.model)
    stopped = attached(method, kind, precision, DTYPE_OF[precision])
    with pytest.raises(Interrupted):
        trained(stopped, kind, tmp_path / "stopped", should_stop=True, **options)
    continued = attached(method, kind, precision, DTYPE_OF[precision])
    report = trained(continued, kind, tmp_path / "stopped", **options)
    assert report.resumed_from == 1
    assert torch.equal(logits(continued.model), here)
    export(made.model, tmp_path / "adapter")
    again = attached(method, kind, precision, DTYPE_OF[precision]).model
    assert not torch.equal(logits(again), here)
    restore(again, tmp_path / "adapter")
    assert torch.equal(logits(again), here)


def test_a_step_that_the_scaler_skips_is_none_for_the_method(tmp_path: Path) -> None:
    """AdaLoRA's importances would be infinite for ever, and nothing would be pruned."""
    made = attached("adalora", "llama", "fp16", Dtype.float16, tmp_path)
    bursts = [float("inf")]
    weight = next(p for name, p in made.model.named_parameters() if "lora_A" in name)
    weight.register_hook(lambda gradient: gradient * (bursts.pop() if bursts else 1.0))
    report = trained(made, "llama", tmp_path, max_steps=12)
    assert report.skipped_steps >= 1
    allocator = made.model.base_model.rankallocator
    assert allocator.ipt
    assert all(bool(value.isfinite().all()) for value in allocator.ipt.values())
    ranks = made.model.base_model.peft_config["default"].rank_pattern
    assert ranks is not None
    assert not all(all(kept) for kept in ranks.values())


def test_float16_beyond_many_trained_tokens_has_one_type_in_the_head(tmp_path: Path) -> None:
    """In chunks the head is called by itself, and read 32-bit states with 16-bit weights."""
    from tunegrid.training.loss_head import TrainedHead
    from tunegrid.training.microbatches import pad

    model = tiny_bases.base("bloom").to(torch.float16)
    prepare(model, torch.float16)
    batch = pad(tiny_bases.examples("bloom", 6).examples, 2)
    whole, chunked = TrainedHead(model), TrainedHead(model, logits_at_once=320 * 4)
    with whole:
        expected = whole.loss_sum(model, batch)
    with chunked:
        assert torch.allclose(chunked.loss_sum(model, batch), expected, rtol=1e-3)
