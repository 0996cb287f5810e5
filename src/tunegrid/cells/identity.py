"""The names of cells, predictions and scores: hashes of everything a result depends on.

Owns: what enters an identity and what does not. Knows nothing of Hydra or of where inputs lie:
paths are replaced by the hash of their content, so that moving a file forks nothing and
changing one does.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Objective, Precision, Schedule
from tunegrid.config.errors import ConfigError
from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.config.functions import hashed_name, without_defaults
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    CollectionConfig,
    DataConfig,
    DecodingConfig,
    JudgeConfig,
    PeftConfig,
    PromptConfig,
    QuantizationConfig,
    TrainConfig,
    is_api,
)
from tunegrid.store.run_directory import FORMAT
from tunegrid.store.run_names import run_with_hash

HASH_LENGTH = 12
_SCORE = re.compile(rf"(.+?)-[0-9a-f]{{{HASH_LENGTH}}}(?:-|$)")
"""A benchmark's name in front of the hash of a prediction id."""

# A setting added to the schema later is named here with the value that means "as before": cells
# made before it existed keep their names. Form: {"train.new_setting": neutral_value}.
NEUTRAL: dict[str, Any] = {"train.objective": Objective.instruction}

TEXT_RULE = 2
"""How a text becomes ids. 2: a control token that is spelled in data is text."""

# What the code itself decides, with a number that rises when its numbers change: a cell made
# under another rule is another cell. Warm-up 2: the learning rate rises from one step's share;
# before it rose from 0, so that the first step trained nothing.
RULES: Mapping[str, int] = {"text": TEXT_RULE, "warmup": 2}

# Settings that change no weight: labels, facts for plans, and how often something is written.
NO_WEIGHT = (
    "train.name",
    "train.log_every_steps",
    "train.checkpoints_per_epoch",
    "quantization.name",
    "prompt.name",
    "prompt.language",
    "prompt.multiple_choice",
    "prompt.stop",
    "data.name",
    "data.max_rejected_share",
)


@dataclass(frozen=True)
class Cell:
    """One combination, checked, with everything that names it."""

    config: CellConfig
    train_id: str
    identity: Mapping[str, Any]
    project: Path
    """The directory whose commit is recorded."""

    @property
    def directory(self) -> Path:
        """The cell's run directory."""
        return Path(self.config.runtime.results) / "runs" / self.train_id

    @functools.cached_property
    def training(self) -> TrainConfig:
        """The training settings as they are used: a method's own learning rate goes first."""
        return effective_training(self.config)

    @property
    def hash(self) -> str:
        """The identity alone: equal for two cells whose weights are the same."""
        return self.train_id[-HASH_LENGTH:]

    def record(self) -> dict[str, Any]:
        """Return what cell.json holds: the name, what it is the hash of, and the settings."""
        plain: dict[str, Any] = json.loads(
            canonical_json(
                {
                    "format": FORMAT,
                    "train_id": self.train_id,
                    "identity": self.identity,
                    "config": asdict(self.config),
                }
            )
        )
        return plain


def train_identity(
    config: CellConfig, contents: Mapping[str, str], rules: Mapping[str, int] = RULES
) -> dict[str, Any]:
    """Return all that the trained weights depend on, and nothing else, as a JSON-able dict.

    A cell without a method does not depend on data, training settings or seed: its base is
    evaluated once, whatever sweep asks for it.

    Args:
        config: the resolved configuration.
        contents: for each path in the configuration, the hash of what lies there (a hub
            repository stands for itself, with its commit).
        rules: under which it is trained; empty for a cell trained before there were any.

    Raises:
        ConfigError: a path without a hash, or a value without a stable form.
    """
    identity: dict[str, Any] = {
        "format": FORMAT,
        "model": _content(config.model.path, contents),
        "peft": _function("peft", config.peft.function, config.peft.options),
        "quantization": _quantization(config.quantization),
        "prompt": asdict(config.prompt),
    }
    if is_api(config.model):
        # Its server knows how it is held, and puts its own template around a question.
        identity |= {"quantization": {}, "prompt": {}}
    if config.peft.imported is not None:
        # Trained elsewhere: the weights themselves say what they are.
        identity["peft"] = {**identity["peft"], "imported": config.peft.imported}
    elif config.peft.function is not None:
        identity["data"] = _data(config.data, contents)
        identity["train"] = _training(effective_training(config))
        if rules:
            identity["text"] = rules["text"]
            if "warmup_share" in identity["train"] and config.train.warmup_share > 0:
                identity["train"]["warmup"] = rules["warmup"]
        identity["seed"] = config.seed
    for dotted in NO_WEIGHT:
        _remove(identity, dotted)
    for dotted, neutral in NEUTRAL.items():
        if _value(identity, dotted) == neutral:
            _remove(identity, dotted)
    return identity


