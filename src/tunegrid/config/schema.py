"""The configuration of one cell as dataclasses: every setting, its type and its default.

Owns: names, types, units, defaults and ranges of all settings. Knows nothing of Hydra, files or
torch.
`"???"` marks a setting that must be given; None means "none, on purpose".

The dataclasses are not frozen because OmegaConf would make the composed config read-only; the
cell that comes out of `tunegrid.cells.check` is never changed after it was checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

from tunegrid.config.choices import (
    Attention,
    Certainty,
    Device,
    Dtype,
    Engine,
    Generation,
    Language,
    Layout,
    Objective,
    Precision,
    Protocol,
    Retry,
    Schedule,
    Sharding,
    Stage,
    Task,
)

MISSING = "???"
API = "api"
"""The architecture of a base behind a server: nothing of it lies here."""
API_IDENTITY = {"model": "", "system": "", "server_decoding": False}
"""The options of such a base that its answers depend on, with what each is by default."""
AUTO = "auto"
"""For settings of `model` that are read from the base's config.json."""


@dataclass
class SourceConfig:
    """Where inputs come from, for `tunegrid fetch`; changes no result."""

    repository: str | None = None
    """A dataset repository of the model hub."""
    revision: str | None = None
    """Its commit or tag; None takes its main branch."""
    url: str | None = None
    """Instead of a repository: an https address that ends before the names in `files`."""
    files: list[str] = field(default_factory=list)
    """The files there, in the order of the paths they are brought to."""
    sha256: list[str] = field(default_factory=list)
    """Their hashes, in the same order; empty where the server is the only one that knows."""
    size_bytes: int | None = None
    """Stated size of all of them together."""


@dataclass
class ModelConfig:
    """A base: where it lies and the facts of its architecture that others refer to."""

    name: str = MISSING
    path: str = MISSING
    """A directory, or a repository id of the model hub."""
    revision: str | None = None
    """Commit or tag on the hub; must be None for a directory."""
    licence: str | None = None
    """As its authors name it, for reports; None where it is not known."""
    gated: bool = False
    """Whether the hub gives it only to accounts that accepted its licence; for messages."""
    architecture: str = MISSING
    """The `model_type` of its config.json: checked against the file. `auto` reads it there, with
    name, modules and dtype as far as they are not given."""
    attention_modules: list[str] = field(default_factory=list)
    """Projections of the attention input that the study's LoRA sits on."""
    linear_modules: list[str] = field(default_factory=list)
    """Every linear projection inside the blocks."""
    dtype: Dtype = Dtype.float32
    """The type to compute in when the weights are held in 8 or 4 bit."""
    architecture_config: dict[str, Any] = field(default_factory=dict)
    """The base's own numbers, as its config.json has them: what `tunegrid methods` and the plan
    count with where no config.json is at hand. Never used to train."""
    characters_per_token: dict[str, float] = field(default_factory=dict)
    """Stated mean by language (`en`, `zh`), for plans where the tokenizer is not at hand."""
    download_bytes: int | None = None
    """Stated size of its files on the hub."""
    where_from: str | None = None
    """How to come by a base that no hub has, for whoever has no copy."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of model=api alone: where its server is and how it is asked."""


@dataclass
class PeftConfig:
    """A method: the function that makes a base trainable, and its options."""

    name: str = MISSING
    function: str | None = None
    """Names `attach(model, ...)` as `module.function`; None evaluates the base as it is."""
    options: dict[str, Any] = field(default_factory=dict)
    precisions: list[Precision] = field(default_factory=list)
    """The only precisions of the base that the method is defined over; empty for all."""
    learning_rate: Annotated[float, Gt(0), "for train.learning_rate"] | None = None
    """The method's own; overrides `train.learning_rate` when given."""
    imported: str | None = None
    """The hash of weights that were trained elsewhere; `tunegrid import-adapter` sets it."""


@dataclass
class QuantizationConfig:
    """How the base's weights are held while the method trains."""

    name: str = MISSING
    precision: Precision = Precision.fp32
    dtype: Dtype = Dtype.float32
    """The type of the computation, and of what is not quantized."""
    double_quantization: bool = True
    """nf4: quantize the block scales too."""
    int8_threshold: Annotated[float, Ge(0)] = 6.0
    """int8: of LLM.int8 (section 3.2). No activation is rounded here, so that it changes nothing;
    it stands for what cells are named by."""


@dataclass
class CatalogueConfig:
    """What is known about a collection, for `tunegrid data list`; changes no result."""

    row: str | None = None
    """Its name in the table of Alpaca-CoT; several collections may be parts of one row."""
    row_size: int | None = None
    """The number that the table states for the whole row."""
    language: list[Language] = field(default_factory=list)
    task: list[Task] = field(default_factory=list)
    generation: list[Generation] = field(default_factory=list)
    type: str | None = None
    """What it is about, in the table's words."""
    original: str | None = None
    """Where the texts come from."""
    licence: str | None = None
    """None where none is stated."""
    certainty: Certainty = Certainty.unknown
    """Of its files and fields."""


