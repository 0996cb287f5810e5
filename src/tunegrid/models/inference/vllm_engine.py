"""Answers by vLLM instead of transformers: the same prompts, limits, stops and reading of answers.

Owns: what of a cell vLLM can answer, and the translation of its settings. Written for the interface
of vLLM 0.11 (`LLM`, `SamplingParams`, `TokensPrompt`, `LoRARequest`); it has not run on a GPU
(docs/findings.md), so that what the tests hold is the translation.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Device, Precision, Protocol
from tunegrid.config.schema import CellConfig, DecodingConfig, ModelConfig, benchmarks
from tunegrid.data.tokens import encode_prompts
from tunegrid.models.inference.generation import Answer, read_answer
from tunegrid.models.methods.compatibility import kind_of
from tunegrid.models.seeding import derived_seed

ARCHITECTURES = ("bloom", "gemma3_text", "glm", "llama", "mistral", "qwen3")
"""Those that vLLM states to support (its list of supported models) and that this project leaves to
transformers' own code."""
WITHOUT_LORA = ("bloom",)
"""Those among them that take no adapter: the same list's column LoRA is empty for them, and vLLM
refuses one only when the base is loaded, which is after the training."""
OF_PLAIN_LORA = (
    "exclude_modules", "fan_in_fan_out", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_dropout", "r", "ratio", "target_modules", "type",
)  # fmt: skip
"""Options that leave LoRA what vLLM computes: one rank and one scale for all modules, no biases.
`ratio` is LoRA+'s and concerns training alone."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM accepts for the largest rank of an adapter."""
AT_ONCE = 256
"""Prompts handed over together: what an interrupted cell has to repeat."""


def problems(config: CellConfig) -> Iterator[str]:
    """Yield why vLLM cannot answer for a cell; imports neither vLLM nor torch."""
    back = "set eval.engine=transformers"
    decoding = config.eval.decoding
    if importlib.util.find_spec("vllm") is None:
        yield f"eval.engine=vllm needs the package: pip install 'tunegrid[vllm]'; or {back}"
    if config.runtime.device is Device.cpu:
        yield f"eval.engine=vllm needs a GPU, and runtime.device is cpu; {back}"
    if config.model.architecture not in ARCHITECTURES:
        yield (
            f"eval.engine=vllm is offered for {', '.join(ARCHITECTURES)}, and "
            f"{config.model.name} is {config.model.architecture!r}; {back}"
        )
    if config.quantization.precision in (Precision.int8, Precision.nf4):
        yield (
            f"eval.engine=vllm would multiply the weights of {config.quantization.precision.value} "
            f"in another way than they were trained with; use bf16 or fp16, or {back}"
        )
    if config.eval.precision is not None or config.eval.merged:
        yield f"eval.engine=vllm holds the base as it was trained; leave eval.precision, or {back}"
    if decoding.beams > 1 or decoding.no_repeat_ngram_size > 0:
        yield f"eval.engine=vllm has neither beams nor no_repeat_ngram_size; {back}"
    if config.eval.tasks:
        yield f"eval.tasks are run on transformers' model; {back}"
    asked = benchmarks(config).items()
    by_likelihood = [name for name, one in asked if Protocol.likelihood in one.protocols]
    if by_likelihood:
        yield f"eval.engine=vllm answers in words, not {', '.join(by_likelihood)} by likelihood"
    yield from (f"{problem}; {back}" for problem in _method_problems(config))


def _method_problems(config: CellConfig) -> Iterator[str]:
    """Yield why vLLM cannot answer with a cell's method over its base."""
    peft, model = config.peft, config.model
    kind = kind_of(peft)
    if kind == "none":
        return
    if kind == "LORA" and model.architecture in WITHOUT_LORA:
        yield (
            f"eval.engine=vllm takes no adapter over {model.architecture}, and peft={peft.name} is "
            "one; only peft=none goes with it there"
        )
    odd = sorted(name for name, value in peft.options.items() if not _is_plain(name, value))
    if kind != "LORA" or odd:
        yield (
            f"eval.engine=vllm takes plain LoRA or no method, and peft={peft.name} is "
            f"neither{' with ' + ', '.join(odd) if odd else ''}"
        )
        return
    linear = {*model.attention_modules, *model.linear_modules}
    named = peft.options.get("target_modules")
    if isinstance(named, str):
        named = [] if named == "all-linear" else [named]
    others = sorted({*(named or [])} - linear)
    if others:
        yield (
            f"eval.engine=vllm takes LoRA over linear modules, and {', '.join(others)} in "
            f"peft.options.target_modules are not among the model's ({', '.join(sorted(linear))}); "
            "name them in model.linear_modules if they are linear"
        )


def _is_plain(name: str, value: Any) -> bool:
    """Return whether an option leaves LoRA plain: one of those, or one that asks for nothing."""
    if name == "bias":
        return value in (None, "none")
    if name == "init_lora_weights":
        # Any other start (pissa, olora, loftq, corda, eva) may change the base's own weights.
        return value in (None, True, False, "gaussian")
    return name in OF_PLAIN_LORA or not value


