"""The catalogue: every row of the Alpaca-CoT project's table is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.choices import Certainty, Generation, Language, Task
from tunegrid.config.errors import ConfigError
from tunegrid.data.catalogue import rows, with_tags

# Name of the row, what it states, and its tags.
TABLE = {
    "Chain of Thought": (74771, "EN CN", "MT", "HG"),
    "GPT4all": (806199, "EN", "MT", "COL"),
    "GPTeacher": (29013, "EN", "MT", "SI"),
    "Guanaco": (534610, "ML", "MT", "SI"),
    "HC3": (37175, "EN CN", "TS", "MIX"),
    "alpaca": (52002, "EN", "MT", "SI"),
    "Natural Instructions": (5040134, "ML", "MT", "COL"),
    "belle_cn": (1079517, "CN", "TS MT", "SI"),
    "instinwild": (52191, "EN CN", "MT", "SI"),
    "prosocial dialog": (165681, "EN", "TS", "MIX"),
    "finance_en": (68912, "EN", "TS", "COL"),
    "xP3": (78883588, "ML", "MT", "COL"),
    "firefly": (1649398, "CN", "MT", "COL"),
    "instruct": (888969, "EN", "MT", "COL"),
    "Code Alpaca": (20022, "EN", "TS", "SI"),
    "Alpaca_GPT4": (52002, "EN CN", "MT", "SI"),
    "webGPT": (18994, "EN", "TS", "MIX"),
    "dolly 2.0": (15015, "EN", "TS", "HG"),
    "baize": (653699, "EN", "MT", "COL"),
    "hh-rlhf": (284517, "EN", "TS", "MIX"),
    "OIG(part)": (49237, "EN", "MT", "COL"),
    "GAOKAO": (2785, "CN", "MT", "COL"),
    "camel": (760620, "EN", "MT", "SI"),
    "FLAN-Muffin": (1764800, "EN", "MT", "COL"),
    "COIG(FlagInstruct)": (298428, "CN", "MT", "COL"),
    "GPT4Tools": (71446, "EN", "MT", "SI"),
    "ShareChat": (1663241, "EN", "MT", "MIX"),
    "Auto CoT": (5816, "EN", "MT", "COL"),
    "MOSS": (1583595, "EN CN", "TS", "SI"),
    "ultrachat": (28247446, "EN", "TS", "SI"),
    "Chinese-medical": (792099, "CN", "TS", "COL"),
    "CSL": (396206, "CN", "MT", "COL"),
    "pCLUE": (1200705, "CN", "MT", "COL"),
    "news_commentary": (252776, "CN", "TS", "COL"),
    "StackLLaMA": (None, "EN", "", ""),
}


@pytest.fixture(scope="module")
def every(project: Path) -> list[dict]:
    return rows([project / "conf" / "data" / "collection"], project)


def test_the_table_has_35_rows() -> None:
    assert len(TABLE) == 35


@pytest.mark.parametrize("row", TABLE)
def test_every_row_of_the_table_has_a_collection(every: list[dict], row: str) -> None:
    size, languages, tasks, generation = TABLE[row]
    found = [one for one in every if one["row"] == row]
    assert found
    assert {one["row_size"] for one in found} == {size}
    # The table's tag of ShareChat says EN of its Chinese files too.
    named = {tag for one in found for tag in one["language"]}
    assert set(languages.split()) <= named | ({"ML"} & set(languages.split()))
    assert {tag for one in found for tag in one["task"]} == set(tasks.split())
    assert {tag for one in found for tag in one["generation"]} == set(generation.split())
    assert all(one["type"] and one["original"] for one in found)


def test_tags_are_of_closed_sets(every: list[dict]) -> None:
    assert len(every) > 60
    for one in every:
        assert set(one["language"]) <= {tag.value for tag in Language}
        assert set(one["task"]) <= {tag.value for tag in Task}
        assert set(one["generation"]) <= {tag.value for tag in Generation}
        assert one["certainty"] in {None, *(mark.value for mark in Certainty)}
        assert one["row"] in {None, *TABLE}
        # What no hub file is known for says so; raw files may have to be put there by hand.
        known = one["repository"] is not None or one["certainty"] == "unknown"
        assert known or one["collection"].startswith(("mini_", "raw_"))
        assert one["row"] is not None or one["collection"].startswith("mini_")


def test_tags_filter(every: list[dict]) -> None:
    found = {
        one["collection"] for one in with_tags(every, {"language": ["CN"], "generation": ["SI"]})
    }
    assert {"belle", "alpaca_gpt4_zh", "moss_003", "instinwild_zh"} <= found
    assert not {"alpaca", "firefly", "dolly", "mini_chinese"} & found
    assert with_tags(every, {"language": [], "task": []}) == every


def test_of_two_files_of_one_name_the_first_counts(tmp_path: Path) -> None:
    for folder, files in (("a", "[x.json]"), ("b", "[y.json, z.json]")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").write_text(f"name: mine\nfiles: {files}\n")
    (tmp_path / "x.json").write_text("[]")
    (mine,) = rows([tmp_path / "a", tmp_path / "b"], tmp_path)
    assert mine["here"] == "1 of 1"
    (tmp_path / "a" / "bad.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml is no collection"):
        rows([tmp_path / "a"], tmp_path)
