"""AdaLoRA: LoRA in the form of a singular value decomposition whose ranks are pruned as it trains.

Owns: the schedule of the pruning, the penalty, and what a continued run must remember
(arXiv 2303.10512). The adapter itself is peft's.

peft computes the penalty inside the model's loss, also in evaluation and once a micro-batch; here
it joins the gradient once an optimizer step and is part of no reported loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.models.methods import library
from tunegrid.models.methods.attached import Attached, MethodState

if TYPE_CHECKING:
    import torch

_COMPUTED = ("total_step", "tinit", "tfinal", "deltaT", "rank_pattern", "type")
_OWN = ("initial_share", "final_share", "prune_every_steps")


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options; imports neither peft nor torch."""
    found = [
        f"peft.options.{name} follows from the steps of the run; set initial_share, final_share "
        "and prune_every_steps instead"
        for name in options
        if name in _COMPUTED
    ]
    rest = {n: v for n, v in options.items() if n not in (*_OWN, *_COMPUTED)}
    found += library.problems({"type": "ADALORA", **rest})
    shares = [options.get("initial_share", 0.1), options.get("final_share", 0.5)]
    if not all(isinstance(share, int | float) and 0 <= share < 1 for share in shares):
        found.append(
            f"peft.options.initial_share and final_share are {shares[0]!r} and {shares[1]!r}; "
            "each must be a share from 0 to below 1"
        )
    elif sum(shares) >= 1:
        found.append(
            f"peft.options.initial_share and final_share are {shares[0]} and {shares[1]}, which "
            "leaves no step to prune in; their sum must be below 1"
        )
    every = options.get("prune_every_steps", 10)
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        found.append(
            f"peft.options.prune_every_steps is {every!r}; it must be a whole number of at least 1"
        )
    first, last = options.get("init_r", 12), options.get("target_r", 8)
    if isinstance(first, int) and isinstance(last, int) and last >= first >= 1:
        found.append(
            f"peft.options.target_r is {last} and init_r {first}; AdaLoRA prunes from init_r down "
            f"to target_r on average, so target_r must be 1 to {first - 1}"
        )
    return found


def without_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that do not repeat a default; see `library.without_defaults`."""
    found = library.without_defaults({"type": "ADALORA", **options})
    return {name: value for name, value in found.items() if name != "type"}


def attach(
    model: Any,
    *,
    steps: int,
    initial_share: float = 0.1,
    final_share: float = 0.5,
    prune_every_steps: int = 10,
    **options: Any,
) -> Attached:
    """Return the base with AdaLoRA attached.

    Args:
        model: a causal language model of transformers.
        steps: optimizer steps of the run, at least 2.
        initial_share: share of the steps before the pruning begins.
        final_share: share of the steps after it has ended.
        prune_every_steps: in between, ranks are given up every so many steps.
        options: further fields of `peft.AdaLoraConfig`.

    Raises:
        ConfigError: as `library.attach`, or steps that leave no room to prune in.

    """
    own = {
        "initial_share": initial_share,
        "final_share": final_share,
        "prune_every_steps": prune_every_steps,
    }
    found = problems({**own, **options})
    if steps < 2:
        found.append(f"AdaLoRA needs at least 2 optimizer steps to prune in; the run has {steps}")
    if found:
        raise ConfigError(all_problems("method", found))
    # peft masks the pruned ranks after the step `steps - tfinal`, so the last step must follow it.
    tfinal = max(1, int(final_share * steps))
    schedule = {
        "total_step": steps,
        "tinit": min(int(initial_share * steps), steps - tfinal - 1),
        "tfinal": tfinal,
        "deltaT": prune_every_steps,
    }
    attached = library.attach_with(model, {"type": "ADALORA", **options}, schedule)
    for name, parameter in attached.model.named_parameters():
        # The rank by which the update is divided: peft leaves it trainable beside 16-bit weights.
        if ".ranknum." in name:
            parameter.requires_grad_(False)
    tuner = attached.model.base_model
    return replace(
        attached,
        after_step=tuner.update_and_allocate,
        penalty=lambda: penalty(attached.model),
        state=MethodState(save=lambda: _save(tuner), load=lambda held: _load(tuner, held)),
    )


def penalty(model: Any) -> torch.Tensor:
    """Return how far the singular vectors are from orthonormal, times `orth_reg_weight`.

    The mean over all matrices of the Frobenius norm of A Aᵀ - I and Bᵀ B - I (equation 4 of the
    paper, with peft's mean and norm), in 32 bit.
    """
    import torch

    distances = []
    for name, parameter in model.named_parameters():
        if ".lora_A." in name or ".lora_B." in name:
            matrix = parameter.float()
            product = matrix @ matrix.T if ".lora_A." in name else matrix.T @ matrix
            identity = torch.eye(len(product), device=product.device)
            distances.append(torch.linalg.matrix_norm(product - identity))
    return model.active_peft_config.orth_reg_weight * torch.stack(distances).mean()


_AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def _save(tuner: Any) -> dict[str, torch.Tensor]:
    """Return the importance of every weight so far, and which ranks are left."""
    import torch

    allocator = tuner.rankallocator
    held = {
        f"{kind}/{name}": value.detach().cpu().contiguous()
        for kind in _AVERAGES
        for name, value in getattr(allocator, kind).items()
    }
    pattern = tuner.peft_config[tuner.trainable_adapter_name].rank_pattern or {}
    return held | {f"ranks/{name}": torch.tensor(kept) for name, kept in pattern.items()}


def _load(tuner: Any, held: Mapping[str, torch.Tensor]) -> None:
    allocator = tuner.rankallocator
    devices = {name: p.device for name, p in tuner.model.named_parameters()}
    for kind in _AVERAGES:
        setattr(
            allocator,
            kind,
            {
                name.removeprefix(f"{kind}/"): value.to(devices[name.removeprefix(f"{kind}/")])
                for name, value in held.items()
                if name.startswith(f"{kind}/")
            },
        )
    pattern = {
        name.removeprefix("ranks/"): value.tolist()
        for name, value in held.items()
        if name.startswith("ranks/")
    }
    tuner.peft_config[tuner.trainable_adapter_name].rank_pattern = pattern or None
