"""Training text as the base sees it.

Owns: settings without a run, and the coloured tokens of `tunegrid show`. Part of the edge:
imports a tokenizer when tokens are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tunegrid.cells.stages import train
from tunegrid.config.compose.typed import composed_groups
from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.schema import CellConfig
from tunegrid.data import encoding, prompts
from tunegrid.store.inputs import locate

UNFINISHED = "\ufffd"
"""What decoding puts where bytes of a character are missing."""

GROUPS = ("data", "model", "prompt", "train")
"""What decides which tokens are trained; the rest of a cell may stay incomplete."""


def config_of_settings(settings: Sequence[str], project: Path, directory: Path) -> CellConfig:
    """Return the cell of settings as far as its training text goes; no run is needed.

    Args:
        settings: overrides as on the command line of run.py.
        project: holds conf/.
        directory: where relative paths may start, too.

    Raises:
        ConfigError: a setting that does not fit or is missing, or a file that does not lie here.
    """
    from tunegrid.models.bases import unnamed

    places = (directory, project)
    config = composed_groups(settings, project, GROUPS, unnamed.reader(places))
    absent: list[str] = []
    problems = locate.resolve_paths(config, places, absent)
    problems += [line for line in absent if line.startswith(("data.", "model."))]
    problems += prompts.problems(config.prompt)
    if problems:
        raise ConfigError(all_problems("nothing can be shown", problems))
    return config


def shown_examples(config: CellConfig, count: int) -> list[dict[str, Any]]:
    """Return the first training examples with each token's text and whether it is trained."""
    from tunegrid.data.tokens import NOT_TRAINED
    from tunegrid.models.bases.loading import load_tokenizer

    mixed = train.mixture_of(config)
    tokenizer = load_tokenizer(config.model, locate.CURRENT)
    shown = []
    for example in mixed.train[:count]:
        encoded = encoding.encoded(tokenizer, config.prompt, config.train, [example])
        for ids in encoded.examples:
            texts = texts_of_tokens(tokenizer, ids.ids)
            tokens = [
                {"id": token, "text": text, "trained": label != NOT_TRAINED}
                for token, text, label in zip(ids.ids, texts, ids.labels, strict=True)
            ]
            shown.append({"source": example.source, "position": example.position, "tokens": tokens})
    return shown


def texts_of_tokens(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return the text of each token, such that together they are the text of all.

    A character that is spread over several tokens stands at the first of them; the others have "".
    A token by itself would lose the blank in front of it, or be a part of a character.
    """
    found = [""] * len(ids)
    shown, first = "", 0
    for number in range(len(ids)):
        text = tokenizer.decode(list(ids[: number + 1]), clean_up_tokenization_spaces=False)
        is_last = number == len(ids) - 1
        if not is_last and (text.endswith(UNFINISHED) or not text.startswith(shown)):
            continue
        found[first] = text[len(shown) :] if text.startswith(shown) else text
        shown, first = text, number + 1
    return found


def print_examples(examples: list[dict[str, Any]]) -> None:
    """Print each example's text, the trained tokens on a coloured ground.

    Where there is no colour, as in a file, trained tokens stand between ⟦ and ⟧.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    has_colour = console.color_system is not None
    for example in examples:
        trained = sum(token["trained"] for token in example["tokens"])
        console.rule(
            f"{example['source']} record {example['position']}: "
            f"{len(example['tokens'])} tokens, {trained} trained"
        )
        if not has_colour:
            # As it is: the console would break lines and drop blanks at their ends.
            print(marked(example["tokens"]))
            continue
        text = Text()
        for number, token in enumerate(example["tokens"]):
            shade = (
                ("black on green3" if number % 2 else "black on green1")
                if token["trained"]
                else ("dim" if number % 2 else "")
            )
            text.append(token["text"], style=shade)
        console.print(text)


def marked(tokens: Sequence[dict[str, Any]]) -> str:
    """Return the text of tokens, what is trained between ⟦ and ⟧."""
    parts = []
    for is_trained, run in groupby(tokens, key=lambda token: bool(token["trained"])):
        text = "".join(token["text"] for token in run)
        parts.append(f"⟦{text}⟧" if is_trained else text)
    return "".join(parts)
