"""The letters of an MMCU label or reply: finding them, and knowing when they are final.

Owns: the extraction rule of MMCU's authors. Knows nothing of items, files or scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from tunegrid.evaluation.benchmarks.mmcu.files import half_width

USUAL_LETTERS = "ABCD"
DECISION = "letters-2"
"""Names the rule by which an answer ends early; another rule needs another name. 2: what a reply
means (`meaning`) is final as well."""
_REMOVED_FROM_REPLY = str.maketrans("", "", "、.,;，")
_REMOVED_FROM_LABEL = re.compile(r"[\s,，、;；.．]")


def label_letters(label: str) -> str:
    r"""Return an answer of the file as capitals in its order: "ａ，C\n" is "AC".

    White space, U+3000, commas and full stops are left out and full-width letters mapped; what
    else stands there stays and shows that the label is none.
    """
    return half_width(_REMOVED_FROM_LABEL.sub("", label).upper())


def extract(reply: str, letters: str = USUAL_LETTERS, *, strict: bool = False) -> str | None:
    """Return the letters a reply answers with, in its order, or None when it has none.

    The rule of MMCU's authors: remove 、 . , ; ， and take the first run of up to as many
    letters as there are options in which none is repeated. Unless `strict`, full-width letters
    count too.

    Args:
        reply: the model's answer.
        letters: the letters of the options, the authors' ABCD when there are no more.
        strict: exactly the authors' rule.

    """
    runs = _runs(reply, letters, strict)
    return next((run for run, _ in runs if len(set(run)) == len(run)), None)


def is_decided(reply: str, letters: str = USUAL_LETTERS, *, strict: bool = False) -> bool:
    """Return whether `extract` finds the same letters whatever is written behind `reply`.

    A run of letters is final once another character follows it that is not removed, or once it
    has as many letters as there may be: "A、" may become "A、C", "AA" may become "AAB", which are
    no answers "A" or none.
    """
    for run, is_final in _runs(reply, letters, strict):
        if not is_final:
            return False
        if len(set(run)) == len(run):
            return True
    return False


def _runs(reply: str, letters: str, strict: bool) -> Iterator[tuple[str, bool]]:
    """Yield each run of letters in a reply and whether nothing behind the reply can change it."""
    more = len(letters) > len(USUAL_LETTERS) and not strict
    accepted = letters if more else USUAL_LETTERS
    text = (reply if strict else half_width(reply)).translate(_REMOVED_FROM_REPLY)
    for found in re.finditer(f"[{accepted}]{{1,{len(accepted)}}}", text):
        yield found[0], found.end() < len(text) or len(found[0]) == len(accepted)


def choices(letters: str) -> list[str]:
    """Return every non-empty set of letters, smaller ones first: "A", "B", …, "ABCD"."""
    return [
        "".join(chosen)
        for size in range(1, len(letters) + 1)
        for chosen in combinations(letters, size)
    ]
