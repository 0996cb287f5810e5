"""Whether two models say the same: their logits on a few prompts, against a stated tolerance.

Owns: the prompts, the comparison and how far apart the two may be. Knows no files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunegrid.config.choices import Dtype
from tunegrid.config.errors import StageError
from tunegrid.config.schema import PromptConfig
from tunegrid.data import prompts

if TYPE_CHECKING:
    import torch

PROBES = (
    "Name three animals that live in the sea.",
    "介绍一下春节的习俗。",
    "Which is larger, 17 or 71? Explain.",
    "把下面的句子翻译成英文：今天天气很好。",
)
"""Instructions whose logits are compared; every token of their prompts counts."""

TOLERANCE = {Dtype.float32: 1e-3, Dtype.float16: 0.01, Dtype.bfloat16: 0.05}
"""Largest difference of a logit, as a share of the largest logit, by the coarsest type that either
model computes or is written in. Rounding alone stays well below; a LoRA on a tied output that went
into the embeddings too was at 0.18."""


def probe_ids(tokenizer: Any, prompt: PromptConfig) -> list[torch.Tensor]:
    """Return the ids [1, T] of each probe's prompt."""
    import torch

    from tunegrid.data.tokens import encode_prompts

    texts = [prompts.render(prompt, probe) for probe in PROBES]
    return [torch.tensor([ids]) for ids in encode_prompts(tokenizer, texts)]


def logits(model: Any, ids: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the logits [T, V] of each text, on the CPU in 32 bit."""
    import torch

    from tunegrid.models.compute import computing

    model.eval()
    device = model.get_input_embeddings().weight.device
    with torch.no_grad(), computing(model):
        return [model(input_ids=one.to(device)).logits[0].float().cpu() for one in ids]


def compared(trained: list[torch.Tensor], merged: list[torch.Tensor]) -> dict[str, Any]:
    """Return how far two models' logits [T, V] of the same texts are apart."""
    import torch

    left, right = torch.cat(trained), torch.cat(merged)
    return {
        "largest_logit_difference": float((left - right).abs().max()),
        "largest_logit": float(left.abs().max()),
        "same_next_token": float((left.argmax(-1) == right.argmax(-1)).float().mean()),
        "tokens": len(left),
    }


def tolerance(*types: Dtype) -> float:
    """Return how far two models may be apart, as a share of the largest logit."""
    return max(TOLERANCE[one] for one in types)


def refuse_another_model(found: dict[str, Any], accepted: float, what: str) -> None:
    """Refuse a merged model that is not the one that was trained.

    Args:
        found: from `compared`.
        accepted: from `tolerance`.
        what: was merged, for the message.

    Raises:
        StageError: they are further apart than rounding explains.
    """
    share = found["largest_logit_difference"] / max(found["largest_logit"], 1e-12)
    # `not <=` holds for a difference that is no number as well.
    if not share <= accepted:
        raise StageError(
            f"{what} does not answer as the trained one does: its logits differ by up to "
            f"{found['largest_logit_difference']:.3g} of {found['largest_logit']:.3g} "
            f"({share:.2%}, accepted are {accepted:.1%}), and "
            f"{1 - found['same_next_token']:.1%} of the next tokens are others. Use the adapter "
            "beside its base instead"
        )
