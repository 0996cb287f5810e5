"""A base that is given by its path alone: the rest is read from its config.json.

Owns: what `model=path` means. Imports torch only for an architecture whose modules are not known by
name (`tunegrid.models.architectures.families`).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Dtype
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import AUTO, ModelConfig
from tunegrid.models.architectures import families
from tunegrid.store.inputs import locate
from tunegrid.store.inputs.hub_commit import cached_config

Facts = Mapping[str, Any]
"""Settings of `model` by name."""


def reader(places: Sequence[Path]) -> Callable[[str, str | None], Facts]:
    """Return what reads the facts of a base from its path and revision.

    Args:
        places: where a relative path may start, in the order they are tried.
    """

    def read(path: str, revision: str | None) -> Facts:
        found = locate.find(path, places)
        if found is not None:
            return _facts(str(found), None, path)
        return _facts(path, revision, path)

    return read


@functools.cache
def _facts(path: str, revision: str | None, given: str) -> Facts:
    """Return the settings of a base that its config.json says.

    Raises:
        ConfigError: there is none, it cannot be read, or it is not of a causal language model.
    """
    file = _config_file(path, revision, given)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.path: {file} is no JSON ({error}); download the base again"
        ) from error
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ConfigError(
            f"model.path: {file} names no `model_type`, so it is no config.json of a base that "
            "transformers knows; give the directory that holds the base's own"
        )
    architecture = families.architecture_of(config)
    modules = families.KNOWN.get(architecture) or _modules_of_skeleton(path, revision, architecture)
    return {
        "name": _name(given),
        "architecture": architecture,
        "attention_modules": list(modules.attention),
        "linear_modules": list(modules.linear),
        "dtype": _dtype(config),
    }


def _config_file(path: str, revision: str | None, given: str) -> Path:
    if Path(path).is_dir():
        file = Path(path) / "config.json"
        if not file.is_file():
            raise ConfigError(
                f"model.path: {path} has no config.json, so it is no base; give the directory "
                "that holds config.json, the tokenizer's files and the weights"
            )
        return file
    if not locate.is_repository_id(path):
        raise ConfigError(
            f"model.path: nothing lies at {given!r}. Give a directory with config.json, tokenizer "
            "and safetensors, or a hub id owner/name"
        )
    return cached_config(path, revision) or _from_hub(path, revision)


def _from_hub(repository: str, revision: str | None) -> Path:
    from huggingface_hub import constants, hf_hub_download

    try:
        return Path(hf_hub_download(repository, "config.json", revision=revision))
    except Exception as error:
        raise ConfigError(
            f"model.path: config.json of {repository!r} is not in the hub's cache on this machine "
            f"({constants.HF_HUB_CACHE}), and the hub did not give it ({type(error).__name__}). "
            f"Download the base where there is a network (hf download {repository}), or give a "
            "directory that holds it"
        ) from error


def _name(given: str) -> str:
    """Return a name for tables: the last part of the path."""
    last = Path(given.rstrip("/")).expanduser()
    word = last.name if last.name not in ("", ".", "..") else last.resolve().name
    return re.sub(r"[^\w.]+", "_", word)


def _dtype(config: Facts) -> Dtype:
    """Return the type the weights are written in, where cells can compute in it."""
    stated = str(config.get("dtype") or config.get("torch_dtype") or "").removeprefix("torch.")
    return Dtype(stated) if stated in [one.value for one in Dtype] else Dtype.float32


def _modules_of_skeleton(path: str, revision: str | None, architecture: str) -> families.Modules:
    """Return the projections of an architecture that is built on the meta device."""
    from tunegrid.models.bases.projections import projections
    from tunegrid.models.bases.skeleton import skeleton

    base = ModelConfig(name=AUTO, path=path, revision=revision, architecture=architecture)
    return projections(skeleton(base, locate.CURRENT).model)
