"""Text becomes token ids and labels, with an exact border between prompt and answer.

Owns: the border, the ids that open and close a text, what is trained, what is cut and what is
rejected. Knows nothing of templates, files, models or tensors.

The ids of a prompt are the same in training and in generation (`encode_prompts` makes both), and
the answer is encoded on its own and appended, so an evaluation prompt is a prefix of the training
ids for every tokenizer. A tokenizer like Llama's puts a space in front of whatever it encodes;
the answer is therefore encoded behind an anchor whose ids are then removed, which is how the
answer would look inside a text. Control tokens that data spells are text (`control_tokens`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.data.control_tokens import ids_inside, ids_of_beginnings

NOT_TRAINED = -100
"""The label of a token that is read but not trained; torch's cross entropy leaves it out."""

_BATCH = 1024


@dataclass(frozen=True)
class Encoded:
    """One training example as ids.

    `labels[i]` is `ids[i]` where token i is trained and -100 elsewhere, not shifted; the first
    label is always -100, because nothing stands before the first token to predict it from.
    """

    ids: list[int]
    labels: list[int]
    prompt_tokens: int
    """Before the first answer."""
    truncated: bool

    @property
    def trained_tokens(self) -> int:
        """The number of tokens with a loss."""
        return sum(label != NOT_TRAINED for label in self.labels)


@dataclass(frozen=True)
class TokenizedSet:
    """A set of examples as ids, with what was lost on the way."""

    examples: list[Encoded]
    rejected_indices: list[int]
    """Positions in the given texts whose prompt alone fills `max_length_tokens`."""
    truncated_count: int
    trained_tokens: int
    tokens: int


def encode_prompts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each prompt, with what the tokenizer itself puts in front of a text.

    That is the begin-of-sequence id for Llama and nothing for Bloom. An end-of-sequence id that
    the tokenizer appends is left out: the text goes on.
    """
    if not texts:
        return []
    opening, closing = _frame(tokenizer)
    found = ids_of_beginnings(tokenizer, texts)
    # Some tokenizers put a piece of a blank in front of a token that begins a text.
    if opening and any(
        opening in (ids[: len(opening)], ids[1 : len(opening) + 1]) for ids in found
    ):
        begun = tokenizer.convert_ids_to_tokens(opening)
        raise ConfigError(
            f"the prompt's template begins with {''.join(begun)!r}, which the tokenizer "
            f"{tokenizer.name_or_path!r} puts in front of every text itself, so that it would "
            "stand there twice; remove it from the template"
        )
    return [[*opening, *ids, *closing] for ids in found]


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of one prompt; see `encode_prompts`."""
    return encode_prompts(tokenizer, [text])[0]


def encode(
    tokenizer: Any,
    prompt_text: str,
    answer_text: str,
    *,
    max_length_tokens: int,
    train_on_prompt: bool = False,
) -> Encoded | None:
    """Return prompt + answer + end-of-sequence as ids and labels, or None when rejected.

    Args:
        tokenizer: a fast tokenizer of transformers with an end-of-sequence token.
        prompt_text: what is read.
        answer_text: what is learned; begins with the separator between the two.
        max_length_tokens: longer examples lose their end, the end-of-sequence id first.
        train_on_prompt: whether the prompt's tokens have a loss as well.

    Returns:
        None when the prompt alone has `max_length_tokens` or more, so that no token of the
        answer would be left.

    """
    result = encode_all(
        tokenizer,
        [(prompt_text, answer_text)],
        max_length_tokens=max_length_tokens,
        train_on_prompt=train_on_prompt,
    )
    return result.examples[0] if result.examples else None


