"""Declarations that do not fit are refused with file and line, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.reports.declared import declared

START = "hydra:\n  sweeper:\n    tables:\n"


def test_all_that_is_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        START + "      - {name: a, columns: [mmcu.law]}\n"
        "      - name: b/c\n"
        "        columns: [law]\n"
        "        published: table8\n"
        "        mixed: [seed]\n"
        "        rows:\n"
        "          Alpaca-GPT4: {data: x}\n"
        "          Other: {modle: y}\n"
        "      - {name: d, rows: {x: null}, columns: [mmcu.law], order: up}\n"
    )
    with pytest.raises(ConfigError) as refused:
        declared(path)
    said = str(refused.value)
    for line, words in (
        (4, "a table needs rows"), (5, "name 'b/c'"), (5, "column 'law'"),
        (5, "mixed names 'seed'"),
        (5, "published row 'Alpaca-GPT4+CoT' of table8 has no row here"),
        (11, "selects by modle"), (11, "table8 has no published row 'Other'"),
        (12, "'order' is no key"),
    ):  # fmt: skip
        assert any(f"{path}:{line}: " in one and words in one for one in said.splitlines()), words


def test_a_sweep_without_tables_declares_none(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("hydra:\n  sweeper:\n    grids: []\n")
    assert declared(path) == []
