"""A run directory read back as a configuration, and its training text as tokens.

Owns: cell.json to `CellConfig`, and the coloured tokens of `tunegrid show`. Part of the edge:
imports a tokenizer when tokens are asked for.
"""

from __future__ import annotations

from typing import Any

from tunegrid.cells.stages import train
from tunegrid.config.schema import CellConfig
from tunegrid.data import prompts
from tunegrid.store.inputs import locate


def shown_examples(config: CellConfig, count: int) -> list[dict[str, Any]]:
    """Return the first training examples with each token's text and whether it is trained."""
    from tunegrid.data.tokens import NOT_TRAINED, encode_all
    from tunegrid.models.bases.loading import load_tokenizer

    mixed = train.mixture_of(config)
    tokenizer = load_tokenizer(config.model, locate.CURRENT)
    shown = []
    for example in mixed.train[:count]:
        encoded = encode_all(
            tokenizer,
            [prompts.training_texts(config.prompt, example)],
            max_length_tokens=config.train.max_length_tokens,
            train_on_prompt=config.train.train_on_prompt,
        )
        for ids in encoded.examples:
            tokens = [
                {"id": token, "text": tokenizer.decode([token]), "trained": label != NOT_TRAINED}
                for token, label in zip(ids.ids, ids.labels, strict=True)
            ]
            shown.append({"source": example.source, "position": example.position, "tokens": tokens})
    return shown


def print_examples(examples: list[dict[str, Any]]) -> None:
    """Print each example's text, the trained tokens on a coloured ground."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    for example in examples:
        trained = sum(token["trained"] for token in example["tokens"])
        console.rule(
            f"{example['source']} record {example['position']}: "
            f"{len(example['tokens'])} tokens, {trained} trained"
        )
        text = Text()
        for number, token in enumerate(example["tokens"]):
            shade = (
                ("black on green3" if number % 2 else "black on green1")
                if token["trained"]
                else ("dim" if number % 2 else "")
            )
            text.append(token["text"], style=shade)
        console.print(text)
