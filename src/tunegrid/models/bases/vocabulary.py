"""More pieces for a byte-pair tokenizer, and the rows that a base needs for them.

Owns: which pieces are new, the merges that make them, and the first values of their rows. Knows no
files.

A piece of a byte-pair tokenizer is made by merges of two smaller ones, so that a piece alone, added
to the vocabulary, would never be used, and one added as a whole word of its own would cut texts
where the tokenizer does not. As sentencepiece does it, every split of a new piece into two pieces
is a merge, ranked behind all old ones in the order of the new pieces: what the base knew is still
merged first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.config.errors import ConfigError

SPACE = "▁"
"""What sentencepiece writes for a blank."""


@dataclass(frozen=True)
class Expanded:
    """A tokenizer with further pieces."""

    tokenizer: Any
    new: dict[str, int]
    """Ids of the new pieces."""
    known: int
    """Pieces that it had before."""
    unused: int
    """New pieces that no text becomes: no two pieces make them, or texts are cut inside them."""


def expanded(tokenizer: Any, pieces: Sequence[str]) -> Expanded:
    """Return a tokenizer with the pieces that it lacks.

    Args:
        tokenizer: a fast byte-pair tokenizer with byte fallback or pieces of characters.
        pieces: in the order of their importance, blanks written as `▁`.

    Raises:
        ConfigError: a tokenizer of another kind, or nothing new among the pieces.
    """
    content = _content(tokenizer)
    vocabulary: dict[str, int] = content["model"]["vocab"]
    if not any(SPACE in piece for piece in vocabulary):
        pieces = [piece.replace(SPACE, " ") for piece in pieces]
    taken = set(tokenizer.get_vocab())
    fresh = [piece for piece in dict.fromkeys(pieces) if piece and piece not in taken]
    if not fresh:
        raise ConfigError(
            f"all {len(set(pieces)):,} pieces are in the tokenizer of {tokenizer.name_or_path!r} "
            "already; nothing would be added"
        )
    first = max(tokenizer.get_vocab().values()) + 1
    new = {piece: first + number for number, piece in enumerate(fresh)}
    vocabulary |= new
    known = {tuple(pair) for pair in content["model"]["merges"]}
    for piece in fresh:
        for cut in range(1, len(piece)):
            pair = (piece[:cut], piece[cut:])
            if pair[0] in vocabulary and pair[1] in vocabulary and pair not in known:
                content["model"]["merges"].append(list(pair))
                known.add(pair)
    made = _with_content(tokenizer, content)
    unused = sum(made.encode(piece, add_special_tokens=False) != [i] for piece, i in new.items())
    return Expanded(made, new, len(set(pieces)) - len(fresh), unused)


def _content(tokenizer: Any) -> dict[str, Any]:
    """Return what a tokenizer.json holds, where pieces can be added to it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(tokenizer).__name__
    if backend is None:
        raise ConfigError(
            f"{kind} reads its sentencepiece file itself, to which no piece can be added here; "
            "accepted are bases with a tokenizer.json of byte pairs, such as LLaMA's"
        )
    content: dict[str, Any] = json.loads(backend.to_str())
    if content["model"].get("type") != "BPE":
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} is a {content['model'].get('type')} model; "
            "accepted are byte pairs (BPE), whose pieces are made by merges"
        )
    if "ByteLevel" in json.dumps([content.get("pre_tokenizer"), content.get("decoder")]):
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} merges bytes: its pieces are parts of "
            "characters, to which pieces of characters do not fit, and every text is covered "
            "already; accepted are byte pairs of characters, such as LLaMA's"
        )
    return content


def _with_content(tokenizer: Any, content: dict[str, Any]) -> Any:
    """Return a copy of a fast tokenizer with another tokenizer.json."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    special = {
        name: token
        for name in ("unk_token", "bos_token", "eos_token", "pad_token")
        if (token := getattr(tokenizer, name, None)) is not None
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        clean_up_tokenization_spaces=False,
        **special,
    )


def grow(model: Any, old: Any, found: Expanded, start: str, seed: int = 0) -> None:
    """Give a base rows for new pieces, in its embeddings and in a head of its own.

    Args:
        model: the base; changed.
        old: its tokenizer as it was.
        found: its tokenizer as it will be.
        start: `mean` of the rows of the pieces that a new one was made of, `random` with the
            mean and spread of all rows, or `zero`.
        seed: of the random values.
    """
    import torch

    size = max(model.get_input_embeddings().weight.shape[0], max(found.new.values()) + 1)
    parts = [old.encode(piece, add_special_tokens=False) for piece in found.new]
    rows = torch.tensor(list(found.new.values()))
    ends = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not ends[0]:
        ends.append(head.weight)
    values = [_first_values(end.detach(), parts, start, seed) for end in ends]
    model.resize_token_embeddings(size, mean_resizing=False)
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    with torch.no_grad():
        for layer, first in zip(layers, values, strict=False):
            layer.weight[rows] = first.to(layer.weight)


def _first_values(rows: Any, parts: Sequence[Sequence[int]], start: str, seed: int) -> Any:
    """Return the rows [new pieces, width] that new pieces begin with, in 32 bit."""
    import torch

    rows = rows.float()
    if start == "zero":
        return torch.zeros(len(parts), rows.shape[1])
    mean, spread = rows.mean(0), rows.std(0)
    if start == "random":
        drawn = torch.randn(
            len(parts), rows.shape[1], generator=torch.Generator().manual_seed(seed)
        )
        return mean + spread * drawn
    # A piece of which nothing was known begins as the mean of all.
    return torch.stack([rows[list(ids)].mean(0) if ids else mean for ids in parts])
