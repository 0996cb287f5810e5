"""Answers of a model to prompts, in batches.

Owns: batching, decoding and when an answer ends. Knows nothing of templates, benchmarks or files.

Guaranteed: greedy and beam answers do not depend on how prompts are batched, up to rounding, also
on 8-bit bases (`tunegrid.models.bases.packed`). Sampled answers depend on the seed and on the
prompts of their batch, so the same call gives the same answers; a call that names what is `done`
already plans the same batches and repeats one that was left half done, and so gives the same
answers as well. A batch that was halved because memory ran out draws differently; each answer says
how many shared its batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tunegrid.config.errors import DataError, StageError
from tunegrid.config.schema import DecodingConfig
from tunegrid.data.tokens import encode_prompts
from tunegrid.models.bases.devices import context_tokens
from tunegrid.models.inference.stopping import decision, decode, first_with, settled_text, stop_text
from tunegrid.models.inference.unpacked import held_unpacked
from tunegrid.models.memory_errors import give_back, is_out_of_memory
from tunegrid.models.seeding import derived_seed

Rule = Callable[[str], bool]


@dataclass(frozen=True)
class Answer:
    """What a model wrote behind a prompt."""

    text: str
    """The continuation without special tokens, not cut at the stop text."""
    new_tokens: int
    """Tokens written, the end-of-sequence token included."""
    finished: str
    """`eos`: the model ended it; `stop`: the stop text appeared; `decided`: nothing further could
    change what is read in it; `length`: `max_new_tokens` were written; `context`: the base reads
    no further."""
    batch_rows: int = field(default=1, compare=False)
    """How many prompts were answered together with it, itself included."""


@dataclass
class _Memory:
    """What was found out about the memory: more rows than these did not fit."""

    most_rows: int | None = None


def answer(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    decoding: DecodingConfig,
    max_new_tokens: int,
    stop: str,
    batch_tokens: int,
    seed: int,
    progress_label: str,
    progress: bool,
    done: Collection[int] = (),
    is_decided: Callable[[int, str], bool] | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Yield the position of each prompt and its answer, longest prompts first.

    A prompt that leaves less room than `max_new_tokens` in the base's context is answered in what
    it leaves; one that fills the context has the answer "" (`finished` is then `context`).

    Args:
        model: a causal language model, with or without a method; left in the mode it was in.
        tokenizer: the base's.
        prompts: texts as `prompts.render` makes them.
        decoding: how to decode; its `max_new_tokens` is not read.
        max_new_tokens: at most so many tokens an answer.
        stop: an answer ends when this appears in it; empty for never.
        batch_tokens: prompt and new tokens of a batch, padding included.
        seed: for sampling; whatever was drawn before has no influence.
        progress_label: shown beside the progress bar.
        progress: whether to show one on standard error.
        done: positions that are answered already and not wanted again.
        is_decided: whether the beginning of the answer to the prompt at a position decides what
            will be read in it, whatever follows; that answer ends there. Not with beams.

    Raises:
        StageError: the GPU's memory does not suffice for a single prompt.

    """
    from tqdm import tqdm

    encoded = encode_prompts(tokenizer, prompts)
    room = _room(model, encoded, max_new_tokens)
    skipped = frozenset(done)
    for index in sorted(index for index, tokens in enumerate(room) if tokens < 1):
        if index not in skipped:
            yield index, Answer("", 0, "context")
    batches = _batches(model, encoded, room, max_new_tokens, batch_tokens // decoding.beams)
    memory = _Memory()
    bar = tqdm(
        total=len(prompts),
        initial=len(skipped),
        desc=progress_label,
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar, answering(model):
        for indices in batches:
            if skipped.issuperset(indices):
                continue
            rows = [encoded[index] for index in indices]
            rules = None if is_decided is None else [partial(is_decided, i) for i in indices]
            seed_of_batch = derived_seed(seed, *(prompts[index] for index in indices))
            tokens = room[indices[0]]
            configuration = _generation_config(tokenizer, decoding, tokens)
            outputs = _continue(
                model, tokenizer, rows, rules, configuration, stop, seed_of_batch, memory
            )
            for row, (index, ids) in enumerate(zip(indices, outputs, strict=True)):
                if index not in skipped:
                    rule = None if rules is None else rules[row]
                    shared = min(len(rows), memory.most_rows or len(rows))
                    given = read_answer(tokenizer, ids, stop, rule, shared)
                    if given.finished == "length" and tokens < max_new_tokens:
                        given = replace(given, finished="context")
                    yield index, given
                    bar.update()


def _room(model: Any, encoded: Sequence[Sequence[int]], max_new_tokens: int) -> list[int]:
    """Return for each prompt how many tokens may be written; none or less where it fills the base.

    The prompt itself is never cut: a cut prompt is another question.
    """
    limit = context_tokens(model.config)
    if limit is None:
        return [max_new_tokens] * len(encoded)
    front = _tokens_in_front(model)
    return [min(max_new_tokens, limit - front - len(ids)) for ids in encoded]


def _batches(
    model: Any,
    encoded: Sequence[Sequence[int]],
    room: Sequence[int],
    max_new_tokens: int,
    budget_tokens: int,
) -> list[list[int]]:
    """Return the positions of each batch's prompts; those short of room are answered alone.

    So how much of an answer is written never depends on its neighbours.
    """
    full = [index for index, tokens in enumerate(room) if tokens == max_new_tokens]
    planned = plan_batches(
        [len(encoded[index]) for index in full],
        max_new_tokens,
        budget_tokens,
        equal_lengths=puts_tokens_in_front(model),
    )
    short = [[index] for index, tokens in enumerate(room) if 1 <= tokens < max_new_tokens]
    return short + [[full[position] for position in batch] for batch in planned]


def plan_batches(
    lengths: Sequence[int], new_tokens: int, budget_tokens: int, *, equal_lengths: bool
) -> list[list[int]]:
    """Return the positions of the prompts of each batch, longest first.

    Args:
        lengths: tokens of each prompt.
        new_tokens: room for each answer.
        budget_tokens: of a batch's rows, padded to the longest, with the answers; a prompt that
            exceeds it on its own has a batch of its own.
        equal_lengths: whether only prompts of the same length may share a batch.

    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        if batches:
            longest = lengths[batches[-1][0]]
            fits = (longest + new_tokens) * (len(batches[-1]) + 1) <= budget_tokens
            if fits and (not equal_lengths or longest == lengths[index]):
                batches[-1].append(index)
                continue
        batches.append([index])
    return batches


def refuse_long(model: Any, encoded: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Raise when prompts leave no room for an answer: a cut prompt is another question."""
    limit = context_tokens(model.config)
    if limit is None:
        return
    room = limit - max_new_tokens - _tokens_in_front(model)
    long = [(index, len(ids)) for index, ids in enumerate(encoded) if len(ids) > room]
    if long:
        named = ", ".join(f"{index} ({tokens} tokens)" for index, tokens in long[:10])
        raise DataError(
            f"{len(long)} of {len(encoded)} prompts have more than the {room} tokens that a "
            f"context of {limit} leaves beside {max_new_tokens} new ones; positions, from 0: "
            f"{named}; lower max_new_tokens, or leave these items out"
        )


def _method_config(model: Any) -> Any:
    """Return peft's config of the active adapter, or None for a plain model."""
    return getattr(model, "active_peft_config", None) if hasattr(model, "peft_config") else None


def puts_tokens_in_front(model: Any) -> bool:
    """Return whether the method writes its own tokens between padding and prompt.

    Prompt tuning does, which moves the positions of padded prompts on bases with rotary positions:
    such prompts share a batch only when they need no padding.
    """
    config = _method_config(model)
    return config is not None and config.is_prompt_learning


def _tokens_in_front(model: Any) -> int:
    config = _method_config(model)
    return getattr(config, "num_virtual_tokens", 0) or 0


def _generation_config(tokenizer: Any, decoding: DecodingConfig, max_new_tokens: int) -> Any:
    """Return transformers' settings; all of them, so that none comes from the base's own file."""
    from transformers import GenerationConfig

    sampling = {}
    if decoding.sample:
        sampling = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k,
        }
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=decoding.sample,
        num_beams=decoding.beams,
        repetition_penalty=decoding.repetition_penalty,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
        **sampling,
    )


