"""`tunegrid methods`: the study's counts on the real architecture, without weights or network."""

from __future__ import annotations

import json
import time

import pytest

from tunegrid.cli import main
from tunegrid.config.compose.typed import model_and_method
from tunegrid.reports.methods import STUDY, rows

TABLE_4 = {
    "adalora": 5_898_600,
    "lora": 15_728_640,
    "prompt_tuning": 81_920,
    "p_tuning": 1_151_232,
    "prefix_tuning": 32_309_376,
    "sadapter_p": 7_864_320,
    "sadapter_h": 15_728_640,
    "p_adapter": 15_728_640,
    "sadapter_p_large": 62_914_560,
    "sadapter_h_large": 125_829_120,
    "p_adapter_large": 125_829_120,
}
"""The study's "M" is 2**20."""


def test_every_method_of_bloom_7b1_is_counted_within_a_minute(capsys):
    started = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main.main(["methods", "--model", "bloom_7b1", "--json"])
    assert ended.value.code == 0
    assert time.process_time() - started < 60
    found = json.loads(capsys.readouterr().out)
    counts = {row["method"]: row["trainable_parameters"] for row in found}
    assert list(counts.items())[:11] == list(TABLE_4.items())
    assert tuple(TABLE_4) == STUDY
    assert len(found) == 34
    assert {row["base_parameters"] for row in found} == {7_069_016_064}
    assert counts["full"] == 7_069_016_064
    assert counts["none"] == 0
    assert {row["counted_from"] for row in found} == {"model.architecture_config"}
    by_name = {row["method"]: row for row in found}
    assert by_name["lora"]["nf4"] is True
    assert by_name["pissa"]["nf4"] is False
    assert any("decomposes the weights" in reason for reason in by_name["pissa"]["reasons"])
    assert all(r["reasons"] for r in found if not (r["nf4"] and r["int8"] and r["merges"]))


def test_a_method_that_the_base_cannot_take_has_a_reason_and_no_number(project):
    config = model_and_method(project / "conf", "mini_llama", "bitfit")
    [row] = rows(config.model, [config.peft], project)
    assert row["trainable_parameters"] is None
    assert row["fp32"] is False
    assert any("has none" in reason for reason in row["reasons"])
    assert row["counted_from"] == "config.json"


def test_names_that_do_not_exist_are_refused(capsys):
    for words, said in (
        (["--model", "blom_7b1"], "did you mean 'bloom_7b1'"),
        (["--method", "lorra"], "did you mean 'lora'"),
    ):
        with pytest.raises(SystemExit) as ended:
            main.main(["methods", *words])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
