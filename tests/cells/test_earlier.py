"""Runs of before there were rules are found and named, and never taken for what is trained now."""

from __future__ import annotations

from pathlib import Path

from tunegrid.cells import earlier, identity
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Schedule
from tunegrid.config.schema import (
    CellConfig,
    DataConfig,
    ModelConfig,
    PeftConfig,
    QuantizationConfig,
    RuntimeConfig,
    TrainConfig,
)

CONTENTS = {"base": "b" * 64, "data.json": "d" * 64}


def config(
    results: Path, train: TrainConfig, function: str | None = "library.attach"
) -> CellConfig:
    return CellConfig(
        model=ModelConfig(name="base", path="base", architecture="llama"),
        peft=PeftConfig(name="lora", function=function),
        quantization=QuantizationConfig(name="fp32"),
        data=DataConfig(name="data", files=["data.json"]),
        train=train,
        runtime=RuntimeConfig(results=str(results)),
    )


def cells(results: Path, train: TrainConfig) -> tuple[Cell, Cell]:
    """Return a cell as it is named now and as it was named before there were rules."""
    settings = config(results, train)
    now = identity.named(settings, identity.train_identity(settings, CONTENTS), results)
    before = identity.train_identity(settings, CONTENTS, rules={})
    return now, identity.named(settings, before, results)


def test_a_run_of_before_is_another_cell_and_is_named(tmp_path: Path) -> None:
    now, before = cells(tmp_path, TrainConfig(name="t"))
    assert now.hash != before.hash
    assert earlier.trained_before(now) is None
    assert earlier.said([now]) is None
    before.directory.mkdir(parents=True)
    assert earlier.trained_before(now) == before.train_id
    line = earlier.said([now])
    assert line is not None
    assert before.train_id in line
    other, other_before = cells(tmp_path, TrainConfig(name="t", epochs=2))
    other_before.directory.mkdir()
    line = earlier.said([now, other])
    assert line is not None
    assert line.startswith("2 runs, such as")


def test_the_warm_up_counts_where_there_is_one(tmp_path: Path) -> None:
    with_one, _ = cells(tmp_path, TrainConfig(name="t"))
    without, _ = cells(tmp_path, TrainConfig(name="t", warmup_share=0))
    constant, _ = cells(tmp_path, TrainConfig(name="t", schedule=Schedule.constant))
    assert with_one.identity["train"]["warmup"] == identity.RULES["warmup"]
    assert "warmup" not in without.identity["train"]
    assert "warmup" not in constant.identity["train"]


def test_an_untuned_base_was_trained_under_no_rule(tmp_path: Path) -> None:
    settings = config(tmp_path, TrainConfig(name="t"), function=None)
    identified = identity.train_identity(settings, CONTENTS)
    cell = identity.named(settings, identified, tmp_path)
    cell.directory.mkdir(parents=True)
    assert "text" not in cell.identity
    assert earlier.trained_before(cell) is None
