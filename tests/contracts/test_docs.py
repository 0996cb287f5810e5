"""What README and docs name exists: files, commands, choices of groups, settings."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunegrid.cli.main import parser
from tunegrid.config.compose.overrides import OPEN, accepted_keys
from tunegrid.config.project import project_directory

PROJECT = project_directory()
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FOLDERS = ("src", "tests", "docs", "conf", "sweeps", "assets", "benchmarks", ".ci")
MADE_BY_A_USER = ("conf/data/collection/mine.yaml",)
GROUPS = sorted(path.name for path in (PROJECT / "conf").iterdir() if path.is_dir())
PATH = re.compile(rf"(?<![\w./-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+)")
CHOICE = re.compile(rf"(?<![\w.])({'|'.join(GROUPS)})=([\w,]+)(?![\w(<.])")
SETTING = re.compile(rf"(?<![\w./-])((?:{'|'.join(GROUPS)}|runtime)(?:\.\w+)+)(?==)")
HYDRA_GROUP = "launcher"


def missing_paths(text: str) -> list[str]:
    """Return the paths below folders of this repository that do not exist."""
    return [
        path
        for path in dict.fromkeys(PATH.findall(text))
        if not (PROJECT / path.rstrip("./")).exists() and path not in MADE_BY_A_USER
    ]


def commands() -> set[str]:
    [choices] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return set(choices.choices)


def unknown_commands(text: str) -> list[str]:
    """Return words behind `tunegrid` that are no command."""
    named = re.findall(r"(?:^\$ |`)tunegrid ([a-z][a-z-]+)", text, re.MULTILINE)
    return sorted(set(named) - commands())


def unknown_choices(text: str) -> list[str]:
    """Return choices of groups, such as `peft=lora`, for which there is no file."""
    return sorted(
        f"{group}={name}"
        for group, names in CHOICE.findall(text)
        for name in filter(None, names.split(","))
        if not (PROJECT / "conf" / group / f"{name}.yaml").exists()
    )


def unknown_settings(text: str) -> list[str]:
    """Return dotted settings that the schema does not have."""
    return sorted(
        name for name in set(SETTING.findall(text)) if accepted_keys(name) not in (None, OPEN)
    )


def pages() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        yield page, page.read_text(encoding="utf-8")


def test_there_is_something_to_check() -> None:
    text = "\n".join(text for _, text in pages())
    assert len(PAGES) >= 10
    assert len(set(PATH.findall(text))) > 20
    assert len(set(CHOICE.findall(text))) > 10
    assert len(set(SETTING.findall(text))) > 20
    assert len(re.findall(r"^\$ tunegrid ", text, re.MULTILINE)) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert missing_paths(text) == []
    assert unknown_commands(text) == []
    assert unknown_choices(text) == []
    assert unknown_settings(text) == []


def test_every_command_is_named_somewhere() -> None:
    text = "\n".join(text for _, text in pages())
    assert len(commands()) > 12
    assert [name for name in sorted(commands()) if f"tunegrid {name}" not in text] == []


def test_the_checks_find_what_is_not_there() -> None:
    assert missing_paths("see `src/tunegrid/no/such.py` and conf/peft/lora.yaml") == [
        "src/tunegrid/no/such.py"
    ]
    assert unknown_commands("$ tunegrid tables\n$ tunegrid tabels\n") == ["tabels"]
    assert unknown_choices("python run.py peft=lora,lorra model=mini_llama") == ["peft=lorra"]
    assert unknown_settings("train.epochs=1 train.epoch=2 eval.benchmarks.mmcu.path=x") == [
        "train.epoch"
    ]
