"""Which values of a setting are accepted, as it stands beside the setting in the schema.

Owns: reading `Annotated[int, Ge(1)]` of the schema's fields, and saying in words what is accepted.
Relations between settings are not ranges: they are checked where their meaning is known.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Iterable
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt


def range_problems(settings: Any, prefix: str = "") -> list[str]:
    """Return every setting whose value is out of its range, with what is accepted.

    Args:
        settings: a dataclass of the schema, such as a whole `CellConfig`.
        prefix: how the settings are called in front of their own names, such as `train.`.
    """
    from pydantic import ValidationError

    kind: Any = type(settings)
    try:
        _checker(kind).validate_python(dataclasses.asdict(settings))
    except ValidationError as error:
        return [
            prefix + _problem(kind, one["loc"], one["input"], one["msg"]) for one in error.errors()
        ]
    return []


@functools.cache
def _checker(kind: Any) -> Any:
    """Return what checks all settings of a dataclass; built once, without torch."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _problem(kind: type, place: tuple[int | str, ...], value: Any, message: str) -> str:
    names = [str(part) for part in place]
    found = _annotation(kind, names)
    accepted = message if found is None else accepted_values(*found)
    return f"{'.'.join(names)} is {value}; give {accepted}"


def accepted_values(constraints: Iterable[Any], may_be_none: bool) -> str:
    """Return a range in words, such as `1 or more, or null for all items`.

    Args:
        constraints: of annotated-types; a text among them says what null means, or adds to the
            range where null is not accepted.
        may_be_none: whether the setting may be null.
    """
    low = high = note = None
    for one in constraints:
        if isinstance(one, Ge | Gt):
            low = one
        elif isinstance(one, Le | Lt):
            high = one
        elif isinstance(one, str):
            note = one
    text = _range(low, high)
    if may_be_none:
        return f"{text}, or null{f' {note}' if note else ''}"
    return f"{text} ({note})" if note else text


def _range(low: Ge | Gt | None, high: Le | Lt | None) -> str:
    if high is None:
        return f"{low.ge} or more" if isinstance(low, Ge) else f"a number above {low.gt}"  # type: ignore[union-attr]
    limit = high.le if isinstance(high, Le) else high.lt
    what = "share" if limit == 1 else "number"
    begins = f"from {low.ge}" if isinstance(low, Ge) else f"above {low.gt}"  # type: ignore[union-attr]
    joint = "to" if isinstance(low, Ge) else "and up to"
    return f"a {what} {begins} {joint} {'' if isinstance(high, Le) else 'below '}{limit}"


def _annotation(kind: Any, names: list[str]) -> tuple[tuple[Any, ...], bool] | None:
    """Return the constraints of a setting and whether it may be null; None where it has none."""
    for name in names:
        kind, _ = _without_none(kind)
        if typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
        elif dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind, include_extras=True)[name]  # type: ignore[arg-type]
        else:
            return None
    plain, may_be_none = _without_none(kind)
    if typing.get_origin(plain) is not Annotated:
        return None
    return typing.get_args(plain)[1:], may_be_none


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return the type of an optional setting without its None, and whether it had one."""
    if typing.get_origin(hint) is Annotated:
        return hint, False
    given = [option for option in typing.get_args(hint) if option is not type(None)]
    is_optional = type(None) in typing.get_args(hint)
    return (given[0], True) if is_optional else (hint, False)
