"""Draws docs/architecture.svg: the rooms, their size, and who imports whom, read from the code.

`make docs` writes the picture; `--check` ends with 1 where the code has other arrows.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import re
import sys
import tomllib
from pathlib import Path

import grimp
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "architecture.svg"
SOURCE = PROJECT / "src" / "tunegrid"

INK, PAPER, FILL = "#1f2933", "#ffffff", "#2f6f9f"


def layers() -> list[list[str]]:
    """Return the rooms by level, the highest first, as the contract in pyproject.toml has them."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [
        one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    ]
    return [[room.strip() for room in level.split("|")] for level in contract["layers"]]


def lines(room: str) -> int:
    """Return the lines of code of a room."""
    files = (SOURCE / room).rglob("*.py")
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def imports(rooms: list[str]) -> dict[tuple[str, str], int]:
    """Return how many imports lead from one room to another, those inside functions included."""
    graph = grimp.build_graph("tunegrid", cache_dir=None)
    found: dict[tuple[str, str], int] = {}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = (room_of(module), room_of(other))
            if pair[0] != pair[1] and set(pair) <= set(rooms):
                found[pair] = found.get(pair, 0) + 1
    return found


def room_of(module: str) -> str:
    """Return the room of a module."""
    return [*module.split("."), ""][1]


def drawn() -> str:
    """Return the picture as SVG: each room's row shows whom it imports, and how often."""
    rooms = [room for level in layers() for room in level]
    level_of = {room: number for number, level in enumerate(layers()) for room in level}
    counts = imports(rooms)
    most = max(counts.values())
    matplotlib.rcParams |= {"svg.hashsalt": "tunegrid", "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(9.2, 6.4))
    figure.patch.set_facecolor(PAPER)
    for y, room in enumerate(rooms):
        axes.text(-0.7, y, f"{room}", ha="right", va="center", fontsize=11, color=INK,
                  family="sans-serif", weight="bold")  # fmt: skip
        axes.text(-3.9, y, f"{lines(room):,} lines", ha="right", va="center", fontsize=8.5,
                  color=INK, family="sans-serif")  # fmt: skip
        axes.text(y, -0.8, room, ha="left", va="bottom", fontsize=10, color=INK, rotation=45,
                  family="sans-serif")  # fmt: skip
        for x, other in enumerate(rooms):
            number = counts.get((room, other), 0)
            if x == y:
                axes.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, color="#e4e7eb"))
            elif number:
                shade = 0.18 + 0.82 * (number / most) ** 0.5
                axes.add_patch(plt.Rectangle((x - 0.46, y - 0.46), 0.92, 0.92, color=FILL,
                                             alpha=shade, lw=0))  # fmt: skip
                axes.text(x, y, str(number), ha="center", va="center", fontsize=9,
                          color=PAPER if shade > 0.55 else INK, family="sans-serif")  # fmt: skip
        if y and level_of[room] != level_of[rooms[y - 1]]:
            axes.axhline(y - 0.5, color="#9aa5b1", lw=0.8)
    axes.set_xlim(-6.4, len(rooms) + 0.2)
    axes.set_ylim(len(rooms) - 0.4, -3.0)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.text(-6.3, -2.7, "imports from the room of the row\ninto the room of the column",
              fontsize=9, color=INK, va="top", family="sans-serif")  # fmt: skip
    text = io.StringIO()
    described = {"Date": None, "Description": json.dumps(sorted(map(list, counts)))}
    figure.savefig(text, format="svg", bbox_inches="tight", metadata=described)
    plt.close(figure)
    return text.getvalue()


def arrows_of_picture() -> set[tuple[str, str]]:
    """Return which rooms import which in the committed picture."""
    text = PICTURE.read_text(encoding="utf-8")
    [described] = re.findall(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)
    return {(one, other) for one, other in json.loads(html.unescape(described))}


def main() -> int:
    """Write the picture, or compare its arrows."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    if not arguments.parse_args().check:
        PICTURE.write_text(drawn(), encoding="utf-8")
        return 0
    differing = arrows_of_picture() ^ set(imports([room for level in layers() for room in level]))
    if not differing:
        return 0
    named = ", ".join(f"{one} to {other}" for one, other in sorted(differing))
    print(
        f"docs/architecture.svg differs from the code ({named}); run `make docs`", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
