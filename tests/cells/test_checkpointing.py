"""Whether activations are computed again, where a cell does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubles import tiny_bases
from doubles.tiny_methods import config
from tunegrid.cells import checkpointing
from tunegrid.models.bases import devices
from tunegrid.models.methods.attach import attach


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = config("lora", "llama")
    found.model.path = str(tmp_path / tiny_bases.save("llama", tmp_path).path)
    found.runtime.micro_batch_tokens = 256
    monkeypatch.setattr(checkpointing, "SMALL_PARAMETERS", 0)
    return found


@pytest.fixture
def model(cell: Any) -> Any:
    return attach(cell.peft, tiny_bases.base("llama"), 10).model


def test_it_is_on_where_training_would_not_fit(
    cell: Any, model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not checkpointing.decided(cell, model, 64)
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1_000_000)
    assert checkpointing.decided(cell, model, 64)
    assert "runtime.gradient_checkpointing=false keeps them" in capsys.readouterr().err


def test_the_memory_limit_counts_on_a_cpu(cell: Any, model: Any) -> None:
    cell.runtime.memory_limit_gb = 0.001
    assert checkpointing.decided(cell, model, 64)


@pytest.mark.parametrize("asked", [True, False])
def test_what_the_cell_says_counts(
    asked: bool, cell: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.runtime.gradient_checkpointing = asked
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1)
    assert checkpointing.decided(cell, model, 64) is asked


def test_a_method_that_excludes_it_never_has_it(
    cell: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1)
    cell.peft = config("prefix_tuning", "llama").peft
    assert not checkpointing.decided(cell, model, 64)


def test_several_processes_and_small_bases_are_not_looked_at(
    cell: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1)
    cell.runtime.gpus_per_cell = 2
    assert not checkpointing.decided(cell, model, 64)
    cell.runtime.gpus_per_cell = 1
    monkeypatch.setattr(checkpointing, "SMALL_PARAMETERS", 10**9)
    assert not checkpointing.decided(cell, model, 64)