@contextlib.contextmanager
def answering(model: Any) -> Iterator[None]:
    """Put the model into evaluation mode with a cache of keys, computing in its type; and back."""
    from transformers import GenerationConfig

    from tunegrid.models.compute import computing

    was_training = model.training
    use_cache = model.config.use_cache
    own_settings = model.generation_config
    model.eval()
    model.config.use_cache = True
    # A base's own file may ask for sampling or other ends; what the cell says counts alone.
    model.generation_config = GenerationConfig()
    try:
        with computing(model), held_unpacked(model):
            yield
    finally:
        model.generation_config = own_settings
        model.config.use_cache = use_cache
        model.train(was_training)


def _continue(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    rules: Sequence[Rule] | None,
    configuration: Any,
    stop: str,
    seed: int,
    memory: _Memory,
) -> list[list[int]]:
    """Return the new ids of each row, with whatever fills it up behind its end.

    When memory does not suffice, the batch is halved, and later ones begin with the half.
    """
    outputs: list[list[int]] = []
    while len(outputs) < len(rows):
        start = len(outputs)
        end = min(len(rows), start + (memory.most_rows or len(rows)))
        part = None if rules is None else rules[start:end]
        try:
            outputs += _continue_at_once(
                model, tokenizer, rows[start:end], part, configuration, stop, seed
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if end - start == 1:
                raise StageError(
                    f"the memory does not suffice for a prompt of {len(rows[start])} tokens and "
                    "its answer; lower max_new_tokens, or hold the base in 8 or 4 bit"
                ) from error
            memory.most_rows = (end - start) // 2
        else:
            continue
        # Not inside of the handler: the error holds on to the tensors of the frames it came from.
        give_back()
    return outputs


def _continue_at_once(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    rules: Sequence[Rule] | None,
    configuration: Any,
    stop: str,
    seed: int,
) -> list[list[int]]:
    import torch
    from transformers import StoppingCriteriaList

    width = max(len(ids) for ids in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for row, prompt in enumerate(rows):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    device = model.get_input_embeddings().weight.device
    criteria = StoppingCriteriaList([stop_text(tokenizer, stop, width)] if stop else [])
    if rules is not None:
        criteria.append(decision(tokenizer, rules, width))
    with torch.random.fork_rng(
        devices=[device] if device.type == "cuda" else [], enabled=configuration.do_sample
    ):
        if configuration.do_sample:
            torch.manual_seed(seed)
        output = model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=configuration,
            stopping_criteria=criteria,
        )
    return output[:, width:].tolist()


def read_answer(tokenizer: Any, ids: list[int], stop: str, rule: Rule | None, rows: int) -> Answer:
    """Return the answer in new ids, without what fills the row up behind its end."""
    ended = tokenizer.eos_token_id in ids
    own = ids[: ids.index(tokenizer.eos_token_id)] if ended else ids
    finished = "eos" if ended else "length"
    text = decode(tokenizer, own)
    if stop and stop in text:
        own = own[: first_with(own, lambda part: stop in decode(tokenizer, part))]
        finished = "stop"
    # A row whose stop text completes the decision was ended by both; the stop text is named.
    if rule is not None and rule(settled_text(tokenizer, own)):
        needed = first_with(own, lambda part: rule(settled_text(tokenizer, part)))
        if needed < len(own) or finished != "stop":
            own, finished = own[:needed], "decided"
    new_tokens = len(own) + (finished == "eos")
    return Answer(decode(tokenizer, own), new_tokens, finished, rows)
