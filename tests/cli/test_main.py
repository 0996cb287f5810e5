"""Each command answers --help, and an error is one line with its exit code."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tunegrid import __version__
from tunegrid.cli import main
from tunegrid.config.errors import ConfigError, StoreError


def commands() -> list[str]:
    (group,) = [a for a in main.parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return sorted(group.choices)


def ended(*words: str) -> object:
    with pytest.raises(SystemExit) as end:
        main.main(words)
    return end.value.code


def test_the_commands_are_here() -> None:
    assert {"tables", "status", "fetch", "diff", "show", "migrate", "collect"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"usage: tunegrid {command}" in shown
    assert "--results" in shown
    assert "--json" in shown


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended() == 2
    assert "usage: tunegrid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("why"), 2), (StoreError("why"), 1), (BrokenPipeError(), 0)]
)
def test_an_error_has_its_code_and_no_traceback(
    error: Exception,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(main, "tables", refuse)
    assert ended("tables", "--results", str(tmp_path)) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert shown == ("" if code == 0 else f"{type(error).__name__}: why\n")


def test_what_is_no_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: argparse.Namespace) -> int:
        raise KeyError("a fault of the program")

    monkeypatch.setattr(main, "tables", fail)
    with pytest.raises(KeyError):
        main.main(["tables"])
