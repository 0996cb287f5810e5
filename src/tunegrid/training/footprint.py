"""The memory that a micro-batch takes beside the weights, found out without weights.

Owns: a forward and a backward pass of the real architecture, with the method attached, of which
only types and shapes are computed (torch's fake tensors): what is alive at the fullest moment. So
the kernel, the types, dropout and what each method keeps are counted, not assumed. Two depths give
what one more layer takes. Logits are not part of it: the head is computed for trained positions
alone, a chunk at a time (`loss_head`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import linear
from torch.utils._python_dispatch import TorchDispatchMode

from tunegrid.config.choices import Attention, Precision
from tunegrid.config.schema import ModelConfig, PeftConfig, QuantizationConfig
from tunegrid.models.bases.devices import attention_kernel
from tunegrid.models.bases.loading import model_class
from tunegrid.models.bases.skeleton import config_of
from tunegrid.models.compute import computing, prepare
from tunegrid.models.dtypes import torch_dtype
from tunegrid.models.methods.attach import PLANNED_STEPS, attach_to_skeleton
from tunegrid.training.loss_head import LOGITS_AT_ONCE

DEPTHS = (2, 4)


@dataclass(frozen=True)
class Footprint:
    """Bytes at the fullest moment of a micro-batch, weights and logits left out."""

    fixed: float
    per_layer: float

    def of(self, layers: int) -> float:
        """Return the bytes of a base of so many layers."""
        return self.fixed + layers * self.per_layer


def footprint(
    model: ModelConfig,
    method: PeftConfig,
    quantization: QuantizationConfig,
    *,
    rows: int,
    width: int,
    attention: Attention,
    device: torch.device,
    gradient_checkpointing: bool,
    root: Path,
) -> Footprint:
    """Return what a micro-batch of a base with a method takes.

    Args:
        model: the base; its config.json, or `architecture_config`, says what it is.
        method: what is trained; must have a function.
        quantization: how the base is held and what it computes in.
        rows: of the micro-batch.
        width: tokens of each row.
        attention: the kernel, which `device` decides where it is `auto`.
        device: what it will run on; nothing is put there.
        gradient_checkpointing: whether activations are computed again.
        root: what a relative `model.path` is relative to.

    Raises:
        ConfigError: no architecture, or a method that it cannot take.
        RuntimeError: a method that looks at values, of which there are none.

    """
    config, dtype = config_of(model, root), torch_dtype(quantization.dtype)
    kernel = attention_kernel(attention, model_class(config), device, dtype)
    peaks = []
    for depth in DEPTHS:
        config.get_text_config().num_hidden_layers = depth
        config._attn_implementation = "eager" if kernel == "eager" else "sdpa"
        built = _attached(config, method, quantization)
        if gradient_checkpointing:
            built.gradient_checkpointing_enable({"use_reentrant": False})
        with FakeTensorMode():
            _make_fake(built)
            peaks.append(peak_bytes(built, lambda: _ids(rows, width)))
    per_layer = (peaks[1] - peaks[0]) / (DEPTHS[1] - DEPTHS[0])
    return Footprint(fixed=peaks[0] - DEPTHS[0] * per_layer, per_layer=per_layer)


def step_bytes(found: Footprint, *, layers: int, tokens: int, words: int, trained: int) -> float:
    """Return the bytes of an optimizer step beside the weights.

    Args:
        found: of its largest micro-batch.
        layers: of the base.
        tokens: of that micro-batch.
        words: of the vocabulary.
        trained: weights, each with a gradient and two states in 32 bit.

    """
    # Logits in 16 bit, in 32 bit, and their gradients.
    logits = min(tokens * words, LOGITS_AT_ONCE) * (2 + 4 + 4)
    return found.of(layers) + 3 * 4 * trained + logits


def peak_bytes(model: Any, ids: Callable[[], torch.Tensor]) -> int:
    """Return the most bytes alive in a forward and a backward pass, beside what was there before.

    Args:
        model: real, or of fake tensors; in training mode afterwards.
        ids: returns the micro-batch's, [rows, width].

    """
    model.train()
    _without_head(model)
    given = ids()
    with _Live() as live, computing(model):
        states = model(input_ids=given, use_cache=False).logits
        total = states.float().sum()
        del states
        total.backward()
    model.zero_grad(set_to_none=True)
    return live.peak


def _attached(config: Any, method: PeftConfig, quantization: QuantizationConfig) -> Any:
    """Return the architecture with the method attached, on the meta device."""
    dtype = torch_dtype(quantization.dtype)

    def built() -> Any:
        with torch.device("meta"):
            base = model_class(config)(config).to(dtype)
        base.config.use_cache = False
        if quantization.precision in (Precision.int8, Precision.nf4):
            base.requires_grad_(False)
            head = base.get_output_embeddings()
            for module in base.modules():
                if type(module) is torch.nn.Linear and module is not head:
                    module.__class__ = _Packed
        prepare(base, dtype)
        return base

    return attach_to_skeleton(method, built, PLANNED_STEPS).model


def _make_fake(model: Any) -> None:
    """Put fake tensors of a CPU in the place of a model's own; to be called in their mode."""
    # With the tensors they stand for, so that no new one gets the number of one that is gone.
    made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in made:
            new = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
            if isinstance(tensor, torch.nn.Parameter):
                new = torch.nn.Parameter(new, requires_grad=tensor.requires_grad)
            made[id(tensor)] = tensor, new
        return made[id(tensor)][1]

    for module in model.modules():
        # Methods that put tokens in front keep their numbers beside the buffers, by adapter.
        others = [own for own in vars(module).values() if isinstance(own, dict)]
        for held in (module._parameters, module._buffers, *others):
            for name, tensor in held.items():
                if isinstance(tensor, torch.Tensor):
                    held[name] = fake(tensor)


