"""Log-likelihoods of given answers, all of an item's from one reading of its prompt.

Owns: the shared reading (prefill) and the branches behind it. Knows nothing of templates,
benchmarks or files.

The prompt's keys and values are computed once and repeated for every choice, whose few tokens are
then read in one pass. Methods that put tokens of their own in front (prompt and prefix tuning)
write them at every call, so their prompts are read anew for each choice: the same numbers, slower.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunegrid.config.errors import StageError
from tunegrid.data.tokens import encode_all, encode_prompts
from tunegrid.models.inference.generation import (
    answering,
    plan_batches,
    puts_tokens_in_front,
    refuse_long,
)
from tunegrid.models.memory_errors import give_back, is_out_of_memory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ChoiceLikelihood:
    """The natural logarithms of the probabilities of one choice behind its prompt."""

    choice: str
    log_likelihood: float
    """Of the choice's tokens."""
    end_log_likelihood: float
    """Of end-of-sequence behind them: without it "A" is never less likely than "AC"."""
    tokens: int
    """Of the choice, end-of-sequence not counted."""


def likelihoods(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    choices: Sequence[Sequence[str]],
    *,
    separator: str,
    batch_tokens: int,
    progress_label: str,
    progress: bool,
    done: Collection[int] = (),
    shares_prompt: bool = True,
) -> Iterator[tuple[int, list[ChoiceLikelihood]]]:
    """Yield the position of each prompt and the likelihoods of its choices, in their order.

    Args:
        model: a causal language model, with or without a method; left in the mode it was in.
        tokenizer: the base's.
        prompts: texts as `prompts.render` makes them.
        choices: the answers to compare for each prompt.
        separator: between prompt and answer, as in training.
        batch_tokens: of the prompts of a batch, once for each choice, padding included.
        progress_label: shown beside the progress bar.
        progress: whether to show one on standard error.
        done: positions that are not wanted again.
        shares_prompt: False reads the prompt anew for each choice, for comparison.

    Raises:
        DataError: a prompt leaves no room for its choices in the base's context.
        StageError: the memory does not suffice for a single prompt.

    """
    from tqdm import tqdm

    encoded = encode_prompts(tokenizer, prompts)
    texts = sorted({choice for each in choices for choice in each})
    answers = _answer_ids(tokenizer, texts, separator)
    longest = max((len(ids) for ids in answers.values()), default=0)
    refuse_long(model, encoded, longest + 1)
    shares = shares_prompt and not puts_tokens_in_front(model)
    bar = tqdm(
        total=len(prompts), initial=len(done), desc=progress_label, disable=not progress,
        dynamic_ncols=True,
    )  # fmt: skip
    with bar, answering(model):
        for indices, names in _batches(encoded, choices, longest, batch_tokens, done, model):
            branches = [answers[name] for name in names]
            rows = [encoded[index] for index in indices]
            found = _scored(model, tokenizer, rows, branches, shares)
            for index, scores in zip(indices, found, strict=True):
                yield (
                    index,
                    [
                        ChoiceLikelihood(name, own, end, len(answers[name]))
                        for name, (own, end) in zip(names, scores, strict=True)
                    ],
                )
                bar.update()


def _answer_ids(tokenizer: Any, texts: Sequence[str], separator: str) -> dict[str, list[int]]:
    """Return the ids of each choice as they are trained: behind a prompt, before its end."""
    pairs = [("a", separator + text) for text in texts]
    encoded = encode_all(tokenizer, pairs, max_length_tokens=1_000_000)
    return {
        text: one.ids[one.prompt_tokens : -1]
        for text, one in zip(texts, encoded.examples, strict=True)
    }


