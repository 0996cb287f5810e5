"""The traced memory of a micro-batch in a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doubles import tiny_bases
from doubles.sizes import LLAMA, PLAIN
from doubles.tiny_methods import config
from tunegrid.plan import activations, memory
from tunegrid.plan.activations import Activations
from tunegrid.plan.facts import REFUSED

KEPT = Activations(tokens=2048, fixed=1e8, per_layer=1e9, again_fixed=3e8, again_per_layer=1e7)


def cell(method: str, root: Path) -> Any:
    found = config(method, "llama")
    found.model.path = str(root / tiny_bases.save("llama", root).path)
    found.train.max_length_tokens, found.train.examples_per_step = 64, 8
    found.runtime.micro_batch_tokens = 256
    return found


def test_a_cell_is_traced_at_its_largest_micro_batch(tmp_path: Path) -> None:
    job = activations.job(cell("lora", tmp_path), on_cpu=True)
    assert job is not None
    found = activations.read(job.function(*job.arguments))
    assert found is not None
    assert found.tokens == 256
    assert found.again_per_layer is not None
    assert 0 < found.again_per_layer < 0.1 * found.per_layer
    # Twice the tokens, and what checkpointing leaves.
    plain = found.of(2, 256, has_checkpointing=False)
    assert found.of(2, 512, has_checkpointing=False) == pytest.approx(2 * plain)
    assert found.of(2, 256, has_checkpointing=True) < plain


def test_a_method_without_checkpointing_is_traced_once(tmp_path: Path) -> None:
    job = activations.job(cell("prefix_tuning", tmp_path), on_cpu=True)
    assert job is not None
    found = activations.read(job.function(*job.arguments))
    assert found is not None
    assert found.again_fixed is None
    plain = found.of(2, 256, has_checkpointing=False)
    assert found.of(2, 256, has_checkpointing=True) == plain


def test_what_it_depends_on_names_it(tmp_path: Path) -> None:
    one = cell("lora", tmp_path)
    name = activations.job(one, on_cpu=True)
    one.quantization = replace(
        one.quantization, precision=activations.QuantizationConfig().precision
    )
    assert activations.job(one, on_cpu=True) == name
    one.runtime.micro_batch_tokens = 512
    assert activations.job(one, on_cpu=True) != name
    one.peft.function = None
    assert activations.job(one, on_cpu=True) is None


def test_what_could_not_be_traced_leaves_the_formula() -> None:
    assert activations.read({REFUSED: "no"}) is None
    formula = memory.peak_bytes(LLAMA, PLAIN, on_cpu=False)
    assert memory.peak_bytes(LLAMA, PLAIN, on_cpu=False, activations=KEPT) != formula


@pytest.mark.parametrize(("available", "again"), [(24e9, True), (80e9, False), (None, False)])
def test_checkpointing_is_planned_where_it_would_not_fit(
    available: float | None, again: bool
) -> None:
    undecided = replace(PLAIN, has_gradient_checkpointing=None)
    found = memory.with_checkpointing_where_needed(
        LLAMA, undecided, on_cpu=False, activations=KEPT, available=available
    )
    assert found.has_gradient_checkpointing is again
    # What a cell says counts.
    said = replace(PLAIN, has_gradient_checkpointing=False)
    assert said == memory.with_checkpointing_where_needed(
        LLAMA, said, on_cpu=False, activations=KEPT, available=1.0
    )
