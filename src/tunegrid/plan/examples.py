"""How much a cell trains on: examples, tokens and optimizer steps.

Owns: these numbers, from the run itself, from the files where they are here, else from what their
YAML states. Reads and tokenizes in a process of its own (`composed`); imports no torch here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Objective
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.config.schema import CellConfig, CollectionConfig
from tunegrid.data import mixture
from tunegrid.plan.facts import REFUSED, Job
from tunegrid.plan.figures import Basis, Figure
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.training import schedule

COMPOSED_BYTES = 64 * 2**20
"""Larger mixtures are not read for a plan: their stated sizes are used."""
TOKENIZED_EXAMPLES = 4000
"""Of larger mixtures so many examples are tokenized, evenly spaced, and the rest is scaled."""

# Assumed where no YAML states it.
RECORD_BYTES = 500
CHARACTERS = 400.0
CHARACTERS_PER_TOKEN = {"en": 4.0, "zh": 1.0}
OTHER_CHARACTERS_PER_TOKEN = 2.0
OUTPUT_SHARE = 0.5
"""Of an example's characters that are its answer, where it was not read."""


@dataclass(frozen=True)
class Amount:
    """What one training reads."""

    examples: Figure
    """Of one epoch."""
    steps: Figure
    """Optimizer steps of the run."""
    tokens: Figure
    """Of the run: prompts and answers, without padding."""
    trained_tokens: Figure
    """Of the run: those with a loss."""


NOTHING = Amount(Figure(0), Figure(0), Figure(0), Figure(0))


def job(cell: Cell) -> Job | None:
    """Return what reads a cell's mixture; None where it is not here, too large or not needed."""
    config = cell.config
    if config.peft.function is None or _of_run(cell) is not None:
        return None
    files = [
        Path(file)
        for collection in mixture.effective_collections(config.data)
        for file in collection.files
    ]
    if not files or not all(file.is_file() for file in files):
        return None
    if sum(file.stat().st_size for file in files) > COMPOSED_BYTES:
        return None
    draws = config.data.validation_examples or any(
        one.count is not None for one in config.data.collections.values()
    )
    depends_on = {
        "data": cell.identity["data"],
        "max_rejected_share": config.data.max_rejected_share,
        "seed": config.seed if draws else None,
        "prompt": asdict(config.prompt),
        "base": cell.identity["model"],
        "is_here": Path(config.model.path).is_dir(),
        "max_length_tokens": config.train.max_length_tokens,
        "train_on_prompt": config.train.train_on_prompt,
        "objective": config.train.objective.value,
    }
    return Job("data", depends_on, composed, (config,))


def composed(config: CellConfig) -> dict[str, Any]:
    """Return what a mixture holds, with tokens where the base's tokenizer is here.

    Raises:
        ConfigError: more examples asked for than there are.
        DataError: a file that cannot be read, or with too many unusable records.
    """
    from tunegrid.cells.stages.train import mixture_of
    from tunegrid.data import encoding
    from tunegrid.models.bases.loading import load_tokenizer
    from tunegrid.store.inputs.locate import CURRENT

    train = mixture_of(config).train
    fact: dict[str, Any] = {
        "examples": len(train),
        "characters": sum(one.characters for one in train),
        "output_characters": sum(one.output_characters for one in train),
    }
    try:
        tokenizer = load_tokenizer(config.model, CURRENT)
    except ConfigError:
        return fact
    every = max(1, math.ceil(len(train) / TOKENIZED_EXAMPLES))
    encoded = encoding.encoded(tokenizer, config.prompt, config.train, train[::every])
    scale = len(train) / len(train[::every])
    is_raw = config.train.objective is Objective.language_modeling
    lost = round(scale * len(encoded.rejected_indices))
    return fact | {
        # A document may be several blocks.
        "examples": round(scale * len(encoded.examples)) if is_raw else len(train) - lost,
        "tokens": round(scale * encoded.tokens),
        "trained_tokens": round(scale * encoded.trained_tokens),
        "is_sample": every > 1,
    }


def amount(cell: Cell, fact: Mapping[str, Any] | None) -> Amount:
    """Return how much a cell trains on.

    Args:
        cell: with or without its files.
        fact: what `composed` found out; None where it could not.
    """
    config = cell.config
    if config.peft.function is None:
        return NOTHING
    epoch = _of_run(cell)
    if epoch is None and fact is not None and REFUSED not in fact:
        epoch = _of_fact(config, fact)
    examples, tokens, trained = _stated(config) if epoch is None else epoch
    if not examples.value:
        nothing = Figure(None, Basis.assumed)
        return Amount(nothing, nothing, nothing, nothing)
    settings = cell.training
    steps = schedule.total_steps(int(examples.value), settings)
    whole, rest = divmod(steps, schedule.steps_per_epoch(int(examples.value), settings))
    # The last step of an epoch may have fewer examples; which ones a part has is not looked at.
    epochs = whole + rest * settings.examples_per_step / examples.value
    part = Basis.stated if rest else Basis.exact
    return Amount(
        examples,
        Figure(steps, Basis.exact if settings.max_steps is not None else examples.basis),
        tokens.times(epochs, part),
        trained.times(epochs, part),
    )


