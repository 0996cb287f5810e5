"""Where a base lies and where it runs: paths, devices, types and attention kernels.

Owns: resolving the settings that name a place or a kernel. Loads no weights.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunegrid.errors import ConfigError
from tunegrid.schema import Attention, Device, Dtype, ModelConfig

if TYPE_CHECKING:
    import torch

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def locate(model: ModelConfig, root: Path) -> str:
    """Return the directory of a base, or its repository id on the hub.

    Args:
        model: `path` is an absolute directory, one relative to `root`, or a repository id.
        root: what a relative directory is relative to.

    Raises:
        ConfigError: neither a directory nor of the form `owner/name`, or a revision is given for
            a directory.

    """
    directory = root / model.path
    if directory.is_dir():
        if model.revision is not None:
            raise ConfigError(
                f"model.revision is {model.revision!r}, but model.path {model.path!r} is a "
                "directory, which has no revisions; set model.revision to null"
            )
        return str(directory)
    if is_hub_id(model.path):
        return model.path
    raise ConfigError(
        f"model.path {model.path!r}: there is no directory {str(directory)!r}, and it is not a "
        "repository id of the form 'owner/name'; correct the path, or download the base"
    )


def is_hub_id(path: str) -> bool:
    """Return whether a path has the form of a repository id of the hub, `owner/name`."""
    return _HUB_ID.fullmatch(path) is not None


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


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """Return torch's type of that name."""
    import torch

    return getattr(torch, dtype.value)


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
