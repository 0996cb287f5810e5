"""A GPU that a cell cannot use is told before anything starts; cards here are doubles."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
import torch
from bitsandbytes import cextension

from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases import gpu_checks, gpus

LARGE, SMALL = gpu_checks.LARGE_PARAMETERS + 1, gpu_checks.LARGE_PARAMETERS
PLAIN = QuantizationConfig(name="fp32", precision=Precision.fp32, dtype=Dtype.float32)
HALF = QuantizationConfig(name="bf16", precision=Precision.bf16, dtype=Dtype.bfloat16)
PACKED = QuantizationConfig(name="nf4", precision=Precision.nf4, dtype=Dtype.bfloat16)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver, no GPU."""
    gpu_checks.unused_because.cache_clear()
    monkeypatch.setattr(gpus, "DRIVERS", ())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old card that torch can use, with bitsandbytes built for CPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(cextension, "lib", SimpleNamespace(compiled_with_cuda=False))


def test_a_large_base_is_not_put_on_a_cpu_by_auto() -> None:
    [problem] = gpu_checks.problems(Device.auto, LARGE, PLAIN)
    assert "1,000,000,001 parameters" in problem
    assert "torch sees no GPU on this machine" in problem
    assert problem.endswith("set runtime.device=cpu")
    assert gpu_checks.problems(Device.auto, SMALL, PLAIN) == []
    assert gpu_checks.problems(Device.cpu, LARGE, HALF) == []
    assert gpu_checks.remark() is None


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("cpu", "was built without CUDA"),
        ("cuda", "which says: The NVIDIA driver on your system is too old (found version 11040)."),
    ],
)
def test_a_driver_that_torch_cannot_use_is_said(
    monkeypatch: pytest.MonkeyPatch, build: str, words: str
) -> None:
    said = (
        "/x/torch/cuda/__init__.py:180: UserWarning: The NVIDIA driver on your system is too old "
        "(found version 11040).\n  return torch._C._cuda_getDeviceCount() > 0\n"
    )
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(gpus, "torch_build", lambda: build)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stderr=said))
    [problem] = gpu_checks.problems(Device.auto, LARGE, PLAIN)
    assert "the driver of a GPU is here (/dev/null)" in problem
    assert words in problem
    assert gpu_checks.problems(Device.auto, SMALL, PLAIN) == []
    remark = gpu_checks.remark()
    assert remark is not None
    assert remark.startswith("computing on the CPU: the driver of a GPU is here")
    assert "\n" not in remark


def test_a_gpu_that_is_hidden_on_purpose_is_no_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_checks.remark() is None


def test_a_card_without_bfloat16_is_named(card: None) -> None:
    [problem] = gpu_checks.problems(Device.auto, LARGE, HALF)
    assert "quantization=bf16 computes in bfloat16, which the card here (Tesla T4) cannot" in (
        problem
    )
    assert "quantization=fp16 or fp32" in problem
    assert gpu_checks.problems(Device.cuda, LARGE, PLAIN) == []


def test_a_bitsandbytes_without_the_cards_library_is_named(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(cextension, "get_available_cuda_binary_versions", lambda: ["12.8"])
    types, library = gpu_checks.problems(Device.cuda, LARGE, PACKED)
    assert "model.dtype=float16" in types
    assert "bitsandbytes for CUDA 13.0 (Tesla T4)" in library
    assert "has 12.8." in library
    monkeypatch.setattr(cextension, "lib", SimpleNamespace(compiled_with_cuda=True))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert gpu_checks.problems(Device.cuda, LARGE, PACKED) == []
