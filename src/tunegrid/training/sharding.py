"""Weights that the processes of a cell hold in parts (`runtime.sharding=fsdp`).

Owns: whole tensors from parts and back, so that checkpoints and adapters are those of one process,
and what cannot be divided. Imports torch only when called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tunegrid.config.choices import Precision, Sharding
from tunegrid.config.schema import CellConfig

METHODS = {"base_weights.full": None, "library.attach": "LORA"}
"""The functions whose weights were verified to train in parts, with peft's type."""
PRECISIONS = (Precision.fp32, Precision.bf16)
_VARIANTS = ("use_dora", "use_rslora", "init_lora_weights", "modules_to_save", "bias")


def problems(config: CellConfig) -> Iterator[str]:
    """Yield why the processes of a cell cannot be what its settings say."""
    runtime, peft = config.runtime, config.peft
    if runtime.gpus_per_cell < 1:
        yield f"runtime.gpus_per_cell is {runtime.gpus_per_cell}; give 1 or more"
    if runtime.sharding is not Sharding.fsdp or peft.function is None:
        return
    if runtime.gpus_per_cell == 1:
        yield (
            "runtime.sharding=fsdp divides the weights among processes, and "
            "runtime.gpus_per_cell is 1; give 2 or more, or sharding=ddp"
        )
    if config.quantization.precision not in PRECISIONS:
        yield (
            f"runtime.sharding=fsdp was not verified for quantization={config.quantization.name}: "
            "packed weights cannot be divided, and fp16 needs a gradient scaler; use fp32 or bf16, "
            "or runtime.sharding=ddp"
        )
    kind = METHODS.get(peft.function, "")
    odd = [name for name in _VARIANTS if peft.options.get(name) not in (None, False, "none", True)]
    odd += [name for name in _VARIANTS[:2] if peft.options.get(name) is True]
    if kind == "" or (kind is not None and peft.options.get("type") != kind) or (kind and odd):
        yield (
            f"runtime.sharding=fsdp was not verified for peft={peft.name}: only full fine-tuning "
            "and plain LoRA are known to train in parts; use runtime.sharding=ddp"
        )
    if runtime.gradient_checkpointing:
        yield (
            "runtime.sharding=fsdp was not verified with runtime.gradient_checkpointing, which "
            "gathers the weights a second time; set it to false, or use runtime.sharding=ddp"
        )


def divide(model: Any, device_type: str) -> None:
    """Divide a model's weights among the processes, layer by layer; they have formed their group.

    A layer is whole while it computes. accelerate, which would do the same, does not on CPUs; so
    what the tests verify there is what runs on GPUs.

    Args:
        model: with the method attached; each process has all of it.
        device_type: `cpu` or `cuda`.

    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device_type, (torch.distributed.get_world_size(),))
    count = model.config.get_text_config().num_hidden_layers
    for module in list(model.modules()):
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            for layer in module:
                fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def whole(tensor: Any) -> Any:
    """Return a tensor that may be held in parts as a whole one; all processes have to call."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def divided_like(tensor: Any, parameter: Any) -> Any:
    """Return a whole tensor divided as a parameter is; all processes have to call."""
    if not hasattr(parameter, "device_mesh"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    place = parameter.device_mesh.device_type
    return distribute_tensor(tensor.to(place), parameter.device_mesh, parameter.placements)


def whole_state(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's state with whole tensors on the CPU; all processes have to call."""
    import torch

    def gathered(value: Any) -> Any:
        return whole(value).cpu() if isinstance(value, torch.Tensor) else value

    state = optimizer.state_dict()
    state["state"] = {
        number: {name: gathered(value) for name, value in entries.items()}
        for number, entries in state["state"].items()
    }
    return dict(state)


def load_whole_state(optimizer: Any, state: dict[str, Any]) -> None:
    """Give an optimizer the state that `whole_state` returned, in its own parts."""
    import torch

    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = dict(state)
    state["state"] = {
        number: {
            name: divided_like(value, parameters[number])
            if isinstance(value, torch.Tensor) and value.shape == parameters[number].shape
            else value
            for name, value in entries.items()
        }
        for number, entries in state["state"].items()
    }
    optimizer.load_state_dict(state)


def make_trained_weights_whole(model: Any, *, keep: bool) -> None:
    """Put whole weights into a model that was trained in parts; it can be exported afterwards.

    It cannot compute any more: its modules still expect parts. All processes have to call.

    Args:
        model: trained.
        keep: whether this process needs them; the others only take part.

    """
    import torch

    # A head tied to the embedding is one parameter, and has to stay one.
    made: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not parameter.requires_grad or not hasattr(parameter, "full_tensor"):
                continue
            if id(parameter) not in made:
                tensor = parameter.full_tensor().detach().cpu()
                # The old parameter is held, so that no other one gets its address.
                made[id(parameter)] = parameter, torch.nn.Parameter(tensor) if keep else None
            if keep:
                module.register_parameter(name, made[id(parameter)][1])