def _function(group: str, name: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function with what its options say beyond its defaults."""
    if name is None:
        return {"function": None}
    return {"function": hashed_name(name), "options": without_defaults(group, name, options)}


def _quantization(quantization: QuantizationConfig) -> dict[str, Any]:
    """Return how weights are held; options of 8 and 4 bit count there alone."""
    found = asdict(quantization)
    if quantization.precision is not Precision.nf4:
        del found["double_quantization"]
    if quantization.precision is not Precision.int8:
        del found["int8_threshold"]
    return found


def _data(data: DataConfig, contents: Mapping[str, str]) -> dict[str, Any]:
    """Return a mixture by content: which file is read how, and how many examples are drawn.

    Order and names of collections and files change nothing, and a collection that is taken whole
    is no more than its files.
    """
    found = asdict(data)
    del found["files"]
    entries = []
    plain = [CollectionConfig(files=[path]) for path in data.files]
    for collection in [*data.collections.values(), *plain]:
        read = _function("collection", collection.function, collection.options)
        files = sorted(_content(path, contents) for path in collection.files)
        drawn = [files] if collection.count is not None else [[file] for file in files]
        entries += [{"files": group, "count": collection.count, **read} for group in drawn]
    found["collections"] = sorted(entries, key=canonical_json)
    return found


def _training(train: TrainConfig) -> dict[str, Any]:
    """Return the optimization settings that are in use."""
    found = asdict(train)
    if train.max_steps is not None:
        del found["epochs"]
    if not train.keep_best:
        del found["evaluations_per_epoch"]
    if train.schedule is Schedule.constant:
        del found["warmup_share"]
    return found


def effective_training(config: CellConfig) -> TrainConfig:
    """Return the training settings as they are used: a method's own learning rate goes first."""
    own = config.peft.learning_rate
    return config.train if own is None else replace(config.train, learning_rate=own)


def untuned(cell: Cell) -> Cell:
    """Return the cell of the same base, quantization and prompt without a method."""
    config = replace(cell.config, peft=PeftConfig(name="none"))
    parts = ("format", "model", "quantization", "prompt")
    identified = {part: cell.identity[part] for part in parts} | {"peft": {"function": None}}
    return named(config, identified, cell.project)


def train_id(config: CellConfig, identity: Mapping[str, Any]) -> str:
    """Return the cell's name: readable words, then a hash of `identity`."""
    words = [config.model.name, config.peft.name, config.quantization.name]
    if config.peft.function is not None and config.peft.imported is None:
        words += [config.data.name, config.prompt.name, config.train.name, f"s{config.seed}"]
    else:
        words += [config.prompt.name]
    slug = "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)
    return f"{slug[:100]}-{short_hash(identity)}"


def named(config: CellConfig, identity: Mapping[str, Any], project: Path) -> Cell:
    """Return a cell with its name: that of its run where there is one, else a new one.

    The hash is the identity, the words before it are for people. A cell whose base or data were
    given other names since is still the same run.
    """
    new = train_id(config, identity)
    there = run_with_hash(Path(config.runtime.results) / "runs", new[-HASH_LENGTH:], new)
    return Cell(config, there or new, identity, project)


def prediction_id(
    cell: str,
    benchmark: str,
    version: str,
    prompts: Sequence[tuple[str, str]],
    decoding: DecodingConfig,
    max_new_tokens: int,
    stop: str,
    seed: int,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the name of one benchmark's answers of one cell.

    The prompts enter as they are rendered, so templates, suffix, item selection and the
    benchmark's own wording are all covered by their effect.

    Args:
        cell: the train_id, of which the hash counts.
        benchmark: the benchmark's name.
        version: the benchmark's version.
        prompts: (item identifier, rendered prompt) of every item.
        decoding: how answers are generated; its `max_new_tokens` is replaced by the next.
        max_new_tokens: the limit that holds for this benchmark.
        stop: where generation stops.
        seed: enters only when answers are sampled.
        further: what else the answers depend on, such as the rule that ends them early.
    """
    settings = asdict(decoding) | {"max_new_tokens": max_new_tokens, "stop": stop}
    if decoding.sample:
        settings["seed"] = seed
    else:
        for name in ("temperature", "top_p", "top_k"):
            del settings[name]
    content = {
        "format": FORMAT,
        "cell": cell[-HASH_LENGTH:],
        "benchmark": benchmark,
        "version": version,
        "prompts": _prompts_sha256(tuple(prompts)),
        "decoding": settings,
        **({"further": further} if further else {}),
    }
    return f"{benchmark}-{short_hash(content)}"


@functools.lru_cache(maxsize=32)
def _prompts_sha256(prompts: tuple[tuple[str, str], ...]) -> str:
    """Return the hash of (item identifier, prompt) pairs, which many cells have in common."""
    return text_sha256(canonical_json([list(pair) for pair in prompts]))


def score_id(
    prediction: str,
    benchmark: BenchmarkConfig,
    benchmark_sha256: str,
    judge: JudgeConfig | None,
    prompt: PromptConfig,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the name of one scoring of one benchmark's answers.

    Args:
        prediction: the prediction id.
        benchmark: its options (how answers are extracted and compared).
        benchmark_sha256: content of the benchmark's file, whose references the scores use.
        judge: what rated the answers; None when the benchmark has a rule of its own.
        prompt: gives the text at which answers are cut.
        further: what else the scores depend on, such as the rule that picks a likelihood.
    """
    content = {
        "format": FORMAT,
        "prediction": prediction,
        "function": hashed_name(benchmark.function),
        "options": without_defaults("benchmark", benchmark.function, benchmark.options),
        "content": benchmark_sha256,
        "judge": None if judge is None else _function("judge", judge.function, judge.options),
        "stop": prompt.stop,
        **({"further": further} if further else {}),
    }
    name = "rule" if judge is None else judge.name
    return f"{prediction}-{name}-{short_hash(content)}"


def benchmark_of(score: str) -> str:
    """Return the name of the benchmark in a score id; an id of another form is its own name."""
    found = _SCORE.match(score)
    return score if found is None else found[1]


def short_hash(value: Any) -> str:
    """Return the first characters of the hash of a value's canonical JSON."""
    return text_sha256(canonical_json(value))[:HASH_LENGTH]


def _content(path: str, contents: Mapping[str, str]) -> str:
    if path not in contents:
        raise ConfigError(
            f"no content hash is known for {path!r}, so the cell has no stable identity; "
            "every file a cell reads is hashed before it is named"
        )
    return contents[path]


def _value(tree: Mapping[str, Any], dotted: str) -> Any:
    value: Any = tree
    for key in dotted.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _remove(tree: dict[str, Any], dotted: str) -> None:
    """Remove what a dotted path names; `*` stands for every key of a mapping."""
    first, _, rest = dotted.partition(".")
    if not rest:
        tree.pop(first, None)
        return
    for key in list(tree) if first == "*" else [first]:
        if isinstance(tree.get(key), dict):
            _remove(tree[key], rest)


def asked_name(cell: Cell) -> str:
    """Return what tells two cells of a sweep apart: the training, and what is asked of it."""
    config = cell.config
    asked = canonical_json(
        [config.stage, config.eval, config.judge, config.runtime.generation_batch_tokens]
    )
    return f"{cell.hash} {asked}"
