"""Which fields of a record hold what, as values: the mapping of a raw format to examples.

Owns: records to texts by a mapping. Knows nothing of files, and never looks into a text to find
out what it is. Two mappings:

- `Fields`: one exchange a record, `{"query": "…", "response": "…", "history": [["…", "…"]]}`;
- `Turns`: a list of turns, `{"conversations": [{"from": "human", "value": "…"}, …]}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.data.example import Exchange
from tunegrid.data.reading import Texts, is_blank, is_unicode, kind

USER_ROLES = ("human", "user", "prompter", "question")
ASSISTANT_ROLES = (
    "gpt", "assistant", "chatgpt", "bot", "ai", "model", "answer", "bing", "bard", "moss",
)  # fmt: skip
SYSTEM_ROLES = ("system",)

ABSENT = object()


def field_of(record: Mapping[str, Any], key: str) -> Any:
    """Return the field `key` of a record, or of an object in it (`question.full_text`)."""
    if key in record or "." not in key:
        return record.get(key, ABSENT)
    first, _, rest = key.partition(".")
    inner = record.get(first, ABSENT)
    return field_of(inner, rest) if isinstance(inner, dict) else ABSENT


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one exchange; `input` and `history` may be None, and absent from a record.

    With `unpacked` a list of exactly one text counts as that text, as GAOKAO's `["D"]`: nothing is
    to be chosen or joined.
    """

    instruction: str
    input: str | None
    output: str
    history: str | None = None
    unpacked: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are read."""
        every = (self.instruction, self.input, self.output, self.history)
        return tuple(name for name in every if name is not None)

    def __str__(self) -> str:
        """Return the mapping in words."""
        return ", ".join(self.names)

    def texts(self, value: Any) -> Texts | str:
        """Return the texts of a record, or why it has none."""
        if not isinstance(value, dict):
            return "not an object"
        found = []
        for key in (self.instruction, self.input, self.output):
            text = "" if key is None else field_of(value, key)
            if key == self.input and (text is ABSENT or text is None):
                text = ""
            if text is ABSENT:
                return f"no field '{key}'"
            if self.unpacked and isinstance(text, list) and len(text) == 1:
                text = text[0]
            if not isinstance(text, str):
                return f"'{key}' is {kind(text)}, not a text"
            if not is_unicode(text):
                return f"'{key}' holds half of a surrogate pair"
            found.append(text)
        history = None if self.history is None else value.get(self.history)
        earlier = _pairs(self.history, history)
        if isinstance(earlier, str):
            return earlier
        instruction, input_, output = found
        return Texts(instruction, input_, output, earlier)


def _pairs(key: str | None, history: Any) -> tuple[Exchange, ...] | str:
    """Return earlier exchanges, which a record may lack, from `[[question, answer], …]`."""
    if history is None or history == "":
        return ()
    if not isinstance(history, list):
        return f"'{key}' is {'a text' if isinstance(history, str) else kind(history)}, not a list"
    for pair in history:
        if not (isinstance(pair, list) and [type(text) for text in pair] == [str, str]):
            return f"'{key}' holds something else than pairs of question and answer"
    return tuple(Exchange(*pair) for pair in history)


@dataclass(frozen=True, slots=True)
class Turns:
    """A conversation in the field `turns`, a list of objects with a role and a text.

    `turns` is "" where the record is the list itself. `system` is a field beside it. Roles are
    compared without regard to case.
    """

    turns: str
    role: str
    text: str
    system: str | None = None
    users: Sequence[str] = USER_ROLES
    assistants: Sequence[str] = ASSISTANT_ROLES
    systems: Sequence[str] = SYSTEM_ROLES

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are read."""
        return (self.turns,) if self.system is None else (self.turns, self.system)

    def __str__(self) -> str:
        """Return the mapping in words."""
        where = f"turns in {self.turns}" if self.turns else "lists of turns"
        return f"{where}, each with {self.role} and {self.text}"

    def texts(self, value: Any) -> Texts | str:
        """Return the conversation of a record, or why it has none."""
        turns = value if self.turns == "" else ABSENT
        if isinstance(value, dict):
            turns = field_of(value, self.turns)
        elif self.turns:
            return "not an object"
        if turns is ABSENT:
            return f"no field '{self.turns}'"
        if not isinstance(turns, list):
            return f"'{self.turns}' is {kind(turns)}, not a list of turns"
        said = [] if self.system is None else [("system", value.get(self.system) or "")]
        for turn in turns:
            one = self._said(turn)
            if isinstance(one, str):
                return one
            said.append(one)
        return conversation(said)

    def _said(self, turn: Any) -> tuple[str, str] | str:
        """Return who says what in a turn, or why it cannot be told."""
        if not isinstance(turn, dict):
            return f"a turn is {kind(turn)}, not an object"
        for key in (self.role, self.text):
            if not isinstance(turn.get(key), str):
                return f"'{key}' of a turn is {kind(turn.get(key))}, not a text"
        role = turn[self.role].casefold()
        for name, roles in (
            ("user", self.users),
            ("assistant", self.assistants),
            ("system", self.systems),
        ):
            if role in (one.casefold() for one in roles):
                return name, turn[self.text]
        return f"a turn of '{turn[self.role]}', which is none of the roles"


def conversation(said: Sequence[tuple[str, str]]) -> Texts | str:
    """Return a conversation as texts, or why it is none.

    A system text goes in front of the first question, with an empty line between. What stands
    before the first question has nothing it answers, and a last question without an answer
    nothing to learn: both are left out.

    Args:
        said: (`user`, `assistant` or `system`, text) in order.
    """
    said = [one for one in said if one[0] != "system" or one[1].strip()]
    systems = [text for role, text in said if role == "system"]
    if len(systems) > 1 or any(role == "system" for role, _ in said[1:]):
        return "a system text stands elsewhere than at the beginning, or twice"
    turns = [one for one in said if one[0] != "system"]
    while turns and turns[0][0] == "assistant":
        turns = turns[1:]
    if turns and turns[-1][0] == "user":
        turns = turns[:-1]
    for number, (role, _) in enumerate(turns):
        if role != ("user", "assistant")[number % 2]:
            return f"two turns of the {role} stand in a row"
    if not turns:
        return "no exchange of question and answer"
    if any(is_blank(text) for _, text in turns):
        return "an empty turn"
    exchanges = [
        Exchange(question, answer)
        for (_, question), (_, answer) in zip(turns[::2], turns[1::2], strict=True)
    ]
    if systems:
        first = exchanges[0]
        exchanges[0] = first._replace(question=f"{systems[0]}\n\n{first.question}")
    last = exchanges.pop()
    return Texts(last.question, "", last.answer, tuple(exchanges))
