"""The words on the command line, checked against the schema before anything is composed.

Owns: refusing misspelled settings and options with the nearest name, also behind a `+`, which
Hydra would accept and then drop. Part of the edge: it may import Hydra, never torch.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, OverrideType
from hydra.errors import HydraException

from tunegrid.config.compose.secrets import is_secret
from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.functions import suggestion
from tunegrid.config.schema import CellConfig

OPEN = "any key"
HYDRA_FLAGS_WITH_VALUE = {
    "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
    "--experimental-rerun", "--package", "-p", "--info", "-i", "--cfg", "-c",
}  # fmt: skip


FORMERLY = re.compile(r"(?P<before>[+~]*)eval\.(?:others\.|(?P<name>(?:belle|mmcu)\b))")
"""Settings that were called otherwise."""


def checked(arguments: Sequence[str], conf: Path) -> list[str]:
    """Return the command line, flags first, options of open mappings made acceptable to Hydra.

    `peft.options.r=16` names an option of a function, which no schema can list: it is passed on
    as `++peft.options.r=16` and checked later against the function's signature.

    Args:
        arguments: the command line after the program's name.
        conf: the directory of the configuration groups.

    Raises:
        ConfigError: all misspelled settings, options and choices at once.
    """
    positions = [i for i, word in enumerate(arguments) if _is_override(arguments, i)]
    words = [arguments[i] for i in positions]
    parser = OverridesParser.create()
    problems: list[str] = []
    result = list(arguments)
    for position, word in zip(positions, words, strict=True):
        key = word.partition("=")[0]
        renamed = FORMERLY.match(key)
        if renamed:
            problems.append(
                f"{key}: benchmarks stand under eval.benchmarks now; write "
                f"{FORMERLY.sub(lambda found: _now(found), word)}"
            )
            continue
        if is_secret(word):
            # Hydra would write the value into the launch's directory; it is not repeated here.
            problems.append(
                f"{key}: keys are read from the environment and never from settings (a judge's "
                "from OPENAI_API_KEY, or the variable that judge.options.key_variable names)"
            )
            continue
        try:
            override = parser.parse_override(word)
        except HydraException as error:
            problems.append(
                f"{word!r} cannot be read: {error}. Write key=value, and quote a value with "
                "commas, spaces, braces, '=' or letters like 中 once for the shell and once for "
                "Hydra: \"data.files=['中文.json']\""
            )
            continue
        found, open_key = _problem(override, word, conf, _config_directories(arguments, conf))
        if found:
            problems.append(found)
        elif open_key and override.type is OverrideType.CHANGE:
            result[position] = f"++{word}"
    if problems:
        raise ConfigError(all_problems("the command line is not accepted", problems))
    # Hydra reads overrides only in one piece: `a=1 -m b=2` would be refused.
    flags = [word for index, word in enumerate(result) if index not in positions]
    return flags + [result[index] for index in positions]


def _now(found: re.Match[str]) -> str:
    return f"{found['before']}eval.benchmarks.{found['name'] or ''}"


def _is_override(arguments: Sequence[str], index: int) -> bool:
    if arguments[index].startswith("-"):
        return False
    return index == 0 or arguments[index - 1] not in HYDRA_FLAGS_WITH_VALUE


def _config_directories(arguments: Sequence[str], conf: Path) -> list[Path]:
    """Return `conf` and what the user added with --config-dir."""
    found = [conf]
    for flag, value in itertools.pairwise(arguments):
        if flag in ("--config-dir", "-cd"):
            found.append(Path(value))
    for word in arguments:
        if word.startswith("--config-dir="):
            found.append(Path(word.partition("=")[2]))
    return found


def _problem(
    override: Override, word: str, conf: Path, directories: list[Path]
) -> tuple[str | None, bool]:
    """Return the problem of one override, and whether it names a key of an open mapping."""
    key = override.key_or_group
    if key.startswith("hydra"):
        return None, False
    if dataclasses.is_dataclass(typing.get_type_hints(CellConfig).get(key)):
        return _choice_problem(override, key, directories), False
    accepted = accepted_keys(key)
    if isinstance(accepted, tuple):
        wrong, names = accepted
        return f"{word!r}: there is no setting {wrong!r}{suggestion(wrong, names)}", False
    return None, accepted is OPEN


def _choice_problem(override: Override, group: str, directories: list[Path]) -> str | None:
    """Return why a choice of a group is refused: no such file, or several merged into one."""
    if override.is_delete():
        return f"'~{group}': every cell needs a choice of {group!r}; choose another one instead"
    value = override.value()
    if isinstance(value, list):
        return (
            f"{group}=[...] would merge the choices into one cell; "
            f"for several cells write -m {group}={','.join(str(v) for v in value)}"
        )
    names = {file.stem for place in directories for file in (place / group).glob("*.yaml")}
    choices = value.list if isinstance(value, ChoiceSweep) else [value]
    for choice in choices:
        if str(choice) not in names:
            return f"{group}: there is no choice {str(choice)!r}{suggestion(str(choice), names)}"
    return None


def accepted_keys(dotted: str) -> tuple[str, list[str]] | str | None:
    """Say whether a setting exists in the schema.

    Returns None when it does, `OPEN` when its path leads through an open mapping (options of a
    function, collections by name), else the part that does not exist and the accepted names.
    """
    kind: Any = CellConfig
    through_mapping = False
    for part in dotted.split("."):
        if typing.get_origin(kind) is dict:
            through_mapping = True
            kind = _not_none(typing.get_args(kind)[1])
        elif dataclasses.is_dataclass(kind):
            hints = typing.get_type_hints(kind)
            if part not in hints:
                return part, sorted(hints)
            kind = _not_none(hints[part])
        elif kind is not Any:
            return part, []
    return OPEN if through_mapping else None


def _not_none(hint: Any) -> Any:
    """Return the type of an optional setting without its None."""
    given = [option for option in typing.get_args(hint) if option is not type(None)]
    return given[0] if type(None) in typing.get_args(hint) else hint