@dataclass
class CollectionConfig:
    """One raw instruction dataset: its files, the reader and the reader's options."""

    name: str = MISSING
    files: list[str] = field(default_factory=list)
    function: str = "instructions.read"
    options: dict[str, Any] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    count: Annotated[int, Ge(1), "for all"] | None = None
    """Examples to draw with the cell's seed; None takes all."""
    source: SourceConfig | None = None
    catalogue: CatalogueConfig | None = None
    stated_examples: int | None = None
    """Examples the collection is said to have, for plans where its files are not at hand."""
    stated_characters: float | None = None
    """The same: mean characters of an example (instruction, input and output together)."""


@dataclass
class DataConfig:
    """What a cell trains on: collections, or plain files, with the limits of rule 1."""

    name: str = MISSING
    files: list[str] = field(default_factory=list)
    """Instruction files without a collection of their own; each becomes one, named by its stem."""
    collections: dict[str, CollectionConfig] = field(default_factory=dict)
    validation_examples: Annotated[int, Ge(0)] = 0
    """Held out from the mixture with the cell's seed."""
    max_characters: Annotated[int, Ge(1), "for no limit"] | None = None
    """Examples with more characters (instruction, input and output together) are left out."""
    max_rejected_share: Annotated[float, Ge(0), Le(1)] = 0.01
    """A file with a larger share of unusable records is refused."""


@dataclass
class PromptConfig:
    """The templates of one prompt language; `{instruction}` and `{input}` are filled in."""

    name: str = MISSING
    language: str = MISSING
    with_input: str = MISSING
    without_input: str = MISSING
    multiple_choice: str = MISSING
    """The form the study gives to exam items; `{instruction}` is the question with its options."""
    separator: str = " "
    """Between the prompt and the answer."""
    stop: str = "###"
    """Where an answer is cut; generation stops when it appears."""


@dataclass
class TrainConfig:
    """Optimization settings; what of them changes weights is part of a cell's identity."""

    name: str = MISSING
    epochs: Annotated[float, Gt(0)] = 1.0
    max_steps: Annotated[int, Ge(1), "for train.epochs"] | None = None
    """Optimizer steps; overrides `epochs` when given."""
    examples_per_step: Annotated[int, Ge(1)] = 32
    """Examples of one optimizer step, over all devices."""
    learning_rate: Annotated[float, Gt(0)] = 3e-4
    schedule: Schedule = Schedule.linear
    warmup_share: Annotated[float, Ge(0), Lt(1)] = 0.03
    """Share of the optimizer steps over which the learning rate rises from 0."""
    optimizer: str = "adamw_torch"
    """A name that `transformers.TrainingArguments.optim` accepts."""
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-8
    weight_decay: Annotated[float, Ge(0)] = 0.0
    max_gradient_norm: Annotated[float, Gt(0)] = 1.0
    max_length_tokens: Annotated[int, Ge(1)] = 512
    """Longer examples are cut at the end; one whose prompt alone is longer is rejected."""
    train_on_prompt: bool = False
    objective: Objective = Objective.instruction
    """`language_modeling` trains every token of raw text (data=raw_text), in blocks of
    `max_length_tokens`."""
    log_every_steps: Annotated[int, Ge(1)] = 1
    checkpoints_per_epoch: Annotated[int, Ge(0)] = 4
    """How often training can be continued from."""
    evaluations_per_epoch: Annotated[int, Ge(0)] = 0
    """Validation losses an epoch; needs `data.validation_examples`."""
    keep_best: bool = False
    """Export the checkpoint with the lowest validation loss instead of the last one."""


@dataclass
class DecodingConfig:
    """How answers are generated."""

    max_new_tokens: Annotated[int, Ge(1)] = 512
    sample: bool = False
    beams: Annotated[int, Ge(1)] = 1
    temperature: float = 1.0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    top_k: Annotated[int, Ge(0)] = 50
    repetition_penalty: Annotated[float, Gt(0), "1.0 changes nothing"] = 1.0
    no_repeat_ngram_size: Annotated[int, Ge(0)] = 0


@dataclass
class BenchmarkConfig:
    """One benchmark: where it lies, the function that reads it, and how it is answered."""

    function: str = MISSING
    path: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)
    max_new_tokens: Annotated[int, Ge(1), "for eval.decoding's"] | None = None
    """Overrides `eval.decoding.max_new_tokens` for this benchmark."""
    protocols: list[Protocol] = field(default_factory=lambda: [Protocol.generation])
    """Each gives rows of its own; `likelihood` needs a benchmark with choices."""
    stops_when_decided: bool = True
    """End an answer as soon as nothing further can change what the scoring rule reads in it;
    without beams, and only for benchmarks whose rule says so."""
    where_from: str | None = None
    """Whose it is and what to get, for whoever has no copy."""
    source: SourceConfig | None = None
    stated_items: int | None = None
    """Items the benchmark is said to have, for plans where its files are not at hand."""