def _batches(
    encoded: Sequence[Sequence[int]],
    choices: Sequence[Sequence[str]],
    longest: int,
    batch_tokens: int,
    done: Collection[int],
    model: Any,
) -> Iterator[tuple[list[int], tuple[str, ...]]]:
    """Yield positions with the choices they share."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, names in enumerate(choices):
        if index not in done:
            groups.setdefault(tuple(names), []).append(index)
    for names, members in groups.items():
        lengths = [len(encoded[index]) for index in members]
        for batch in plan_batches(
            lengths,
            longest + 1,
            batch_tokens // max(1, len(names)),
            equal_lengths=puts_tokens_in_front(model),
        ):
            yield [members[position] for position in batch], names


def _scored(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    branches: Sequence[Sequence[int]],
    shares: bool,
) -> list[list[tuple[float, float]]]:
    """Return, for each row and branch, the log-likelihoods of the branch and of its end.

    When memory does not suffice, the batch is halved.
    """
    import torch

    try:
        with torch.inference_mode():
            score = _with_shared_prompt if shares else _one_by_one
            return score(model, tokenizer, rows, branches)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise StageError(
                f"the memory does not suffice for a prompt of {len(rows[0])} tokens and its "
                f"{len(branches)} choices; hold the base in 8 or 4 bit"
            ) from error
    give_back()
    middle = len(rows) // 2
    halves = (rows[:middle], rows[middle:])
    return [one for half in halves for one in _scored(model, tokenizer, half, branches, shares)]


def _with_shared_prompt(
    model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], branches: Sequence[Sequence[int]]
) -> list[list[tuple[float, float]]]:
    import torch

    device = model.get_input_embeddings().weight.device
    width, length = max(map(len, rows)), max(map(len, branches))
    ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for row, prompt in enumerate(rows):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    # Position p counts the real tokens, so that padding in front moves nothing.
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    read = model(
        input_ids=ids.to(device), attention_mask=mask.to(device),
        position_ids=positions.to(device), use_cache=True, **_last_only(model),
    )  # fmt: skip
    first = read.logits[:, -1].float().log_softmax(-1)
    cache = read.past_key_values
    cache.batch_repeat_interleave(len(branches))
    tails = torch.full((len(branches), length), tokenizer.pad_token_id, dtype=torch.long)
    tail_mask = torch.zeros((len(branches), length), dtype=torch.long)
    for branch, own in enumerate(branches):
        tails[branch, : len(own)] = torch.tensor(own)
        tail_mask[branch, : len(own)] = 1
    repeated = mask.repeat_interleave(len(branches), 0)
    starts = mask.sum(-1).repeat_interleave(len(branches))
    read = model(
        input_ids=tails.repeat(len(rows), 1).to(device),
        attention_mask=torch.cat([repeated, tail_mask.repeat(len(rows), 1)], 1).to(device),
        position_ids=(starts[:, None] + torch.arange(length)).to(device),
        past_key_values=cache, use_cache=True,
    )  # fmt: skip
    behind = read.logits.view(len(rows), len(branches), length, -1)
    end = tokenizer.eos_token_id
    found = torch.stack(
        [
            _sums(
                torch.cat([first[:, None], behind[:, branch].float().log_softmax(-1)], 1), own, end
            )
            for branch, own in enumerate(branches)
        ],
        dim=1,
    ).tolist()
    return [[(own, ended) for own, ended in row] for row in found]


def _one_by_one(
    model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], branches: Sequence[Sequence[int]]
) -> list[list[tuple[float, float]]]:
    """Read prompt and choice together, each choice anew, padded behind."""
    import torch

    device = model.get_input_embeddings().weight.device
    found = []
    for prompt in rows:
        width = len(prompt) + max(map(len, branches))
        ids = torch.full((len(branches), width), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(branches), width), dtype=torch.long)
        for row, own in enumerate(branches):
            whole = [*prompt, *own]
            ids[row, : len(whole)] = torch.tensor(whole)
            mask[row, : len(whole)] = 1
        logits = model(
            input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False
        ).logits
        # A method's own tokens have logits in front of the text's.
        logits = logits[:, -width:][:, len(prompt) - 1 :].float().log_softmax(-1)
        end = tokenizer.eos_token_id
        sums = [_sums(logits[row : row + 1], own, end)[0] for row, own in enumerate(branches)]
        found.append([(own, ended) for own, ended in torch.stack(sums).tolist()])
    return found


def _sums(log_probabilities: torch.Tensor, own: Sequence[int], end: int) -> torch.Tensor:
    """Return the log-likelihoods of the ids and of `end` behind them, [rows, 2], on the device.

    Summed in 64 bit; a device is waited for once a batch, where its numbers are fetched.

    Args:
        log_probabilities: [rows, tokens + 1 or more, vocabulary]; place j predicts token j.
        own: ids.
        end: the end-of-sequence id.

    """
    import torch

    places = range(len(own))
    total = log_probabilities[:, list(places), list(own)].double().sum(-1)
    return torch.stack([total, log_probabilities[:, len(own), end].double()], dim=-1)


def _last_only(model: Any) -> dict[str, int]:
    """Return the argument that keeps a vocabulary of logits for the last position alone."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    supports = getattr(base, "_supports_logits_to_keep", None)
    return {"logits_to_keep": 1} if supports is not None and supports() else {}
