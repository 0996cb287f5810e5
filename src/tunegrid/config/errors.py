"""The four errors a user can meet, and how several problems become one message.

Owns: the exception classes. Knows nothing of configs, files or torch.

Every message says what was found, where, what is accepted and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class TunegridError(Exception):
    """Base of the errors that are shown to a user without a traceback."""


class ConfigError(TunegridError):
    """A configuration that cannot be run: refused before anything is launched."""


class DataError(TunegridError):
    """A data file that cannot be used as it is."""


class StoreError(TunegridError):
    """A results directory that cannot be read, written or locked."""


class StageError(TunegridError):
    """A stage of a cell that ended without its result."""


class Incomplete(StageError):
    """A cell whose judge left items without a score: not failed, the same command asks again."""


class Stopped(Exception):
    """A cell was asked to stop and did, with nothing lost but unfinished steps; no error."""


def all_problems(heading: str, problems: Sequence[str]) -> str:
    """Return one message: the heading with the count, then one numbered line per problem."""
    if len(problems) == 1:
        return f"{heading}: {problems[0]}"
    lines = [f"{heading}: {len(problems)} problems"]
    lines += [f"  {number}. {problem}" for number, problem in enumerate(problems, start=1)]
    return "\n".join(lines)


NAMED_CELLS = 5


def by_problem(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return each problem once, with the cells that have it; many cells are counted.

    Args:
        found: pairs of a cell's name and one of its problems, in the order they were found.
    """
    cells: dict[str, list[str]] = {}
    for cell, problem in found:
        cells.setdefault(problem, []).append(cell)
    lines = []
    for problem, having in cells.items():
        if len(having) == 1:
            lines.append(f"[{having[0]}] {problem}")
            continue
        named = ", ".join(f"[{cell}]" for cell in having[:NAMED_CELLS])
        more = f" and {len(having) - NAMED_CELLS} more" if len(having) > NAMED_CELLS else ""
        lines.append(f"{problem}\n     in {len(having)} cells: {named}{more}")
    return lines
