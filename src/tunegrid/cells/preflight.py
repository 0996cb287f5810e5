"""Every check of a cell that needs no weights, all problems at once.

Owns: what makes a configuration runnable. `settings_problems` answers in milliseconds without
torch; `architecture_problems` builds the real architecture on the meta device and is called
where torch is loaded. Knows nothing of Hydra and never changes a configuration.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunegrid.cells import api_base, inference_settings
from tunegrid.config.choices import Device
from tunegrid.config.errors import TunegridError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.config.functions import option_problems, suggestion
from tunegrid.config.names import name_problem, reads_as_missing
from tunegrid.config.ranges import range_problems
from tunegrid.config.schema import CellConfig, EvalConfig, benchmarks, is_api
from tunegrid.data import prompts
from tunegrid.models.methods.attach import PLANNED_STEPS, SUPPLIED
from tunegrid.models.methods.compatibility import reason_against, reason_against_checkpointing
from tunegrid.store.inputs.hub_commit import cached_config
from tunegrid.store.inputs.locate import CURRENT, FETCH, is_repository_id
from tunegrid.training import sharding

WEIGHTS = ("*.safetensors", "*.bin")
READ_WHOLE_BYTES = 64 * 2**20
"""Data up to this size are read before a sweep begins, so that cells are not refused one by one."""
WANDB_MODES = ("online", "offline", "disabled")


def settings_problems(config: CellConfig, planning: bool = False) -> list[str]:
    """Return what is wrong with the settings themselves; an empty list when nothing is.

    Args:
        config: with its paths already absolute.
        planning: whether the base may be out of reach, and nothing may be asked over the network.
    """
    ranges = [
        problem
        for problem in range_problems(config)
        # Nothing is trained without a method, so what training would be is not looked at.
        if config.peft.function is not None or not problem.startswith(("train.", "data."))
    ]
    checks: list[Callable[[CellConfig], Iterator[str]]] = [
        _names,
        _base if not planning else _base_directory,
        api_base.problems,
        _method,
        _data,
        _prompt,
        _train,
        _evaluation,
        inference_settings.problems,
        _judge,
        _logging,
        sharding.problems,
    ]
    return ranges + [problem for check in checks for problem in check(config)]


def _names(config: CellConfig) -> Iterator[str]:
    """Yield the names of choices that tables would lose; every one stands in a row."""
    for group in ("model", "peft", "quantization", "data", "prompt", "train", "judge"):
        problem = reads_as_missing(f"{group}.name", getattr(config, group).name)
        if problem is not None:
            yield problem
    for name in config.eval.benchmarks:
        problem = reads_as_missing("a name in eval.benchmarks", name)
        if problem is not None:
            yield problem


def absent_base(config: CellConfig) -> list[str]:
    """Return the line that says that the base does not lie here, neither asks the network."""
    path, revision = config.model.path, config.model.revision
    if is_api(config.model) or Path(path).is_dir() or not is_repository_id(path):
        return []
    if cached_config(path, revision) is not None:
        return []
    return [f"model.path: {path!r} is not in the cache of the model hub"]


def _base(config: CellConfig) -> Iterator[str]:
    if is_api(config.model):
        return
    yield from _base_directory(config)
    if (
        not Path(config.model.path).is_dir()
        and is_repository_id(config.model.path)
        and not _is_within_reach(config)
    ):
        yield (
            f"model.path: {config.model.path!r} is no directory here, not in the cache of the "
            "model hub, and the hub cannot be reached. Give a directory, download it where there "
            f"is a network (hf download {config.model.path}), or {FETCH}"
        )


def _base_directory(config: CellConfig) -> Iterator[str]:
    directory = Path(config.model.path)
    if directory.is_dir() and not is_api(config.model):
        if not (directory / "config.json").is_file():
            yield (
                f"model.path: {directory} has no config.json, so it is no base; give the directory "
                "that holds config.json, the tokenizer's files and the weights"
            )
        elif not any(found for form in WEIGHTS for found in directory.glob(form)):
            yield (
                f"model.path: {directory} has no weights ({', '.join(WEIGHTS)}); "
                "give the directory of a whole base"
            )
        if config.model.revision is not None:
            yield (
                "model.revision: a directory has no revisions; "
                "leave it null, or give a hub id as model.path"
            )


def _is_within_reach(config: CellConfig) -> bool:
    """Return whether a hub base is cached or the hub answers; asked before minutes of retries."""
    is_here = cached_config(config.model.path, config.model.revision) is not None
    return is_here or _hub_answers()


@functools.cache
def _hub_answers() -> bool:
    """Return whether the model hub can be reached; asked once, also for hundreds of cells."""
    import socket
    from urllib.parse import urlsplit

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _method(config: CellConfig) -> Iterator[str]:
    peft = config.peft
    if peft.function is None:
        if peft.options:
            yield "peft.options: a cell without a method takes no options; set peft.function"
        return
    yield from _wired("peft", "peft", peft.function, peft.options, SUPPLIED)
    reasons = [reason_against(peft, config.quantization.precision, config.model.architecture)]
    if config.runtime.gradient_checkpointing:
        reasons.append(reason_against_checkpointing(peft))
    yield from (reason for reason in reasons if reason is not None)


def _data(config: CellConfig) -> Iterator[str]:
    if config.peft.function is None or config.peft.imported is not None:
        return
    data = config.data
    if not data.files and not data.collections:
        yield (
            "data: neither files nor collections are given, so there is nothing to train on; "
            "for example data=files data.files=[a.json,b.json]"
        )
    for name, collection in data.collections.items():
        setting = f"data.collections.{name}"
        if not collection.files:
            yield f"{setting}.files: a collection needs at least one file"
        yield from _wired(setting, "collection", collection.function, collection.options, ("path",))


def _prompt(config: CellConfig) -> Iterator[str]:
    yield from prompts.problems(config.prompt)


def _train(config: CellConfig) -> Iterator[str]:
    if config.peft.function is None:
        return
    train = config.train
    if train.keep_best and not (
        config.data.validation_examples and train.evaluations_per_epoch > 0
    ):
        yield (
            "train.keep_best needs validation losses: set data.validation_examples and "
            "train.evaluations_per_epoch above 0, or train.keep_best=false"
        )
    if train.evaluations_per_epoch > 0 and not config.data.validation_examples:
        yield (
            "train.evaluations_per_epoch asks for validation losses, but nothing is held out: "
            "set data.validation_examples, or train.evaluations_per_epoch=0"
        )


def _evaluation(config: CellConfig) -> Iterator[str]:
    settings = config.eval
    for name, benchmark in benchmarks(config).items():
        problem = name_problem("a name in eval.benchmarks", name)
        if problem is not None:
            yield problem
        yield from _wired(
            f"eval.benchmarks.{name}", "benchmark", benchmark.function, benchmark.options, ("path",)
        )
    if settings.task_folder is not None and not settings.tasks:
        yield (
            "eval.tasks names no task of lm-evaluation-harness; "
            "for example eval.tasks=[mini_sums,mini_kinds]"
        )
    if settings.tasks and importlib.util.find_spec("lm_eval") is None:
        yield (
            "eval.tasks are run by lm-evaluation-harness, which is not installed; "
            "install it with: pip install 'tunegrid[harness]'"
        )
    yield from _decoding(settings)


def _decoding(settings: EvalConfig) -> Iterator[str]:
    decoding = settings.decoding
    if decoding.sample and not decoding.temperature > 0:
        yield (
            f"eval.decoding.temperature is {decoding.temperature}; sampling needs it above 0, "
            "greedy decoding is eval.decoding.sample=false"
        )


def _judge(config: CellConfig) -> Iterator[str]:
    problem = name_problem("judge.name", config.judge.name)
    if problem is not None:
        yield problem
    yield from _wired("judge", "judge", config.judge.function, config.judge.options, ())


def _logging(config: CellConfig) -> Iterator[str]:
    mode = config.logging.mode
    if mode not in WANDB_MODES:
        yield f"logging.mode: there is no mode {mode!r}{suggestion(mode, WANDB_MODES)}"
    elif config.logging.wandb and mode == "online" and not os.environ.get("WANDB_API_KEY"):
        yield (
            "logging.mode=online needs a key in the environment variable WANDB_API_KEY "
            "(never in a config); set it, or use logging.mode=offline and `wandb sync` later"
        )


def _wired(
    setting: str, group: str, function: str, options: dict[str, object], supplied: tuple[str, ...]
) -> Iterator[str]:
    """Yield the problems of a function named in YAML and its options."""
    yield from option_problems(setting, group, function, options, supplied)


def architecture_problems(config: CellConfig, *, elsewhere: bool = False) -> list[str]:
    """Return what the real architecture says against the cell; loads torch, no weights.

    The base is built on the meta device from its config.json, its tokenizer is loaded and the
    method attached, so that a wrong target or a too long text is found before anything starts.

    Args:
        config: of the cell.
        elsewhere: whether it will run on another machine, so that this one's GPUs say nothing.
    """
    if is_api(config.model):
        return []
    from tunegrid.models.bases import gpu_checks
    from tunegrid.models.bases.devices import torch_device
    from tunegrid.models.bases.loading import load_tokenizer
    from tunegrid.models.bases.skeleton import skeleton
    from tunegrid.models.methods.attach import attach_to_skeleton
    from tunegrid.models.quantization import problems as quantization_problems

    try:
        kind = "cpu" if config.runtime.device is Device.cpu else "cuda"
        if not elsewhere:
            kind = torch_device(config.runtime.device).type
        problems = quantization_problems(config.quantization, kind)
        tokenizer = load_tokenizer(config.model, CURRENT)
        base = skeleton(config.model, CURRENT, tokenizer)
    except TunegridError as error:
        return [f"model: {error}"]
    if not elsewhere:
        held = config.quantization
        problems += gpu_checks.problems(config.runtime.device, base.counts().total, held)
    if config.peft.function is None:
        return problems
    problems += _text_problems(config, tokenizer)
    problems += optimizer_problems(config.train.optimizer)
    # Tokens that a method puts in front take room in the context, too.
    in_front = int(config.peft.options.get("num_virtual_tokens") or 0)
    longest = config.train.max_length_tokens + in_front
    if base.context_tokens is not None and longest > base.context_tokens:
        problems.append(
            f"train.max_length_tokens is {config.train.max_length_tokens}"
            + (f", with {in_front} virtual tokens in front" if in_front else "")
            + f", but the base {config.model.name} reads at most {base.context_tokens} tokens"
        )
    try:
        attach_to_skeleton(
            config.peft,
            lambda: skeleton(config.model, CURRENT).model,
            config.train.max_steps or PLANNED_STEPS,
        )
    except TunegridError as error:
        problems.append(f"peft: {error}")
    return problems


def _text_problems(config: CellConfig, tokenizer: Any) -> list[str]:
    """Return what keeps every example from being encoded, whatever it says."""
    from tunegrid.data.tokens import encode_prompt, require_end

    found = []
    try:
        require_end(tokenizer)
    except TunegridError as error:
        found.append(f"model: {error}")
    try:
        encode_prompt(tokenizer, prompts.render(config.prompt, "a", "b"))
        encode_prompt(tokenizer, prompts.render(config.prompt, "a"))
    except TunegridError as error:
        found.append(f"prompt: {error}")
    return found


def data_problems(config: CellConfig) -> list[str]:
    """Return what the files of a mixture have against being read, before anything is launched.

    Small files are read whole, as the cell will read them. Of large ones only the beginning is
    looked at: what they are by their bytes.
    """
    from tunegrid.cells.stages.train import mixture_of
    from tunegrid.data import content, mixture

    if config.peft.function is None or config.peft.imported is not None:
        return []
    try:
        files = [
            Path(file)
            for collection in mixture.effective_collections(config.data)
            for file in collection.files
        ]
        there = [file for file in files if file.is_file()]
        if sum(file.stat().st_size for file in there) <= READ_WHOLE_BYTES:
            mixture_of(config)
            return []
        for file in there:
            content.opened(file).stream.close()
    except TunegridError as error:
        return [f"data: {error}"]
    return []


def data_key(config: CellConfig) -> str:
    """Return what `data_problems` depends on."""
    return canonical_json([asdict(config.data), config.seed, config.peft.function is None])


def optimizer_problems(name: str) -> list[str]:
    """Return why `train.optimizer` cannot be used; loads torch."""
    from transformers.training_args import OptimizerNames

    accepted = [one.value for one in OptimizerNames]
    if name in accepted:
        return []
    return [f"train.optimizer: there is no optimizer {name!r}{suggestion(name, accepted)}"]


def architecture_key(config: CellConfig) -> str:
    """Return what `architecture_problems` depends on: equal keys have equal problems."""
    return canonical_json(
        [
            asdict(config.model),
            asdict(config.peft),
            asdict(config.quantization),
            config.runtime.device,
            config.train.max_length_tokens,
            config.train.max_steps,
            config.train.optimizer,
            asdict(config.prompt),
        ]
    )
