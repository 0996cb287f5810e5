"""Processes that hold parts of the weights train as one does, and what cannot be divided."""

from __future__ import annotations

import dataclasses

import pytest

from doubles.together import Task, run
from tunegrid.config.choices import Precision, Sharding
from tunegrid.config.schema import CellConfig, PeftConfig, QuantizationConfig, RuntimeConfig
from tunegrid.training import sharding

LORA = PeftConfig("lora", "library.attach", {"type": "LORA", "r": 4})
FULL = PeftConfig("full", "base_weights.full", {})


def curve(said: dict, name: str = "loss") -> list[float]:
    return [record[name] for record in said["records"] if name in record]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kind"), [("full", "llama"), ("lora", "bloom")])
def test_losses_and_checkpoints_are_those_of_one_process(method, kind, tmp_path):
    [alone] = run(Task(tmp_path / "alone", kind, method=method), 1)
    # Two processes with parts, then one with all of it, then two again.
    whole = Task(tmp_path / "moved", kind, method=method)
    parts = dataclasses.replace(whole, divides_weights=True)
    tries = [
        run(dataclasses.replace(parts, stop_after=2), 2)[0],
        run(dataclasses.replace(whole, stop_after=3), 1)[0],
        run(parts, 2)[0],
    ]
    assert [said["error"] for said in tries] == [None] * 3
    for name in ("loss", "gradient_norm", "validation_loss"):
        found = [value for said in tries for value in curve(said, name)]
        assert found == pytest.approx(curve(alone, name), abs=1e-5)
    assert tries[-1]["weights"].keys() == alone["weights"].keys()
    for name, weights in alone["weights"].items():
        assert tries[-1]["weights"][name] == pytest.approx(weights, abs=1e-3)


def test_each_process_holds_its_part_only(tmp_path):
    whole, parts = (
        run(Task(tmp_path / str(divided), method="full", divides_weights=divided, stop_after=1), 2)
        for divided in (False, True)
    )
    assert whole[0]["elements"] == whole[1]["elements"]
    assert sum(said["elements"] for said in parts) == whole[0]["elements"]
    assert parts[0]["elements"] < 0.6 * whole[0]["elements"]


def problems(peft: PeftConfig, **settings: object) -> list[str]:
    precision = settings.pop("precision", Precision.fp32)
    config = CellConfig(
        peft=peft,
        quantization=QuantizationConfig(name=precision.value, precision=precision),
        runtime=RuntimeConfig(**{"gpus_per_cell": 2, "sharding": Sharding.fsdp} | settings),
    )
    return list(sharding.problems(config))


@pytest.mark.parametrize("peft", [LORA, FULL])
def test_verified_methods_are_accepted(peft):
    assert problems(peft) == []
    assert problems(peft, precision=Precision.bf16) == []


@pytest.mark.parametrize(
    ("peft", "settings", "reason"),
    [
        (LORA, {"precision": Precision.nf4}, "quantization=nf4"),
        (LORA, {"precision": Precision.fp16}, "quantization=fp16"),
        (LORA, {"gpus_per_cell": 1}, "gpus_per_cell is 1"),
        (LORA, {"gradient_checkpointing": True}, "gradient_checkpointing"),
        (PeftConfig("prefix", LORA.function, {"type": "PREFIX_TUNING"}), {}, "peft=prefix"),
        (PeftConfig("dora", LORA.function, {"type": "LORA", "use_dora": True}), {}, "peft=dora"),
        (PeftConfig("own", "bottleneck.attach", {}), {}, "peft=own"),
    ],
)
def test_what_was_not_verified_is_refused_with_its_reason(peft, settings, reason):
    [problem] = problems(peft, **settings)
    assert reason in problem
    assert problems(peft, **settings | {"sharding": Sharding.ddp}) == []


def test_no_process_at_all_is_refused():
    [problem] = problems(LORA, sharding=Sharding.ddp, gpus_per_cell=0)
    assert "runtime.gpus_per_cell is 0" in problem
