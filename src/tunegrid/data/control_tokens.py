"""Text that spells a control token stays text.

Owns: which tokens of a tokenizer are control tokens, and the ids of a text in which data spells
one. Knows nothing of prompts and answers.

Tokenizers look for their control tokens in whatever they are given: `<s>old</s>` in a web page
becomes begin- and end-of-sequence. Such a spelling is encoded in two pieces, cut behind its first
character, which no tokenizer takes for one. A text without any has the ids that the tokenizer gives
it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.data.rendered import Span, data_spans

_ANCHORS = (":", "\n", "。", "a", "0", "|")
_BREAKS = re.compile(r"[<\[|＜［｜]")
"""Behind these a spelling is cut that only the tokenizer's own normalisation makes one."""


@dataclass(frozen=True)
class Controls:
    """The control tokens of a tokenizer."""

    ids: frozenset[int]
    unknown: int | None
    """The id of what a tokenizer has no piece for: not every one of them was spelled."""
    spelling: re.Pattern[str] | None
    """Finds them in a text, and what the tokenizer itself writes into texts."""
    rewritten: re.Pattern[str] | None
    """Finds the latter alone: they leave no control token behind, and come back as other text."""


def controls(tokenizer: Any) -> Controls:
    """Return the control tokens of a tokenizer.

    They are its special tokens, added tokens that are special, and what it names itself
    (`control_pieces`, `written_pieces` of our own tokenizers).
    """
    found = {
        token.content: number
        for number, token in getattr(tokenizer, "added_tokens_decoder", {}).items()
        if token.special
    }
    special = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    found |= dict(special) | getattr(tokenizer, "control_pieces", {})
    written: Sequence[str] = getattr(tokenizer, "written_pieces", ())
    words = sorted([re.escape(word) for word in found if word], key=len, reverse=True)
    every = "|".join([*words, *written])
    return Controls(
        ids=frozenset(found.values()),
        unknown=tokenizer.unk_token_id,
        spelling=re.compile(every) if every else None,
        rewritten=re.compile("|".join(written)) if written else None,
    )


def ids_of_beginnings(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text as texts begin with it, without opening or closing ids."""
    return _as_text(tokenizer, texts, _plain)


def ids_inside(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text as they are in the middle of a text."""
    return _as_text(tokenizer, texts, _behind_an_anchor)


Encode = Callable[[Any, Sequence[str]], list[list[int]]]


def _as_text(tokenizer: Any, texts: Sequence[str], encode: Encode) -> list[list[int]]:
    """Return the ids of texts whose data holds no control token."""
    found = encode(tokenizer, texts)
    known = controls(tokenizer)
    if known.spelling is None:
        return found
    for index, text in enumerate(texts):
        if not known.ids.isdisjoint(found[index]) or (
            known.rewritten is not None and known.rewritten.search(text)
        ):
            found[index] = _without_spelled(tokenizer, known, text, found[index], encode)
    return found


def _without_spelled(
    tokenizer: Any, known: Controls, text: str, ids: list[int], encode: Encode
) -> list[int]:
    """Return the ids of one text in which something is spelled that may be a control token."""
    assert known.spelling is not None  # noqa: S101 - the caller asked
    spans = data_spans(text)
    spelled = [match.span() for match in known.spelling.finditer(text)]
    data = [span for span in spelled if _touches(span, spans)]
    own = sum(
        1
        for match in known.spelling.finditer(text)
        if match.span() not in data
        and (known.rewritten is None or not known.rewritten.fullmatch(match[0]))
    )
    if not data and _is_clean(ids, known, own):
        return ids
    further = [m.start() + 1 for m in _BREAKS.finditer(text) if _touches(m.span(), spans)]
    for cuts in ([start + 1 for start, _ in data], further):
        found = _in_pieces(tokenizer, text, cuts, encode)
        if _is_clean(found, known, own):
            return found
    raise ConfigError(
        f"the tokenizer {tokenizer.name_or_path!r} cannot encode {text[:60]!r} as text: it finds "
        "a control token in it however it is cut; leave the record out, or write it differently"
    )


def _is_clean(ids: Sequence[int], known: Controls, own: int) -> bool:
    """Return whether ids hold as many control tokens as the template spells."""
    return sum(one in known.ids and one != known.unknown for one in ids) == own


def _touches(span: Span, others: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _in_pieces(tokenizer: Any, text: str, cuts: Sequence[int], encode: Encode) -> list[int]:
    """Return the ids of a text that is encoded from cut to cut."""
    borders = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    pieces = [str(text)[a:b] for a, b in itertools.pairwise(borders)]
    parts = [*encode(tokenizer, pieces[:1]), *_behind_an_anchor(tokenizer, pieces[1:])]
    return [token for part in parts for token in part]


def _plain(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text without any opening or closing id."""
    if not texts:
        return []
    plain = [str(text) for text in texts]
    found: list[list[int]] = tokenizer(plain, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def _behind_an_anchor(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text as they are in the middle of a text.

    A byte-pair or unigram encoding whose border behind the anchor survived had no merge across
    it, so what follows is the encoding of the text itself. Where a merge did cross the border
    (the text begins with the anchor's own character), the next anchor is taken.
    """
    found: list[list[int] | None] = [[] if text == "" else None for text in texts]
    for anchor in _ANCHORS:
        missing = [index for index, ids in enumerate(found) if ids is None]
        if not missing:
            break
        head = _plain(tokenizer, [anchor])[0]
        behind = _plain(tokenizer, [anchor + texts[index] for index in missing])
        for index, whole in zip(missing, behind, strict=True):
            if whole[: len(head)] == head:
                found[index] = whole[len(head) :]
    for text, ids in zip(texts, found, strict=True):
        if ids is None:
            raise ConfigError(
                f"the tokenizer {tokenizer.name_or_path!r} cannot encode an answer on its own "
                f"(every one of {_ANCHORS} merges with {text[:40]!r}); use a fast tokenizer"
            )
    return [ids for ids in found if ids is not None]
