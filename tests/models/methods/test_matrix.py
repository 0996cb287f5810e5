"""Every method of conf/peft, in full precision, 8 and 4 bit, on Llama and on Bloom.

Each cell of the matrix trains, is killed and continued, is exported and restored, answers and is
merged; or it is refused with a reason, and then it stands in `REFUSED`.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import torch

from doubles import tiny_methods
from tunegrid.config.choices import Precision
from tunegrid.config.errors import ConfigError
from tunegrid.models.methods.attached import Attached, export, is_peft, restore
from tunegrid.models.methods.compatibility import reason_against, reason_not_to_merge
from tunegrid.models.methods.merging import merged_model

PRECISIONS = (Precision.fp32, Precision.int8, Precision.nf4)
KINDS = ("llama", "bloom")
MATRIX = [
    (name, precision, kind)
    for name in tiny_methods.NAMES
    for precision in PRECISIONS
    for kind in KINDS
]
REFUSED = {
    *(("bitfit", p, "llama") for p in PRECISIONS),
    *((n, p, k) for n in ("full", "freeze", "pissa") for p in PRECISIONS[1:] for k in KINDS),
    *((n, Precision.nf4, k) for n in ("loha", "lokr") for k in KINDS),
    *(("qlora", p, k) for p in PRECISIONS[:2] for k in KINDS),
}
QUICK = {
    ("bitfit", Precision.fp32, "bloom"),
    ("full", Precision.fp32, "llama"),
    ("ia3", Precision.int8, "bloom"),
    ("lora", Precision.fp32, "llama"),
    ("none", Precision.nf4, "bloom"),
    ("prefix_tuning", Precision.fp32, "bloom"),
    ("prompt_tuning", Precision.nf4, "llama"),
    ("qlora", Precision.nf4, "bloom"),
    ("sadapter_p", Precision.int8, "llama"),
}
"""One of each kind of method; the others take two minutes together."""
NOT_MERGED = {
    "houlsby", "mlp_adapter", "none", "p_adapter", "p_adapter_large", "p_tuning", "prefix_tuning",
    "prompt_tuning", "sadapter_h", "sadapter_h_large", "sadapter_p", "sadapter_p_large",
}  # fmt: skip


def test_the_matrix_has_a_cell_for_every_combination():
    assert len(tiny_methods.NAMES) == 34
    assert len(MATRIX) == 34 * 3 * 2
    assert set(MATRIX) >= REFUSED | QUICK
    found = {(n, p, k) for n, p, k in MATRIX if _reason(n, p, k) is not None}
    assert found == REFUSED


def _reason(name: str, precision: Precision, kind: str) -> str | None:
    return reason_against(tiny_methods.config(name, kind).peft, precision, kind)


@pytest.mark.parametrize(
    ("name", "precision", "kind"),
    [
        pytest.param(*one, marks=() if one in QUICK | REFUSED else pytest.mark.slow)
        for one in MATRIX
    ],
    ids=lambda part: getattr(part, "value", part),
)
def test_a_method_on_a_base(name: str, precision: Precision, kind: str, tmp_path: Path):
    cell = tiny_methods.config(name, kind, precision)
    if (name, precision, kind) in REFUSED:
        reason = reason_against(cell.peft, precision, kind)
        assert reason is not None
        assert f"peft={name} with quantization {precision.value} on {kind}: " in reason
        assert "; use " in reason, "a refusal says what would be accepted"
        return
    assert reason_against(cell.peft, precision, kind) is None
    model = tiny_methods.base(kind, precision) if name == "none" else None
    if model is None:
        method = tiny_methods.attached(cell)
        seen = _train(method, kind, tmp_path / "straight")
        assert seen == set(tiny_methods.trainable(method.model)), "each has had a gradient"
        model = method.model
        export(model, tmp_path / "adapter")
        _is_restored(cell, model, tmp_path / "adapter")
        _survives_a_kill(cell, model, tmp_path)
    _answers(model, kind)
    assert (reason_not_to_merge(cell.peft) is None) == (name not in NOT_MERGED)
    if name in NOT_MERGED:
        assert reason_not_to_merge(cell.peft)
    else:
        _merges(cell, model, tmp_path / "adapter")


def _train(method: Attached, kind: str, checkpoints: Path) -> set[str]:
    """Train; return the names of the weights that had a gradient other than zero."""
    seen: set[str] = set()

    def after_step(step: int) -> None:
        for name, parameter in method.model.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                if parameter.grad.abs().max() > 0:
                    seen.add(name)
        if method.after_step is not None:
            method.after_step(step)

    watched = dataclasses.replace(method, after_step=after_step)
    losses: list[float] = []
    tiny_methods.trained(
        watched, kind, checkpoints, on_record=lambda record: losses.append(record["loss"])
    )
    assert len(losses) == tiny_methods.STEPS
    return seen


def _is_restored(cell, model, adapter: Path) -> None:
    """What was exported answers with the same logits over a fresh base, to the bit."""
    again = tiny_methods.attached(cell).model
    expected = tiny_methods.logits(model)
    assert not torch.equal(tiny_methods.logits(again), expected), "training has changed nothing"
    restore(again, adapter)
    assert torch.equal(tiny_methods.logits(again), expected)


def _survives_a_kill(cell, model, tmp_path: Path) -> None:
    """A run killed with SIGKILL in its second step and continued exports the same bytes."""
    kind = cell.model.architecture
    process = os.fork()
    if process == 0:
        # The child never returns into pytest, whatever happens.
        try:
            tiny_methods.trained(
                tiny_methods.attached(cell),
                kind,
                tmp_path / "killed",
                on_record=lambda r: os.kill(os.getpid(), signal.SIGKILL) if r["step"] == 2 else 0,
            )
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), f"the run ended before it was killed: {status}"
    resumed: list[int] = []
    method = tiny_methods.attached(cell)
    tiny_methods.trained(method, kind, tmp_path / "killed", on_resume=resumed.append)
    assert resumed == [1]
    found, expected = (tiny_methods.trainable(one) for one in (method.model, model))
    assert found.keys() == expected.keys()
    assert expected
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    export(method.model, tmp_path / "continued")
    files = sorted(path.name for path in (tmp_path / "adapter").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "continued").iterdir())
    for file in files:
        written = [(tmp_path / run / file).read_bytes() for run in ("adapter", "continued")]
        assert written[0] == written[1], file


def _answers(model, kind: str) -> None:
    """Batched answers equal single ones, and those with a cache equal those without."""
    together = tiny_methods.answers(model, kind)
    for index, prompt in enumerate(tiny_methods.PROMPTS):
        alone = tiny_methods.answers(model, kind, (prompt,))[0]
        assert together[index] == alone == tiny_methods.answer_by_hand(model, kind, prompt)


def _merges(cell, model, adapter: Path) -> None:
    """The plain model answers like base and adapter."""
    kind, precision = cell.model.architecture, cell.quantization.precision
    merged = merged_model(cell, tiny_methods.base(kind, precision), adapter, tiny_methods.STEPS)
    assert not is_peft(merged)
    assert not getattr(merged, "is_quantized", False)
    assert {p.dtype for p in merged.parameters()} == {torch.float32}
    expected = tiny_methods.logits(model)
    error = (tiny_methods.logits(merged) - expected).norm() / expected.norm()
    assert error < 2e-5


def test_packed_weights_are_refused_by_the_methods_themselves():
    for name in ("full", "freeze"):
        cell = tiny_methods.config(name, "llama", Precision.nf4)
        with pytest.raises(ConfigError, match="plain weights"):
            tiny_methods.attached(cell)
    with pytest.raises(ConfigError, match=r"LlamaForCausalLM has none; use ln_tuning"):
        tiny_methods.attached(tiny_methods.config("bitfit", "llama"))
