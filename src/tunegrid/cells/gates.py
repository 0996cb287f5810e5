"""Reasons not to trust a cell that ended without an error (rule 5: finished is not fine).

Owns: the gates. Each takes plain values and returns the reasons as short sentences; nothing is
hidden or repaired, the reasons stand beside every number of the cell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

EMPTY_SHARE = 0.2
UNSCORED_SHARE = 0.2
ONE_ANSWER_SHARE = 0.95
CHANGED_SHARE = 0.9
SKIPPED_SHARE = 0.1
DISAGREEING_SHARE = 0.02
TRUNCATED_SHARE = 0.2
"""Of the training examples: those that lose their end do not teach a base to end."""
CUT_SHARE = 0.2
"""Of a tuned cell's answers: they were cut at their longest, before the model ended them."""
FEWEST_ITEMS = 10
"""Below this many items a share says nothing."""


def training_reasons(report: Mapping[str, Any]) -> list[str]:
    """Return what speaks against a training.

    Args:
        report: with `trained_tokens` and the mean losses of the first and the last tenth of the
            steps, `first_tenth_loss` and `last_tenth_loss`; `changed_share`, `skipped_steps`,
            `steps`, `truncated` and `examples` where it has them.
    """
    reasons = []
    first, last = report["first_tenth_loss"], report["last_tenth_loss"]
    if not report["trained_tokens"]:
        reasons.append("no token was trained")
    if not (math.isfinite(first) and math.isfinite(last)):
        reasons.append("the loss is not finite")
    elif not last < first:
        reasons.append(f"the loss did not fall ({first:.3f} to {last:.3f})")
    changed = report.get("changed_share")
    if changed is not None and changed < CHANGED_SHARE:
        reasons.append(f"{1 - changed:.0%} of the trained weights are what they were at the start")
    skipped, steps = report.get("skipped_steps", 0), report.get("steps", 0)
    if skipped > SKIPPED_SHARE * steps:
        reasons.append(f"{skipped} of {steps} steps were skipped: their gradients overflowed")
    truncated, examples = report.get("truncated", 0), report.get("examples", 0)
    if truncated > TRUNCATED_SHARE * examples:
        reasons.append(
            f"{truncated} of {examples} examples were cut at train.max_length_tokens and lost "
            "their end, so that the base learned from few how to end an answer"
        )
    return reasons


def cut_reasons(finished: Sequence[str]) -> list[str]:
    """Return what speaks against a tuned cell's answers: too many of them never ended.

    Args:
        finished: how each answer ended, as predictions say it: `eos`, `stop`, `decided`, or
            `length` and `context` where it was cut.
    """
    cut = sum(how in ("length", "context") for how in finished)
    if len(finished) < FEWEST_ITEMS or cut <= CUT_SHARE * len(finished):
        return []
    return [f"{cut} of {len(finished)} answers were cut before the model ended them"]


def _exceeds(count: float, items: int, limit: float) -> bool:
    """Return whether a share is above a limit by more than chance: exact, one-sided, at 5 %."""
    from scipy.stats import binomtest

    return bool(binomtest(int(count), items, limit, alternative="greater").pvalue < 0.05)


def answer_reasons(answers: Sequence[str]) -> list[str]:
    """Return what speaks against a set of answers.

    Args:
        answers: one per item.
    """
    if len(answers) < FEWEST_ITEMS:
        return []
    reasons = []
    empty = sum(not answer.strip() for answer in answers)
    if empty > EMPTY_SHARE * len(answers):
        reasons.append(f"{empty} of {len(answers)} answers are empty")
    text, count = Counter(answer.strip() for answer in answers).most_common(1)[0]
    if text and count >= ONE_ANSWER_SHARE * len(answers):
        reasons.append(f"{count} of {len(answers)} answers are {text[:20]!r}")
    return reasons


def score_reasons(unparsed: int, items: int) -> list[str]:
    """Return what speaks against a scoring: answers in which no answer was found."""
    if items >= FEWEST_ITEMS and unparsed > UNSCORED_SHARE * items:
        return [f"{unparsed} of {items} answers could not be read"]
    return []


def reading_reasons(readings: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what speaks against a rule: replies that it reads as another answer than they mean.

    Args:
        readings: of each item, with `rules_disagree` where the benchmark has several rules.
    """
    known = [one["rules_disagree"] for one in readings if "rules_disagree" in one]
    differing = sum(known)
    if len(known) < FEWEST_ITEMS or not _exceeds(differing, len(known), DISAGREEING_SHARE):
        return []
    return [
        f"{differing:.0f} of {len(known)} replies mean other letters than the rule finds; "
        "compare accuracy_meant"
    ]
