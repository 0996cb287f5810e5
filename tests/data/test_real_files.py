"""Every real raw file, by its collection and as `data=files` reads it, with its records.

None of them is part of the repository; the tests skip where they are absent.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tunegrid.config.functions import find_function
from tunegrid.config.project import project_directory
from tunegrid.config.schema import DataConfig
from tunegrid.data.mixture import compose, effective_collections

# file, records, records that are no example, what is recognised, the collection that reads it
FILES = [
    (
        "instruct/alpaca_zh_demo.json",
        1000,
        0,
        "JSON array; instruction, input, output",
        "alpaca_gpt4_zh",
    ),
    ("instruct/alpaca_en_demo.json", 999, 0, "JSON array; instruction, input, output", "alpaca"),
    ("cot/gsm8k_train.tsv", 7473, 0, "TSV without header; question, answer", "raw_cot"),
    ("cot/aqua_train.tsv", 2728, 0, "TSV without header; question, answer", "raw_cot"),
    ("cot/strategyqa_train.tsv", 2061, 0, "TSV without header; question, answer", "raw_cot"),
    ("cot/aqua_train.json", 2728, 0, "JSON array; instruction, input, output", "cot"),
    ("cot/strategyqa_train.json", 2061, 0, "JSON array; instruction, input, output", "cot"),
    ("raw/sharegpt_zh_1k.jsonl", 1000, 6, "JSON lines; turns in conversations", "raw_sharegpt_zh"),
    ("raw/pclue.jsonl", 705, 0, "JSON lines; input, target (not read: answer_ch", "raw_pclue"),
    (
        "raw/chinese_medical_gb18030.csv",
        299,
        0,
        "CSV in GB18030; title, ask, answer",
        "raw_chinese_medical",
    ),
    ("raw/csl_title_dev.tsv", 1000, 0, "TSV of CSL; prompt, text, target", "raw_csl"),
    ("raw/code_alpaca_2k.json", 2017, 2, "JSON array; instruction, input, output", "code_alpaca"),
    (
        "raw/gpteacher_roleplay.json",
        1923,
        0,
        "JSON array; instruction, input, response",
        "raw_gpteacher_roleplay",
    ),
    (
        "raw/gaokao/2010-2022_Biology_MCQs.json",
        150,
        0,
        "JSON array in 'example'; question",
        "raw_gaokao",
    ),
    (
        "raw/gaokao/2010-2022_History_MCQs.json",
        287,
        0,
        "JSON array in 'example'; question",
        "raw_gaokao",
    ),
]


@pytest.mark.parametrize(("name", "records", "rejected", "form", "collection"), FILES)
def test_a_raw_file_has_its_records(
    shared_data: Path, name: str, records: int, rejected: int, form: str, collection: str
) -> None:
    mixed = compose(
        effective_collections(DataConfig(files=[str(shared_data / name)])),
        seed=0,
        validation_examples=0,
        max_characters=None,
        max_rejected_share=0.01,
        root=shared_data,
    )
    (entry,) = mixed.manifest["collections"]
    assert (entry["read"], entry["rejected"]) == (records, rejected)
    assert entry["files"][0]["recognised"].startswith(form)
    assert len(mixed.train) == records - rejected
    assert texts_by(collection, shared_data / name) == sorted(one.texts for one in mixed.train)


def texts_by(collection: str, path: Path) -> list[tuple[str, ...]]:
    """Return what a collection's reader with its options makes of a file."""
    file = project_directory() / "conf" / "data" / "collection" / f"{collection}.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    reader = find_function("collection", settings.get("function", "instructions.read"))
    return sorted(one.texts for one in reader(path, **settings.get("options", {})).examples)


def test_moss_conversations(shared_data: Path) -> None:
    files = sorted((shared_data / "raw" / "moss_003").glob("*.json"))
    mixed = compose(
        effective_collections(DataConfig(files=[str(file) for file in files])),
        seed=0,
        validation_examples=0,
        max_characters=None,
        max_rejected_share=0.01,
        root=shared_data,
    )
    assert len(mixed.train) == len(files) == 40
    by_collection = [text for file in files for text in texts_by("raw_moss_003", file)]
    assert sorted(by_collection) == sorted(one.texts for one in mixed.train)
    assert sum(len(one.earlier) + 1 for one in mixed.train) == 172
    markers = ("<eo", "<|Human|>", "<|MOSS|>")
    assert not any(mark in text for one in mixed.train for text in one.texts for mark in markers)
