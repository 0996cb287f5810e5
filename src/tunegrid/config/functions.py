"""Names of functions in YAML become functions of the package, their options checked first.

Owns: finding a function by its group and name, and binding options to its signature. Knows
nothing of what the functions do. Each group has one package, and nothing outside of it is
imported: a config is data, and must not be able to call whatever is installed.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from tunegrid.config.errors import ConfigError

PACKAGES = {
    "peft": "tunegrid.models.methods",
    "collection": "tunegrid.data.readers",
    "benchmark": "tunegrid.evaluation.benchmarks",
    "judge": "tunegrid.evaluation.judges",
}
"""Where the functions of each group stand: `library.attach` of `peft` is `attach` in the module
`library` of that package."""

EXAMPLES = {
    "peft": "library.attach",
    "collection": "instructions.read",
    "benchmark": "belle.read",
    "judge": "reference.build",
}

HASHED_AS = {
    "library.attach": "tunegrid.methods.library.attach",
    "adalora.attach": "tunegrid.methods.adalora.attach",
    "base_weights.bitfit": "tunegrid.methods.base_weights.bitfit",
    "base_weights.freeze": "tunegrid.methods.base_weights.freeze",
    "base_weights.full": "tunegrid.methods.base_weights.full",
    "bottleneck.attach": "tunegrid.methods.bottleneck.attach",
    "lora_plus.attach": "tunegrid.methods.lora_plus.attach",
    "instructions.read": "tunegrid.collections.instructions.read",
    "belle.read": "tunegrid.benchmarks.belle.read",
    "mmcu.read": "tunegrid.benchmarks.mmcu.read",
    "local.build": "tunegrid.judges.local.build",
    "openai.build": "tunegrid.judges.openai.build",
    "recorded.build": "tunegrid.judges.recorded.build",
    "reference.build": "tunegrid.judges.reference.build",
}
"""What stands for a function in an identity where that is not its name: these were named by the
files they lay in when the first cells were named. Frozen; a new function is hashed by its name."""


def hashed_name(name: str | None) -> str | None:
    """Return what stands for a function in an identity."""
    return None if name is None else HASHED_AS.get(name, name)


def nearest(name: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name most similar to `name`, or None when nothing is close."""
    found = difflib.get_close_matches(name, list(accepted), n=1, cutoff=0.5)
    return found[0] if found else None


def suggestion(name: str, accepted: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` and the accepted names, ready to end an error message."""
    names = sorted(accepted)
    close = nearest(name, names)
    hint = f"; did you mean {close!r}?" if close else ""
    return f"{hint or '.'} Accepted: {', '.join(names) if names else 'nothing'}."


def find_module(group: str, name: str) -> ModuleType:
    """Return the module in which the function `name` of a group stands.

    Raises:
        ConfigError: `name` is not of the form `module.function`, or there is no such module.
    """
    package = PACKAGES[group]
    if re.fullmatch(r"[a-z]\w*\.[a-z]\w*", name) is None:
        raise ConfigError(
            f"function {name!r} is not of the form module.function, such as {EXAMPLES[group]!r}"
        )
    module, _, _ = name.partition(".")
    there = {one.name for one in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    if module not in there:
        raise ConfigError(
            f"function {name!r}: there is no {module!r} among the functions for {group}"
            f"{suggestion(module, there)}"
        )
    return importlib.import_module(f"{package}.{module}")


def find_function(group: str, name: str) -> Callable[..., Any]:
    """Return the function `name` of a group.

    Args:
        group: a key of `PACKAGES`.
        name: `module.function`, as YAML has it.

    Raises:
        ConfigError: no such module in the group's package, or no such function in it.
    """
    module = find_module(group, name)
    function_name = name.partition(".")[2]
    function = getattr(module, function_name, None)
    if not callable(function):
        public = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise ConfigError(
            f"function {name!r}: there is no {function_name!r} in it"
            f"{suggestion(function_name, (n for n in public if not n.startswith('_')))}"
        )
    return function


def check_options(
    group: str, name: str, options: Mapping[str, Any], supplied: Iterable[str]
) -> list[str]:
    """Return the problems of calling a function with `options`; an empty list when it fits.

    Args:
        group: the function's group.
        name: the function's name in it.
        options: keyword arguments from the YAML.
        supplied: names of arguments the caller gives itself; an option may not repeat them.

    """
    try:
        function = find_function(group, name)
    except ConfigError as error:
        return [str(error)]
    parameters = inspect.signature(function).parameters
    given = set(supplied)
    settable = {
        option
        for option, parameter in parameters.items()
        if option not in given and parameter.kind in (parameter.KEYWORD_ONLY,)
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    problems = []
    for option in options:
        if option in given or (option not in settable and not takes_any):
            problems.append(f"{name}: unknown option {option!r}{suggestion(option, settable)}")
    for option in sorted(settable - set(options)):
        if parameters[option].default is inspect.Parameter.empty:
            problems.append(f"{name}: the option {option!r} is required and missing")
    return problems


def without_defaults(group: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that say more than the function's own defaults.

    A module whose function passes options on may say more, in a function `without_defaults`. A
    function that cannot be found keeps all; checks of the settings report it.
    """
    try:
        function = find_function(group, name)
    except ConfigError:
        return dict(options)
    parameters = inspect.signature(function).parameters
    kept = {
        option: value
        for option, value in options.items()
        if option not in parameters or not is_same(value, parameters[option].default)
    }
    further = getattr(find_module(group, name), "without_defaults", None)
    return kept if further is None else further(kept)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values of an option mean the same; 16 and 16.0 do, 1 and true do not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def option_problems(
    setting: str, group: str, name: str, options: Mapping[str, Any], supplied: Iterable[str]
) -> list[str]:
    """Return the problems of a function named in YAML and its options, each with its setting.

    A module may say more about its options than a signature can, in a function `problems`.
    """
    found = check_options(group, name, options, supplied)
    if not found:
        further = getattr(find_module(group, name), "problems", None)
        if further is not None:
            found = further(options)
    return [f"{setting}: {problem}" for problem in found]