@dataclass
class EvalConfig:
    """Which benchmarks, how many of their items and how to decode."""

    name: str = MISSING
    limit: Annotated[int, Ge(1), "for all items"] | None = None
    """Items a benchmark, evenly spaced over its file; None takes all."""
    prompt_suffix: str = ""
    """Appended to every instruction at evaluation (the study's Table 8)."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    precision: Precision | None = None
    """How the base of a trained cell is held while it answers; None as it was trained."""
    merged: bool = False
    """Answer with the trained weights added to the base's own, rounded to the type it computes
    in, instead of beside them."""
    engine: Engine = Engine.transformers
    """What answers in words; `vllm` for the bases and methods it takes, on a GPU."""
    benchmarks: dict[str, BenchmarkConfig | None] = field(default_factory=dict)
    """By name, in the order in which they are answered; None leaves one out."""
    tasks: list[str] = field(default_factory=list)
    """Tasks of lm-evaluation-harness, run on the cell's model; needs the extra `harness`."""
    task_folder: str | None = None
    """Task definitions of one's own; their relative data files are found beside them."""
    shots: Annotated[int, Ge(0), "for each task's own"] | None = None
    """Few-shot examples in front of each item of `tasks`; None leaves it to each task."""


@dataclass
class JudgeConfig:
    """What rates the answers that have no rule of their own."""

    name: str = MISSING
    function: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class LoggingConfig:
    """Where training curves go besides `train.jsonl`."""

    name: str = MISSING
    wandb: bool = False
    project: str = "tunegrid"
    mode: str = "offline"
    """`online`, `offline` or `disabled`; the key comes from WANDB_API_KEY alone."""


@dataclass
class RuntimeConfig:
    """Where and how fast a cell runs; no part of its identity."""

    results: str = "results"
    device: Device = Device.auto
    threads: Annotated[int, Ge(1), "for all cores"] | None = None
    """CPU threads; None takes all cores, and one for bases of fewer than 20 million parameters."""
    micro_batch_tokens: Annotated[int, Ge(1)] = 2048
    """Padded tokens a forward and backward pass may hold."""
    generation_batch_tokens: Annotated[int, Ge(1)] = 8192
    """Prompt and new tokens a generation batch may hold."""
    layout: Layout = Layout.auto
    attention: Attention = Attention.auto
    gradient_checkpointing: bool | None = None
    """Compute activations again instead of keeping them; None: where they would not fit."""
    keep_checkpoint: bool = False
    """Keep the last checkpoint after the adapter is exported."""
    progress: bool = True
    memory_limit_gb: Annotated[float, Gt(0), "for no limit"] | None = None
    """Memory a cell's process may take; one that wants more fails, the machine stays usable."""
    gpus_per_cell: Annotated[int, Ge(1)] = 1
    """Processes that share each cell, one a GPU (with device=cpu: one a share of the cores)."""
    sharding: Sharding = Sharding.ddp
    planned_device: str | None = None
    """The graphics card that `stage=plan` reckons with, such as A100; None: this machine's."""
    parallel: Annotated[int, Ge(1)] = 1
    """Cells of a sweep at once on this machine, each with its share of threads and GPUs."""
    retry: Retry = Retry.failed
    """Which cells of a sweep run again: failed ones, none, or all (what they had is kept aside)."""
    fail_fast: bool = False
    """Stop a sweep at its first failed cell; without it the others go on."""
    max_cells: Annotated[int, Ge(1)] = 2000
    """A sweep of more cells is refused."""
    detach: bool = False
    """On SLURM: submit and end; `tunegrid status` and `tunegrid collect` go on."""
    cells_per_job: Annotated[int, Ge(1)] = 1
    """On SLURM: cells that one job runs, one after another."""


@dataclass
class CellConfig:
    """One cell as composed from the groups."""

    model: ModelConfig = field(default_factory=ModelConfig)
    peft: PeftConfig = field(default_factory=PeftConfig)
    quantization: QuantizationConfig = field(default_factory=QuantizationConfig)
    data: DataConfig = field(default_factory=DataConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    stage: Stage = Stage.all


def is_api(model: ModelConfig) -> bool:
    """Return whether a base answers behind a server, so that no file of it is here."""
    return model.architecture == API


def benchmarks(config: CellConfig) -> dict[str, BenchmarkConfig]:
    """Return the cell's benchmarks by name; their order is the order of evaluation."""
    named = config.eval.benchmarks.items()
    return {name: benchmark for name, benchmark in named if benchmark is not None}
