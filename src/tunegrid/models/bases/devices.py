"""Where a base lies and where it runs: paths, devices, types and attention kernels.

Owns: resolving the settings that name a place or a kernel. Loads no weights.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from tunegrid.config.choices import Attention, Device
from tunegrid.config.errors import ConfigError

if TYPE_CHECKING:
    import torch


def torch_device(device: Device) -> torch.device:
    """Return the device of this process; `auto` is CUDA where there is one.

    Under a distributed launch it is the process's own GPU, from LOCAL_RANK.

    Raises:
        ConfigError: CUDA is asked for and torch sees none.

    """
    import torch

    if device is Device.cpu or (device is Device.auto and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            "runtime.device is 'cuda', but torch sees no GPU; use 'cpu' or 'auto', or check the "
            "driver and that torch was installed with CUDA"
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def attention_kernel(
    attention: Attention, model_class: Any, device: torch.device, dtype: torch.dtype
) -> str:
    """Return the kernel's name for transformers.

    Args:
        attention: `auto` takes flash attention on CUDA in half precision where the package is
            installed, else sdpa, else eager, each if the architecture supports it.
        model_class: the architecture's class.
        device: where the base runs.
        dtype: the type of the computation.

    Raises:
        ConfigError: a kernel is asked for that the architecture lacks.

    """
    supported = ["eager"]
    if getattr(model_class, "_supports_sdpa", False):
        supported.append("sdpa")
    if getattr(model_class, "_supports_flash_attn", False):
        supported.append("flash_attention_2")
    if attention is Attention.auto:
        half = dtype.itemsize == 2
        installed = importlib.util.find_spec("flash_attn") is not None
        if device.type != "cuda" or not half or not installed:
            supported = [name for name in supported if name != "flash_attention_2"]
        return supported[-1]
    if attention.value not in supported:
        raise ConfigError(
            f"runtime.attention is {attention.value!r}, which {model_class.__name__} does not "
            f"support; accepted: auto, {', '.join(supported)}"
        )
    return attention.value


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device: on a GPU, what torch holds unused included."""
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    import psutil

    return int(psutil.virtual_memory().available)


def context_tokens(config: Any) -> int | None:
    """Return the longest text the base was built for, or None when its config names no limit.

    Args:
        config: the configuration object of a transformers model.

    """
    for name in ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None
