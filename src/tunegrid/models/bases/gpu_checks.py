"""Whether this machine's GPU can do what a cell asks of it, asked of torch before anything starts.

Owns: a GPU that is silently not used, the types a card computes in, and the native library of
bitsandbytes. Imports torch only when called.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases import gpus

LARGE_PARAMETERS = 1_000_000_000
"""A base of more is not put on a CPU unless `runtime.device=cpu` asks for it."""

_ASK = "import warnings; warnings.simplefilter('always'); import torch; torch.cuda.is_available()"


def problems(device: Device, parameters: int, quantization: QuantizationConfig) -> list[str]:
    """Return why the cell must not run on this machine; torch sees a GPU where one is asked for.

    Args:
        device: the setting.
        parameters: of the base.
        quantization: how the base is held, and what it computes in.
    """
    import torch

    if device is Device.cpu:
        return []
    if not torch.cuda.is_available():
        found = _too_large(parameters) if device is Device.auto else None
        return [] if found is None else [found]
    return [*_types(quantization), *_library(quantization)]


def _too_large(parameters: int) -> str | None:
    if parameters <= LARGE_PARAMETERS:
        return None
    return (
        f"runtime.device is 'auto', the base has {parameters:,} parameters, and "
        f"{unused_because() or 'torch sees no GPU on this machine'}; above {LARGE_PARAMETERS:,} a "
        "CPU must be asked for: run it on a machine with a GPU, or set runtime.device=cpu"
    )


def remark() -> str | None:
    """Return the line for cells that run on the CPU beside a GPU; None where nothing is odd."""
    because = unused_because()
    return None if because is None else f"computing on the CPU: {because}"


@functools.cache
def unused_because() -> str | None:
    """Return why torch cannot use the GPU whose driver is here; None where it can, or none is.

    A GPU that the environment hides is hidden on purpose.
    """
    import torch

    if torch.cuda.is_available() or gpus.driver() is None or _is_hidden():
        return None
    here = f"the driver of a GPU is here ({gpus.driver()}), but"
    if gpus.torch_build() == "cpu":
        return (
            f"{here} the installed torch {torch.__version__} was built without CUDA; install the "
            "build for this driver (pytorch.org/get-started)"
        )
    said = _warning()
    return f"{here} torch {torch.__version__} cannot use it" + (
        f", which says: {said}" if said else ""
    )


def _is_hidden() -> bool:
    names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    return any(os.environ.get(name, "0").strip() in ("", "-1") for name in names)


def _warning() -> str:
    """Return the warning with which torch finds no GPU; a process says it once, so ask another."""
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = [line.partition("UserWarning: ")[2] for line in asked.stderr.splitlines()]
    return " ".join(line.strip() for line in lines if line)


def _types(quantization: QuantizationConfig) -> list[str]:
    import torch

    if quantization.dtype is not Dtype.bfloat16:
        return []
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return []
    instead = "quantization=fp16 or fp32"
    if quantization.precision in (Precision.int8, Precision.nf4):
        instead = "model.dtype=float16"
    return [
        f"quantization={quantization.name} computes in bfloat16, which the card here "
        f"({torch.cuda.get_device_name()}) cannot; choose {instead}, or a card of the year 2020 "
        "or later (Ampere)"
    ]


def _library(quantization: QuantizationConfig) -> list[str]:
    """Return that bitsandbytes has no native library for this card, if it has none."""
    if quantization.precision not in (Precision.int8, Precision.nf4):
        return []
    import bitsandbytes
    import torch
    from bitsandbytes import cextension

    if getattr(cextension.lib, "compiled_with_cuda", False):
        return []
    has: list[str] = getattr(cextension, "get_available_cuda_binary_versions", list)()
    needed = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
    return [
        f"quantization={quantization.name} needs the native library of bitsandbytes for {needed} "
        f"({torch.cuda.get_device_name()}); bitsandbytes {bitsandbytes.__version__} has "
        f"{', '.join(has) or 'none'}. Install a bitsandbytes or a torch that go together, or "
        "choose quantization=bf16, fp16 or fp32"
    ]
