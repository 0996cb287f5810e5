"""When an answer ends before the model ends it: a stop text, or a rule that has seen enough.

Owns: looking at answers while they are written. Knows nothing of benchmarks or batches' layout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of ids without special tokens, as the tokenizer's decoder gives it."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def settled_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the part of an unfinished answer's text that further tokens cannot change.

    A character may be written in several tokens; until it is whole it is decoded as U+FFFD. A
    decoder with byte tokens reads a run of them together, so that one more byte can change what
    all of them mean: the last run is left out.
    """
    end = len(ids)
    while end and _BYTE.fullmatch(tokenizer.convert_ids_to_tokens(int(ids[end - 1])) or ""):
        end -= 1
    return decode(tokenizer, ids[:end]).rstrip("\ufffd")


def first_with(ids: Sequence[int], holds: Callable[[Sequence[int]], bool]) -> int:
    """Return how many of the ids it takes until `holds`, which then holds for all longer ones."""
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if holds(ids[:middle]):
            high = middle
        else:
            low = middle + 1
    return low


def stop_text(tokenizer: Any, stop: str, width: int) -> Any:
    """Return a criterion that ends each row whose continuation holds the stop text.

    Args:
        tokenizer: decodes.
        stop: the text.
        width: tokens of the padded prompts.

    """
    import torch
    from transformers import StoppingCriteria

    # A character has at most four bytes, and a token may be a single one; one token more, because
    # the text may begin inside a token. Earlier tokens were looked at in earlier steps.
    tail = 4 * len(stop) + 1

    class StopText(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: Any, **rest: Any) -> torch.Tensor:
            start = max(width, input_ids.shape[1] - tail)
            texts = tokenizer.batch_decode(input_ids[:, start:], skip_special_tokens=True)
            return torch.tensor([stop in text for text in texts], device=input_ids.device)

    return StopText()


def decision(tokenizer: Any, rules: Sequence[Callable[[str], bool]], width: int) -> Any:
    """Return a criterion that ends each row as soon as its own rule is decided.

    Args:
        tokenizer: decodes.
        rules: one per row: whether the settled beginning of its answer decides what is read in it.
        width: tokens of the padded prompts.

    """
    import torch
    from transformers import StoppingCriteria

    class Decision(StoppingCriteria):
        def __init__(self) -> None:
            self.decided = [False] * len(rules)

        def __call__(self, input_ids: torch.Tensor, scores: Any, **rest: Any) -> torch.Tensor:
            for row, rule in enumerate(rules):
                if not self.decided[row]:
                    ids = input_ids[row, width:].tolist()
                    self.decided[row] = rule(settled_text(tokenizer, ids))
            return torch.tensor(self.decided, device=input_ids.device)

    return Decision()
