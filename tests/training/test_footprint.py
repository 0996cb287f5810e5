"""What a micro-batch takes, found out without weights, against what it takes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from doubles.tiny_methods import config
from tunegrid.config.choices import Attention, Device, Dtype, Precision
from tunegrid.config.schema import ModelConfig, QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.compute import computing
from tunegrid.models.methods.attach import attach
from tunegrid.models.methods.compatibility import reason_against_checkpointing
from tunegrid.training.footprint import footprint, peak_bytes

ROWS, WIDTH = 4, 128
CPU = torch.device("cpu")
DTYPES = {
    "fp32": Dtype.float32,
    "bf16": Dtype.bfloat16,
    "fp16": Dtype.float16,
    "int8": Dtype.bfloat16,
    "nf4": Dtype.bfloat16,
}
METHODS = ("lora", "full", "ln_tuning", "adalora", "prefix_tuning", "houlsby")
CASES = [
    (method, precision, again)
    for method in METHODS
    for precision in DTYPES
    for again in (False, True)
    if not (method == "full" and precision in ("int8", "nf4"))
    and not (method == "prefix_tuning" and again)
]


def planned(
    kind: str, method: str, precision: str, root: Path, *, again: bool, layers: int | None = None
) -> float:
    """The bytes of the tiny base of two layers, or those that so many more add."""
    cell = config(method, kind, Precision(precision))
    found = footprint(
        ModelConfig(name=kind, path=kind, architecture=kind),
        cell.peft,
        QuantizationConfig(name=precision, precision=Precision(precision), dtype=DTYPES[precision]),
        rows=ROWS,
        width=WIDTH,
        attention=Attention.auto,
        device=CPU,
        gradient_checkpointing=again,
        root=root,
    )
    return found.of(2) if layers is None else layers * found.per_layer


def real(kind: str, method: str, precision: str, root: Path, *, again: bool) -> Any:
    cell = config(method, kind, Precision(precision))
    settings = QuantizationConfig(
        name=precision, precision=Precision(precision), dtype=DTYPES[precision]
    )
    base = load(
        ModelConfig(name=kind, path=kind, architecture=kind), settings, root=root, device=Device.cpu
    )[0]
    model = attach(cell.peft, base, 10).model
    assert again is False or reason_against_checkpointing(cell.peft) is None
    if again:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def ids() -> torch.Tensor:
    return torch.zeros((ROWS, WIDTH), dtype=torch.long)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bases")
    for kind in tiny_bases.KINDS:
        tiny_bases.save(kind, made)
    return made


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize(("method", "precision", "again"), CASES)
def test_the_peak_is_that_of_the_real_base(
    method: str, precision: str, again: bool, kind: str, root: Path
) -> None:
    expected = planned(kind, method, precision, root, again=again)
    measured = peak_bytes(real(kind, method, precision, root, again=again), ids)
    assert expected == pytest.approx(measured, rel=0.15)


def saved_bytes(kind: str, precision: str, root: Path, layers: int) -> int:
    """What autograd itself says it keeps of a base of so many layers."""
    name = {"llama": "num_hidden_layers", "bloom": "n_layer"}[kind]
    tiny_bases.base(kind, **{name: layers}).save_pretrained(root / kind)
    tiny_bases.tokenizer(kind).save_pretrained(root / kind)
    model = real(kind, "lora", precision, root, again=False)
    model.train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        # Held, so that no later tensor gets its place.
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t), computing(model):
        base = model.get_base_model()
        inner = getattr(base, "model", None) or base.transformer
        states = inner(input_ids=ids(), use_cache=False).last_hidden_state
    assert states.requires_grad
    return sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", DTYPES)
def test_a_layer_is_planned_as_autograd_counts_it(
    precision: str, kind: str, root: Path, tmp_path: Path
) -> None:
    two, six = (saved_bytes(kind, precision, tmp_path / str(n), n) for n in (2, 6))
    layer = planned(kind, "lora", precision, root, again=False, layers=1)
    assert (six - two) / 4 == pytest.approx(layer, rel=0.15)


def test_checkpointing_and_16_bit_take_less(root: Path) -> None:
    kept = planned("llama", "lora", "fp32", root, again=False, layers=1)
    assert planned("llama", "lora", "fp32", root, again=True, layers=1) < 0.1 * kept
    assert planned("llama", "lora", "bf16", root, again=False, layers=1) < 0.65 * kept


def test_a_stated_architecture_needs_no_files(tmp_path: Path) -> None:
    stated = tiny_bases.base("llama").config.to_dict()
    model = ModelConfig(
        name="stated", path="nobody/nothing", architecture="llama", architecture_config=stated
    )
    found = footprint(
        model,
        config("lora", "llama").peft,
        QuantizationConfig(name="fp32"),
        rows=1,
        width=64,
        attention=Attention.auto,
        device=CPU,
        gradient_checkpointing=False,
        root=tmp_path,
    )
    assert found.per_layer > 0
    assert found.of(30) > found.of(2)
