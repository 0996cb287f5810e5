"""Settings with a closed set of values.

Members are lower case because OmegaConf reads an enum by its member's name.
"""

from __future__ import annotations

from enum import Enum


class Precision(Enum):
    """How the base's weights are held."""

    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"
    int8 = "int8"
    nf4 = "nf4"


class Dtype(Enum):
    """A floating-point type of torch, by its name."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Device(Enum):
    """Where a cell runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Layout(Enum):
    """How the examples of an optimizer step are laid out in micro-batches."""

    auto = "auto"
    padded = "padded"
    sorted = "sorted"
    flattened = "flattened"


class Attention(Enum):
    """The attention kernel; `auto` takes the fastest the base and the device support."""

    auto = "auto"
    eager = "eager"
    sdpa = "sdpa"
    flash_attention_2 = "flash_attention_2"


class Engine(Enum):
    """What a model answers with."""

    transformers = "transformers"
    vllm = "vllm"


class Schedule(Enum):
    """The learning-rate schedule, by the name transformers gives it."""

    linear = "linear"
    cosine = "cosine"
    constant = "constant"
    constant_with_warmup = "constant_with_warmup"


class Objective(Enum):
    """What is trained: answers to instructions, or every token of raw text."""

    instruction = "instruction"
    language_modeling = "language_modeling"


class Protocol(Enum):
    """How a benchmark is answered: in words, or by the likelihoods of its possible answers."""

    generation = "generation"
    likelihood = "likelihood"


class Stage(Enum):
    """How far to go: everything, training alone, three measured steps, the checks, or the plan."""

    all = "all"
    train = "train"
    probe = "probe"
    check = "check"
    plan = "plan"


class Retry(Enum):
    """What a sweep does with cells that have been run before."""

    failed = "failed"
    none = "none"
    all = "all"


class Sharding(Enum):
    """What the processes of one cell divide: the examples alone, or the weights as well."""

    ddp = "ddp"
    fsdp = "fsdp"


class Language(Enum):
    """Languages of a collection, as the seed's table abbreviates them."""

    EN = "EN"
    CN = "CN"
    ML = "ML"
    """Many."""


class Task(Enum):
    """Whether a collection has one task or many."""

    TS = "TS"
    MT = "MT"


class Generation(Enum):
    """Who wrote a collection."""

    HG = "HG"
    """People."""
    SI = "SI"
    """A model, from seeds."""
    MIX = "MIX"
    """People and models."""
    COL = "COL"
    """Gathered from other collections."""


class Certainty(Enum):
    """How sure the facts about a collection are."""

    seen = "seen"
    """In the source."""
    computed = "computed"
    """From files that were seen."""
    inferred = "inferred"
    remembered = "remembered"
    unknown = "unknown"
