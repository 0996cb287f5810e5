"""A rendered text that knows which of its parts are data.

Owns: that knowledge. Data is text whatever it looks like; a template may hold control tokens.
"""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
"""First character and the one behind the last."""


class Rendered(str):
    """A text with the spans that data filled; what else stands in it is the template's."""

    data: tuple[Span, ...]

    def __new__(cls, text: str, data: Iterable[Span] | None = None) -> Rendered:
        """Return the text; without `data` all of it is data."""
        made = super().__new__(cls, text)
        made.data = ((0, len(text)),) if data is None else tuple(data)
        return made


def joined(parts: Iterable[tuple[str, bool]]) -> Rendered:
    """Return the text of parts, each with whether it is data."""
    text, spans = "", []
    for part, is_data in parts:
        if is_data and part:
            spans.append((len(text), len(text) + len(part)))
        text += part
    return Rendered(text, spans)


def data_spans(text: str) -> tuple[Span, ...]:
    """Return the spans of a text that are data: all of one that nothing is known of."""
    return text.data if isinstance(text, Rendered) else ((0, len(text)),)