def _of_run(cell: Cell) -> tuple[Figure, Figure, Figure] | None:
    """Return examples, tokens and trained tokens of an epoch as the run itself counted them."""
    try:
        counted = RunDirectory(cell.directory).read(run_files.DATA)["train_tokens"]
        return (
            Figure(counted["examples"]),
            Figure(counted["tokens"]),
            Figure(counted["trained_tokens"]),
        )
    except (StoreError, KeyError, TypeError):
        return None


def _of_fact(config: CellConfig, fact: Mapping[str, Any]) -> tuple[Figure, Figure, Figure]:
    examples = Figure(fact["examples"])
    if "tokens" in fact:
        basis = Basis.stated if fact["is_sample"] else Basis.exact
        return examples, Figure(fact["tokens"], basis), Figure(fact["trained_tokens"], basis)
    languages = [one for c in config.data.collections.values() for one in c.languages]
    mean = fact["characters"] / fact["examples"]
    tokens = _tokens(config, Figure(mean), languages)
    share = fact["output_characters"] / max(1, fact["characters"])
    return _epoch(config, examples, tokens, share)


def _stated(config: CellConfig) -> tuple[Figure, Figure, Figure]:
    """Return examples, tokens and trained tokens of an epoch by what the YAML states."""
    examples = tokens = 0.0
    basis = tokens_basis = Basis.stated
    for one in mixture.effective_collections(config.data):
        count = _stated_examples(one)
        if count.value is None:
            return (Figure(None, Basis.assumed),) * 3
        length = Figure(one.stated_characters or CHARACTERS, _given(one.stated_characters))
        each = _tokens(config, length, one.languages)
        examples += count.value
        tokens += count.value * (each.value or 0.0)
        basis = max(basis, count.basis)
        tokens_basis = max(tokens_basis, each.basis)
    # Held-out examples are taken from all collections alike.
    kept = max(1.0, examples - config.data.validation_examples)
    mean = Figure(tokens / max(1.0, examples), tokens_basis)
    return _epoch(config, Figure(kept, basis), mean, OUTPUT_SHARE)


def _epoch(
    config: CellConfig, examples: Figure, each: Figure, output_share: float
) -> tuple[Figure, Figure, Figure]:
    """Return examples, tokens and trained tokens, from the tokens of a mean example's text."""
    framed = _template_tokens(config)
    longest = config.train.max_length_tokens
    text = (each.value or 0.0) + framed
    whole = min(text, longest)
    trained = whole if config.train.train_on_prompt else (each.value or 0.0) * output_share + 1
    basis = max(Basis.stated, each.basis, examples.basis)
    count = examples.value or 0.0
    return (
        examples,
        Figure(count * whole, basis),
        Figure(count * min(trained, whole), basis),
    )


def _stated_examples(one: CollectionConfig) -> Figure:
    """Return how many examples a collection gives: drawn, stated, or guessed from its size."""
    stated = one.stated_examples
    if one.count is not None:
        return Figure(one.count if stated is None else min(one.count, stated), Basis.stated)
    if stated is not None:
        return Figure(stated, Basis.stated)
    files = [Path(file) for file in one.files]
    if files and all(file.is_file() for file in files):
        size = sum(file.stat().st_size for file in files)
        return Figure(max(1, size // RECORD_BYTES), Basis.assumed)
    return Figure(None, Basis.assumed)


def _tokens(config: CellConfig, characters: Figure, languages: list[str]) -> Figure:
    """Return the tokens of a text in these languages, in equal parts."""
    rates = [_rate(config, language) for language in languages or [config.prompt.language]]
    per_character = sum(1 / (rate.value or 1.0) for rate in rates) / len(rates)
    return characters.times(per_character, max(rate.basis for rate in rates))


def _rate(config: CellConfig, language: str) -> Figure:
    stated = config.model.characters_per_token.get(language)
    if stated is not None:
        return Figure(stated, Basis.stated)
    assumed = CHARACTERS_PER_TOKEN.get(language, OTHER_CHARACTERS_PER_TOKEN)
    return Figure(assumed, Basis.assumed)


def _template_tokens(config: CellConfig) -> float:
    """Return the tokens of the prompt around an instruction."""
    around = config.prompt.without_input.replace("{instruction}", "")
    return len(around) / (_rate(config, config.prompt.language).value or 1.0)


def _given(value: float | None) -> Basis:
    return Basis.assumed if value is None else Basis.stated
