"""Lays out ``assets/miniature``: which file holds what, and the manifest over all of them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tunegrid_miniature.benchmarks import ExamItem, asked_facts, belle_items, mmcu_items
from tunegrid_miniature.documents import documents
from tunegrid_miniature.holdout import split_facts
from tunegrid_miniature.instructions import build_collections
from tunegrid_miniature.judge_prompts import JUDGE_PROMPTS
from tunegrid_miniature.tokenizer import save_tokenizer, train_tokenizer
from tunegrid_miniature.workbooks import Row, write_workbook
from tunegrid_miniature.world import World

SEED = 7
DOCUMENTS = 40_000
TOKENIZER_DOCUMENTS = 20_000
ARCHITECTURES = ("llama", "bloom")
MANIFEST = "manifest.json"


def pretraining_documents(world: World) -> list[str]:
    """Return the documents both bases are pretrained on."""
    return list(documents(world, DOCUMENTS, world.seed))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _json_lines(records: Iterable[Mapping[str, str]]) -> str:
    """Return JSON lines without a final newline, as in the real Belle-eval files."""
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records)


def _rows(items: list[ExamItem]) -> list[Row]:
    return [(item.question, *item.options, item.answer) for item in items]


def write_texts(world: World, output: Path) -> dict[str, Any]:
    """Write collections and benchmarks and return how many records each holds."""
    split = split_facts(world)
    counts: dict[str, Any] = {
        "entities": len(world.entities),
        "facts": len(world.facts),
        "facts_held_out": len(split.held_out),
        "collections": {},
        "mmcu": {},
    }
    collections = build_collections(world, split, asked_facts(world, split))
    for name, records in collections.items():
        text = json.dumps(records, ensure_ascii=False, indent=1) + "\n"
        _write(output / "collections" / f"{name}.json", text)
        counts["collections"][name] = len(records)
    items = belle_items(world, split)
    lines = _json_lines(
        {"question": item.question, "std_answer": item.answer, "class": item.category}
        for item in items
    )
    _write(output / "belle_eval" / "eval_set.json", lines)
    counts["belle_eval"] = len(items)
    prompts = _json_lines({"class": key, "prompt": text} for key, text in JUDGE_PROMPTS.items())
    _write(output / "belle_eval" / "eval_prompt.json", prompts)
    for part, workbooks in mmcu_items(world, split).items():
        for workbook, sheets in workbooks.items():
            rows = {sheet: _rows(found) for sheet, found in sheets.items()}
            write_workbook(output / "mmcu" / part / f"{workbook}.xlsx", rows)
        counts["mmcu"][part] = sum(
            len(found) for sheets in workbooks.values() for found in sheets.values()
        )
    return counts


def write_tokenizer(world: World, texts: list[str], output: Path) -> Tokenizer:
    """Train the tokenizer and write it beside each base."""
    tokenizer = train_tokenizer(world, texts[-TOKENIZER_DOCUMENTS:])
    for architecture in ARCHITECTURES:
        save_tokenizer(tokenizer, output / architecture)
    return tokenizer


def write_manifest(output: Path, entries: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: seed, counts, bases, and the SHA-256 of every other file.

    ``entries`` replaces parts of a manifest that is already there, so that rebuilding the texts
    alone keeps what is recorded of the bases.
    """
    path = output / MANIFEST
    manifest: dict[str, Any] = {}
    if path.exists():
        manifest = json.loads(path.read_text(encoding="utf-8"))
    files = sorted(p for p in output.rglob("*") if p.is_file() and p != path)
    manifest = {
        "about": "An invented world and two bases pretrained on it; generated, not collected.",
        "license": "Apache-2.0",
        "command": "python -m tunegrid_miniature",
        "seed": SEED,
        "counts": manifest.get("counts", {}),
        "bases": manifest.get("bases", {}),
        **entries,
        "sha256": {
            p.relative_to(output).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in files
        },
    }
    _write(path, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
