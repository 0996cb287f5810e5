"""Every real raw file, read as `data=files` reads it: its records, and what was recognised.

None of them is part of the repository; the tests skip where they are absent.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.functions import find_function
from tunegrid.config.schema import DataConfig
from tunegrid.data.mixture import compose, effective_collections

MOSS = "MOSS's turns in chat, Human and MOSS of each"
# file, records, records that are no example, what is recognised, the collection's reader
FILES = [
    ("instruct/alpaca_zh_demo.json", 1000, 0, "JSON array; instruction, input, output", None),
    ("instruct/alpaca_en_demo.json", 999, 0, "JSON array; instruction, input, output", None),
    ("cot/gsm8k_train.tsv", 7473, 0, "TSV without header; question, answer", "cot.read"),
    ("cot/aqua_train.tsv", 2728, 0, "TSV without header; question, answer", "cot.read"),
    ("cot/strategyqa_train.tsv", 2061, 0, "TSV without header; question, answer", "cot.read"),
    ("cot/aqua_train.json", 2728, 0, "JSON array; instruction, input, output", None),
    ("cot/strategyqa_train.json", 2061, 0, "JSON array; instruction, input, output", None),
    ("raw/sharegpt_zh_1k.jsonl", 1000, 2, "JSON lines; turns in conversations", None),
    ("raw/pclue.jsonl", 705, 0, "JSON lines; input, target (not read: answer_ch", None),
    ("raw/chinese_medical_gb18030.csv", 299, 0, "CSV in GB18030; title, ask, answer", None),
    ("raw/csl_title_dev.tsv", 1000, 0, "TSV of CSL; prompt, text, target", "csl.read"),
    ("raw/code_alpaca_2k.json", 2017, 2, "JSON array; instruction, input, output", None),
    ("raw/gpteacher_roleplay.json", 1923, 0, "JSON array; instruction, input, response", None),
    ("raw/gaokao/2010-2022_Biology_MCQs.json", 150, 0, "JSON array in 'example'; question", None),
    ("raw/gaokao/2010-2022_History_MCQs.json", 287, 0, "JSON array in 'example'; question", None),
]


@pytest.mark.parametrize(("name", "records", "rejected", "form", "reader"), FILES)
def test_a_raw_file_has_its_records(
    shared_data: Path, name: str, records: int, rejected: int, form: str, reader: str | None
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
    if reader is not None:
        named = find_function("collection", reader)(shared_data / name)
        assert sorted(one.texts for one in named.examples) == sorted(
            one.texts for one in mixed.train
        )


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
    assert sum(len(one.earlier) + 1 for one in mixed.train) == 172
    markers = ("<eo", "<|Human|>", "<|MOSS|>")
    assert not any(mark in text for one in mixed.train for text in one.texts for mark in markers)
