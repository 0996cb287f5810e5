"""Examples become ids by the objective they are trained with.

Owns: which objective takes which examples. `tokens` has the borders, `prompts` the templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunegrid.config.choices import Objective
from tunegrid.config.errors import DataError
from tunegrid.config.schema import PromptConfig, TrainConfig
from tunegrid.data.example import Example
from tunegrid.data.prompts import training_texts
from tunegrid.data.tokens import TokenizedSet, encode_all, encode_documents


def encoded(
    tokenizer: Any, prompt: PromptConfig, train: TrainConfig, examples: Sequence[Example]
) -> TokenizedSet:
    """Return examples as ids and labels, as a cell trains on them.

    Args:
        tokenizer: of the base.
        prompt: the templates; not used for raw text.
        train: its objective, length and whether prompts are trained.
        examples: instructions with answers, or documents.

    Raises:
        DataError: examples of the other kind than the objective takes.
        ConfigError: the tokenizer has no end-of-sequence token.
    """
    if train.objective is Objective.language_modeling:
        _refuse(examples, raw=False)
        return encode_documents(
            tokenizer,
            [example.output for example in examples],
            max_length_tokens=train.max_length_tokens,
        )
    _refuse(examples, raw=True)
    return encode_all(
        tokenizer,
        [training_texts(prompt, example) for example in examples],
        max_length_tokens=train.max_length_tokens,
        train_on_prompt=train.train_on_prompt,
    )


def _refuse(examples: Sequence[Example], *, raw: bool) -> None:
    """Raise for examples that are raw text, or that are none."""
    found = [one for one in examples if (one.instruction == one.input == "") is raw]
    if not found:
        return
    first = found[0]
    where = f"{len(found):,} of {len(examples):,} examples, the first record {first.position} of "
    if raw:
        raise DataError(
            f"{where}{first.source}, are raw text without an instruction; train on them with "
            "train.objective=language_modeling, or give instruction data"
        )
    raise DataError(
        f"{where}{first.source}, have an instruction, and train.objective=language_modeling "
        "trains on raw text; read it with data=raw_text data.collections.text.files=[<file>]"
    )
