"""How a base's weights are held: settings for bitsandbytes, and what cannot be done where.

Owns: precision. Loads nothing.

bitsandbytes 0.50 repacks 4-bit weights in the first evaluation pass on CPUs with AVX512-BF16.
The packed kernel has no gradient, so that a run which evaluates or generates goes on training
without any gradient and without an error, and a later merge is wrong. The repacking is therefore
switched off before a base is loaded: slower evaluation, and the same numbers on every CPU.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from tunegrid.config.choices import Dtype, Precision
from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.schema import QuantizationConfig

if TYPE_CHECKING:
    import torch

_UNQUANTIZED = {
    Precision.fp32: Dtype.float32,
    Precision.fp16: Dtype.float16,
    Precision.bf16: Dtype.bfloat16,
}


def problems(quantization: QuantizationConfig, device: str) -> list[str]:
    """Return what is wrong with the settings; needs no torch.

    Args:
        quantization: the settings.
        device: the type of the device the base runs on, `cpu` or `cuda`.

    """
    found = []
    expected = _UNQUANTIZED.get(quantization.precision)
    if expected is not None and quantization.dtype is not expected:
        found.append(
            f"quantization.dtype is {quantization.dtype.value!r} with precision "
            f"{quantization.precision.value!r}, which is held and computed in {expected.value!r}; "
            f"set quantization.dtype to {expected.value!r}"
        )
    if quantization.int8_threshold < 0:
        found.append(
            f"quantization.int8_threshold is {quantization.int8_threshold}; it must be at least 0 "
            "(0 computes every activation in 8 bit)"
        )
    return found


def check(quantization: QuantizationConfig, device: torch.device) -> None:
    """Raise ConfigError with all problems of the settings on that device, if there are any."""
    found = problems(quantization, device.type)
    if found:
        raise ConfigError(all_problems("quantization", found))


def bitsandbytes_config(quantization: QuantizationConfig) -> Any | None:
    """Return transformers' settings for 8 or 4 bit, or None for a plain precision.

    nf4 is the 4-bit NormalFloat of QLoRA (arXiv 2305.14314, section 3), int8 is LLM.int8
    (arXiv 2208.07339).
    """
    if quantization.precision in _UNQUANTIZED:
        return None
    from transformers import BitsAndBytesConfig

    if quantization.precision is Precision.int8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=quantization.int8_threshold)
    from tunegrid.models.dtypes import torch_dtype

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=quantization.double_quantization,
        bnb_4bit_compute_dtype=torch_dtype(quantization.dtype),
    )


def make_ready(quantization: QuantizationConfig, device: torch.device) -> None:
    """Prepare bitsandbytes for the settings on that device; must precede the loading of a base.

    Switches off the repacking described above on CPUs, and the messages that bitsandbytes repeats
    for every layer: a missing optional kernel, and int8 passes that cast to float16.
    """
    if quantization.precision in _UNQUANTIZED:
        return
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="MatMul8bitLt: inputs will be cast")
    import bitsandbytes.nn.modules as modules

    if device.type == "cpu":
        modules.has_avx512bf16 = lambda: False


def misshapen_quantized(model: Any) -> list[str]:
    """Return the quantized weights whose shape is not their module's, with both shapes.

    Transformers 5.23 checks shapes of plain weights only: a packed one has none to compare.
    """
    found = []
    for name, module in model.named_modules():
        kind = type(module).__name__
        if kind == "Linear4bit":
            state = getattr(module.weight, "quant_state", None)
            if state is None:
                continue  # Not loaded at all, which the loading report says.
            shape = tuple(state.shape)
        elif kind == "Linear8bitLt":
            shape = tuple(module.weight.shape)
        else:
            continue
        expected = (module.out_features, module.in_features)
        if shape != expected:
            found.append(f"{name}.weight {list(shape)} instead of {list(expected)}")
    return found