def _ids(rows: int, width: int) -> torch.Tensor:
    return torch.zeros((rows, width), dtype=torch.long)


class _Packed(torch.nn.Linear):
    """Stands for a packed layer, which keeps nothing for the backward pass (`models.bases.packed`).

    What is unpacked for a moment is counted with the weights.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the states behind the layer."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        bias = None if self.bias is None else self.bias.to(x.dtype)
        found: torch.Tensor = _Forgetful.apply(x, self.weight, bias)
        return found


class _Forgetful(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
        ctx.weight = weight
        with torch.autocast(x.device.type, enabled=False):
            # A copy, because some layers of peft add to it in place.
            return linear(x, weight.to(x.dtype), bias).clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        gradient = gradients[0]
        of_bias = gradient.flatten(0, -2).sum(0) if ctx.needs_input_grad[2] else None
        return gradient @ ctx.weight.to(gradient.dtype), None, of_bias


class _NoHead(torch.nn.Module):
    """Takes the head's place: the last states, without logits."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return one number of each state."""
        return states[..., :1]


def _without_head(model: Any) -> None:
    head = model.get_output_embeddings()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child is head:
                setattr(module, name, _NoHead())


class _Live(TorchDispatchMode):
    """Follows the memory of the tensors that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, int] = {}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_memory_of(one) for one in _tensors((args, kwargs))}
        found = func(*args, **(kwargs or {}))
        for one in _tensors(found):
            key = _memory_of(one)
            if key not in self._alive and key not in given:
                storage = one.untyped_storage()
                self._alive[key] = storage.nbytes()
                self._now += storage.nbytes()
                weakref.finalize(storage, self._gone, key)
        self.peak = max(self.peak, self._now)
        return found

    def _gone(self, key: int) -> None:
        self._now -= self._alive.pop(key, 0)


def _memory_of(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(tree: Any) -> list[torch.Tensor]:
    leaves = torch.utils._pytree.tree_leaves(tree)
    return [one for one in leaves if isinstance(one, torch.Tensor)]
