"""Cells whose inputs are on a fake hub, and what bringing them gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tunegrid.config.schema import (
    CellConfig,
    CollectionConfig,
    ModelConfig,
    SourceConfig,
)
from tunegrid.store.inputs import download, listing
from tunegrid.store.inputs.sources import Input, inputs_of

LARGE = bytes(range(256)) * 2000


def config(**changes: Any) -> CellConfig:
    made = CellConfig(model=ModelConfig(name="tiny", path="owner/tiny", download_bytes=77))
    made.peft.function = "library.attach"
    made.judge.function = "reference.build"
    return replace(made, **changes)


def with_collection(source: SourceConfig, *files: str) -> CellConfig:
    made = config()
    made.data.collections = {"stories": CollectionConfig("stories", list(files), source=source)}
    return made


def only(found: list[Input], kind: str) -> Input:
    (one,) = [one for one in found if one.kind == kind]
    return one


def brought(project: Path, *configs: CellConfig, kind: str) -> list[download.Failure]:
    found = listing.listed([only(inputs_of(configs, project), kind)])
    return download.bring_all(found, lambda line: None)


BASE_FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": LARGE,
    "pytorch_model.bin": b"pickle",
    "modeling_own.py": b"print('code')",
    "README.md": b"# base",
}
