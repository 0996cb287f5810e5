"""`tunegrid data list` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tunegrid.cli.commands import data as module
from tunegrid.cli.main import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["data", "list", *words])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_all_collections_are_printed(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    code, out, err = printed(capsys)
    names = [path.stem for path in (project / "conf" / "data" / "collection").glob("*.yaml")]
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == sorted(names)
    assert f"{len(names)} of {len(names)} collections" in err


def test_rows_as_json_have_all_facts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "--language", "CN", "--generation", "SI", "--json")
    found = {row["collection"]: row for row in json.loads(out)}
    assert code == 0
    assert "firefly" not in found
    assert found["belle"]["repository"] == "QingyiSi/Alpaca-CoT"
    assert found["belle"]["files"] == ["combination/belle_data1.5M_cn.json"]
    assert found["belle"]["size_bytes"] == 832_000_000


def test_tags_that_nothing_has_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = printed(capsys, "--language", "ML", "--generation", "HG")
    assert code == 2
    assert "has language ML, generation HG" in err


def test_it_answers_within_two_seconds_and_without_torch(project: Path) -> None:
    assert module.data
    code = (
        "import sys; from tunegrid.cli.main import main\n"
        "try: main(['data', 'list', '--json'])\n"
        "finally: assert not {'torch', 'pandas', 'transformers'} & set(sys.modules)\n"
    )
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)) > 60
    assert time.perf_counter() - begin < 2 * 3  # thrice for a busy machine
