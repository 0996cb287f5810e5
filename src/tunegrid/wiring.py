"""Dotted names in YAML become functions of the package, their options checked first.

Owns: finding a function by name and binding options to its signature. Knows nothing of what
the functions do. Only names under an accepted prefix are imported: a config is data, and must
not be able to call whatever is installed.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tunegrid.errors import ConfigError

ACCEPTED_PREFIX = "tunegrid."


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


def find_function(dotted: str) -> Callable[..., Any]:
    """Return the function that `dotted` names.

    Raises:
        ConfigError: outside `tunegrid.`, no such module, or no such function in it.

    """
    module_name, _, function_name = dotted.rpartition(".")
    if not dotted.startswith(ACCEPTED_PREFIX) or not module_name:
        raise ConfigError(
            f"function {dotted!r} is not part of the package; "
            f"name a function under {ACCEPTED_PREFIX!r}, such as 'tunegrid.methods.library.attach'"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise ConfigError(
            f"function {dotted!r}: there is no module {module_name!r}; check its spelling"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        public = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise ConfigError(
            f"function {dotted!r}: module {module_name!r} has no function {function_name!r}"
            f"{suggestion(function_name, (n for n in public if not n.startswith('_')))}"
        )
    return function


def check_options(dotted: str, options: Mapping[str, Any], supplied: Iterable[str]) -> list[str]:
    """Return the problems of calling `dotted` with `options`; an empty list when it fits.

    Args:
        dotted: the function's dotted name.
        options: keyword arguments from the YAML.
        supplied: names of arguments the caller gives itself; an option may not repeat them.

    """
    try:
        function = find_function(dotted)
    except ConfigError as error:
        return [str(error)]
    parameters = inspect.signature(function).parameters
    given = set(supplied)
    settable = {
        name
        for name, parameter in parameters.items()
        if name not in given and parameter.kind in (parameter.KEYWORD_ONLY,)
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    problems = []
    for name in options:
        if name in given or (name not in settable and not takes_any):
            problems.append(f"{dotted}: unknown option {name!r}{suggestion(name, settable)}")
    for name in sorted(settable - set(options)):
        if parameters[name].default is inspect.Parameter.empty:
            problems.append(f"{dotted}: the option {name!r} is required and missing")
    return problems


def option_problems(
    setting: str, dotted: str, options: Mapping[str, Any], supplied: Iterable[str]
) -> list[str]:
    """Return the problems of a function named in YAML and its options, each with its setting.

    A module may say more about its options than a signature can, in a function `problems`.
    """
    found = check_options(dotted, options, supplied)
    if not found:
        module = importlib.import_module(dotted.rpartition(".")[0])
        further = getattr(module, "problems", None)
        if further is not None:
            found = further(options)
    return [f"{setting}: {problem}" for problem in found]