def encode_all(
    tokenizer: Any,
    texts: Sequence[Sequence[str]],
    *,
    max_length_tokens: int,
    train_on_prompt: bool = False,
) -> TokenizedSet:
    """Return the examples of texts as ids, in their order.

    Args:
        tokenizer: as for `encode`.
        texts: of each example prompt and answer, or those of a conversation in turn: an
            end-of-sequence id follows every answer, and all answers are trained.
        max_length_tokens: as for `encode`.
        train_on_prompt: as for `encode`.

    Raises:
        ConfigError: the tokenizer has no end-of-sequence token.

    """
    require_end(tokenizer)
    examples: list[Encoded] = []
    rejected: list[int] = []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        prompts = encode_prompts(tokenizer, [first for first, *_ in batch])
        # What follows an answer is in the middle of the text, as the answer itself is.
        behind = iter(ids_inside(tokenizer, [text for _, *rest in batch for text in rest]))
        for offset, (prompt, (_, *rest)) in enumerate(zip(prompts, batch, strict=True)):
            parts = [prompt, *(next(behind) for _ in rest)]
            if len(prompt) >= max_length_tokens:
                rejected.append(start + offset)
                continue
            for answer in parts[1::2]:
                answer.append(tokenizer.eos_token_id)
            examples.append(_join(parts, max_length_tokens, train_on_prompt))
    return TokenizedSet(
        examples=examples,
        rejected_indices=rejected,
        truncated_count=sum(example.truncated for example in examples),
        trained_tokens=sum(example.trained_tokens for example in examples),
        tokens=sum(len(example.ids) for example in examples),
    )


def encode_documents(
    tokenizer: Any, texts: Sequence[str], *, max_length_tokens: int
) -> TokenizedSet:
    """Return raw texts as ids, all of which are trained, each with an end-of-sequence id behind it.

    A longer text is not cut off but goes on in the next block, which begins in the middle of it.

    Args:
        tokenizer: as for `encode`.
        texts: one a document.
        max_length_tokens: the longest block.

    Raises:
        ConfigError: the tokenizer has no end-of-sequence token.
    """
    require_end(tokenizer)
    opening, closing = _frame(tokenizer)
    blocks: list[Encoded] = []
    for start in range(0, len(texts), _BATCH):
        for ids in ids_of_beginnings(tokenizer, texts[start : start + _BATCH]):
            # What a tokenizer puts behind a prompt is where the answer begins: here, the text.
            whole = [*opening, *closing, *ids, tokenizer.eos_token_id]
            for first in range(0, len(whole), max_length_tokens):
                block = whole[first : first + max_length_tokens]
                # A block of one token predicts nothing.
                if len(block) > 1:
                    labels = [NOT_TRAINED, *block[1:]]
                    blocks.append(Encoded(block, labels, prompt_tokens=1, truncated=False))
    return TokenizedSet(
        examples=blocks,
        rejected_indices=[],
        truncated_count=0,
        trained_tokens=sum(block.trained_tokens for block in blocks),
        tokens=sum(len(block.ids) for block in blocks),
    )


def require_end(tokenizer: Any) -> None:
    """Refuse a tokenizer without an end-of-sequence token.

    Raises:
        ConfigError: it has none.
    """
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} has no end-of-sequence token, without which "
            "a base never learns to end an answer; set `eos_token` in its tokenizer_config.json"
        )


def _join(parts: list[list[int]], max_length_tokens: int, train_on_prompt: bool) -> Encoded:
    """Return the example of prompts and answers in turn, cut at the end when too long."""
    ids: list[int] = []
    labels: list[int] = []
    for number, part in enumerate(parts):
        ids += part
        is_trained = train_on_prompt or number % 2 == 1
        labels += part if is_trained else [NOT_TRAINED] * len(part)
    # Nothing stands before the first token to predict it from, so it never has a loss.
    labels[0] = NOT_TRAINED
    is_cut = len(ids) > max_length_tokens
    cut = slice(max_length_tokens)
    return Encoded(ids[cut], labels[cut], prompt_tokens=len(parts[0]), truncated=is_cut)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids the tokenizer puts before and after a text, without end-of-sequence after."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a")["input_ids"]
    for start in range(len(framed) - len(plain) + 1):
        if framed[start : start + len(plain)] == plain:
            closing = framed[start + len(plain) :]
            return framed[:start], [token for token in closing if token != tokenizer.eos_token_id]
    raise ConfigError(
        f"the tokenizer {tokenizer.name_or_path!r} encodes a text differently when it frames it "
        f"({plain} inside {framed}), so the border between prompt and answer cannot be found; "
        "use a fast tokenizer"
    )