def load(model: ModelConfig, path: str, dtype: str, rank: int | None, room: int | None) -> Any:
    """Return vLLM with a base.

    Args:
        model: which base.
        path: where it lies.
        dtype: of its weights and the computation.
        rank: of the adapter; None for a base without one.
        room: the longest text; None for what the base says.

    """
    from vllm import LLM

    adapters: dict[str, Any] = {}
    if rank is not None:
        fitting = next((one for one in RANKS if one >= rank), None)
        if fitting is None:
            raise ValueError(f"vLLM takes adapters of rank {RANKS[-1]} at most, this has {rank}")
        adapters = {"enable_lora": True, "max_lora_rank": fitting}
    return LLM(
        model=path, revision=model.revision, dtype=dtype, trust_remote_code=False,
        enable_prefix_caching=False, max_model_len=room, seed=0, **adapters,
    )  # fmt: skip


def answer(
    engine: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    decoding: DecodingConfig,
    max_new_tokens: int,
    stop: str,
    room: int | None,
    adapter: Path | None,
    seed: int,
    progress_label: str,
    progress: bool,
    done: Collection[int] = (),
    is_decided: Callable[[int, str], bool] | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Yield the position of each prompt and its answer; see `generation.answer`.

    Args:
        engine: as `load` returns it.
        tokenizer: the base's.
        prompts: texts as `prompts.render` makes them.
        decoding: how to decode; its `max_new_tokens` is not read.
        max_new_tokens: at most so many tokens an answer.
        stop: an answer ends when this appears in it; empty for never.
        room: the longest text the base reads; None for no limit.
        adapter: directory of the adapter; None for a base without one.
        seed: for sampling; each prompt has its own, so that neighbours have no influence.
        progress_label: shown beside the progress bar.
        progress: whether to show one on standard error.
        done: positions that are answered already and not wanted again.
        is_decided: whether the beginning of an answer decides what will be read in it.

    """
    from tqdm import tqdm

    encoded = encode_prompts(tokenizer, prompts)
    left = [
        max_new_tokens if room is None else min(max_new_tokens, room - len(ids)) for ids in encoded
    ]
    skipped = frozenset(done)
    waiting = [index for index in range(len(prompts)) if index not in skipped]
    for index in [index for index in waiting if left[index] < 1]:
        yield index, Answer("", 0, "context")
    waiting = sorted((i for i in waiting if left[i] >= 1), key=lambda i: -len(encoded[i]))
    bar = tqdm(
        total=len(prompts), initial=len(prompts) - len(waiting), desc=progress_label,
        disable=not progress, dynamic_ncols=True,
    )  # fmt: skip
    with bar:
        for start in range(0, len(waiting), AT_ONCE):
            part = waiting[start : start + AT_ONCE]
            settings = [
                sampling(tokenizer, decoding, left[i], stop, derived_seed(seed, prompts[i]))
                for i in part
            ]
            for index, ids in zip(
                part, _continued(engine, [encoded[i] for i in part], settings, adapter), strict=True
            ):
                rule = None if is_decided is None else partial(is_decided, index)
                given = read_answer(tokenizer, ids, stop, rule, 1)
                if given.finished == "length" and left[index] < max_new_tokens:
                    given = replace(given, finished="context")
                yield index, given
                bar.update()


def sampling(
    tokenizer: Any, decoding: DecodingConfig, max_new_tokens: int, stop: str, seed: int
) -> dict[str, Any]:
    """Return the arguments of vLLM's `SamplingParams`, all of them: none comes from the base.

    Unless ends are ignored, vLLM adds those of the base's generation_config.json to the given ones
    (`SamplingParams.update_from_generation_config`); transformers is not given those here either.
    The end-of-sequence token is named as a stop token, which holds in spite of that.
    """
    drawn: dict[str, Any] = {"temperature": 0.0, "top_p": 1.0, "top_k": -1, "seed": None}
    if decoding.sample:
        drawn = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            # transformers says 0 where all words may be drawn, vLLM -1.
            "top_k": decoding.top_k or -1,
            "seed": seed % 2**31,
        }
    return drawn | {
        "repetition_penalty": decoding.repetition_penalty,
        "max_tokens": max_new_tokens,
        "stop": [stop] if stop else [],
        "stop_token_ids": [tokenizer.eos_token_id],
        "include_stop_str_in_output": True,
        "ignore_eos": True,
        "skip_special_tokens": False,
    }


def _continued(
    engine: Any, rows: Sequence[list[int]], settings: Sequence[dict[str, Any]], adapter: Path | None
) -> list[list[int]]:
    """Return the new ids of each row."""
    from vllm import SamplingParams
    from vllm.inputs import TokensPrompt
    from vllm.lora.request import LoRARequest

    request = None if adapter is None else LoRARequest("cell", 1, str(adapter))
    found = engine.generate(
        [TokensPrompt(prompt_token_ids=ids) for ids in rows],
        [SamplingParams(**one) for one in settings],
        lora_request=request,
        use_tqdm=False,
    )
    return [list(one.outputs[0].token_ids) for one in found]
