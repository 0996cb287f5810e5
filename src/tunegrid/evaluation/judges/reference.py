"""A judge without a model: how much of the reference's characters an answer has.

Owns: the overlap with the reference. Knows nothing of benchmarks' categories or of models. It is
not the study's judge, which was gpt-3.5-turbo-0301 asked for a score with a prompt by category.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.benchmark import Item, ItemScore
from tunegrid.evaluation.judges.judge import Judge

if TYPE_CHECKING:
    from sacrebleu.metrics import CHRF

METRICS = ("chrf",)


def build(*, metric: str = "chrf", character_order: int = 6, beta: int = 2) -> Judge:
    """Return a judge that rates by chrF (Popović 2015), sentence by sentence, in 0 to 1.

    White space is ignored, and orders longer than the shorter text are left out ("effective
    order"), so that a reference of one character can be met fully.

    Args:
        metric: "chrf".
        character_order: longest character n-gram.
        beta: weight of recall over precision.

    Raises:
        ConfigError: another metric, or an order or weight below 1.

    """
    if metric not in METRICS:
        raise ConfigError(f"judge.options.metric is {metric!r}; accepted: {', '.join(METRICS)}")
    if character_order < 1 or beta < 1:
        raise ConfigError(
            f"judge.options: character_order is {character_order} and beta {beta}; give 1 or more"
        )

    def rate(item: Item, answer: str) -> ItemScore:
        """Return the overlap of an answer with the item's reference."""
        if item.reference is None:
            return ItemScore(item.identifier, None, "no reference")
        if not answer.strip():
            return ItemScore(item.identifier, 0.0, "empty answer")
        overlap = _chrf(character_order, beta).sentence_score(answer, [item.reference]).score
        return ItemScore(item.identifier, min(overlap / 100, 1.0), "")

    return Judge(
        name=f"reference-{metric}",
        description=(
            f"not the study's judge: character overlap with the reference (chrF, order "
            f"{character_order}, beta {beta}), no model; items without a reference are unscored"
        ),
        rate=rate,
    )


@cache
def _chrf(character_order: int, beta: int) -> CHRF:
    """Return the metric; imported here, because checking a config must not cost an import."""
    from sacrebleu.metrics import CHRF

    return CHRF(char_order=character_order, word_order=0, beta=beta)
