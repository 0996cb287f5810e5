"""An adapter that was trained elsewhere becomes a finished cell.

Owns: reading peft's files of any age, holding them against the base, and the run directory that is
written. Nothing of the training is made up: its record says that it was imported, and from what.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunegrid.cells import check, wanted
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.config.schema import CellConfig, DataConfig, PeftConfig, TrainConfig
from tunegrid.models.methods.peft_source import field_defaults, method_fields
from tunegrid.store import provenance, run_files
from tunegrid.store.run_directory import RunDirectory

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ACCEPTED = "LORA"
_NOTHING: tuple[Any, ...] = (None, False, [], {}, "")
_OF_THE_FILE = (
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version",
    "revision", "task_type",
)  # fmt: skip
"""Fields that say where an adapter comes from, not what it is."""
_LABEL = "imported"


def import_adapter(
    folder: Path, config: CellConfig, project: Path, *, name: str | None, data: str | None
) -> tuple[Cell, list[str]]:
    """Write an adapter's run directory; return the cell and what is to be said of it.

    Args:
        folder: holds adapter_config.json and adapter_model.safetensors or .bin.
        config: composed with the base, quantization and prompt it was trained with.
        project: holds conf/.
        name: of the method, for tables; by default `imported`.
        data: what it was trained on, for tables.

    Raises:
        ConfigError: a method that cannot be imported, or another base than it was made for.
        DataError: files that are missing or cannot be read.
    """
    settings, weights_file = _files(folder)
    options = _options(settings, folder)
    weights = _weights(weights_file)
    peft = PeftConfig(
        name=name or _LABEL,
        function="library.attach",
        options=options,
        imported=_content_sha256(weights),
    )
    label = data or _LABEL
    own = replace(config, peft=peft, data=DataConfig(name=label), train=TrainConfig(name=_LABEL))
    cell = check.checked(own, project, Path.cwd())
    run = RunDirectory(cell.directory)
    notes = _remarks(settings, cell)
    if run.has(run_files.TRAINED):
        return cell, [*notes, f"{cell.train_id} is there already; nothing was changed"]
    attached = _fitting(cell, weights, folder)
    run.create()
    with run.locked():
        run.write(run_files.CELL, cell.record() | {wanted.ASKED: []})
        run.write(run_files.PROVENANCE, provenance.collect(project))
        with run.replaced_directory(run_files.ADAPTER) as directory:
            _write(attached, weights, directory)
        trained_on = settings.get("base_model_name_or_path")
        run.write(
            run_files.TRAINED,
            {
                "steps": None,
                "trainable_parameters": sum(tensor.numel() for tensor in weights.values()),
                "suspect": [],
                "imported": {
                    "folder": folder.resolve().name,
                    "sha256": peft.imported,
                    "base_model_name_or_path": trained_on,
                },
            },
        )
    return cell, notes


def _files(folder: Path) -> tuple[dict[str, Any], Path]:
    """Return an adapter's settings and where its weights are."""
    path = folder / CONFIG
    if not path.is_file():
        raise DataError(
            f"{folder} has no {CONFIG}, so it is no adapter of peft; give the folder that holds it"
        )
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); download the adapter again") from error
    if not isinstance(settings, dict):
        raise DataError(f"{path} is no JSON object; download the adapter again")
    found = [folder / file for file in WEIGHTS if (folder / file).is_file()]
    if not found:
        raise DataError(f"{folder} has no weights; it needs {' or '.join(WEIGHTS)}")
    return settings, found[0]


def _options(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the options of the method; what an older peft wrote besides must say nothing."""
    kind = str(settings.get("peft_type", "")).upper()
    if kind != ACCEPTED:
        raise ConfigError(
            f"{folder / CONFIG}: peft_type is {settings.get('peft_type')!r}; accepted is "
            f"{ACCEPTED}, the method of the adapters that were released with the study"
        )
    known = [name for name in method_fields(kind) if name not in _OF_THE_FILE]
    strange = {
        name: value
        for name, value in settings.items()
        if name not in known and name not in _OF_THE_FILE and not _says_nothing(value)
    }
    # The old name of a default: whether layers were merged to answer, which changes nothing.
    strange.pop("merge_weights", None)
    if strange:
        raise ConfigError(
            f"{folder / CONFIG}: {', '.join(f'{n}={v!r}' for n, v in strange.items())} says "
            f"something that {ACCEPTED} of this peft does not know; import it with a program "
            "that does"
        )
    first = field_defaults(kind)
    return {"type": kind} | {
        name: settings[name]
        for name in known
        if name in settings and settings[name] is not None and settings[name] != first.get(name)
    }


def _says_nothing(value: Any) -> bool:
    # By type as well: 0 equals False, and a number of 0 says something.
    return any(value == one and type(value) is type(one) for one in _NOTHING)


def _remarks(settings: Mapping[str, Any], cell: Cell) -> list[str]:
    """Return what a user should know: the base it says it was trained on."""
    stated = str(settings.get("base_model_name_or_path") or "")
    if stated.rstrip("/").rpartition("/")[2] in ("", Path(cell.config.model.path).name):
        return []
    return [
        f"the adapter says that it was trained on {stated!r}, and is put on "
        f"{cell.config.model.path!r}: their shapes agree, whether their weights do is not known"
    ]


def _weights(file: Path) -> dict[str, Any]:
    """Return an adapter's tensors by peft's names; pickled ones are read as tensors alone."""
    import pickle

    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(file)))
        import torch

        found = torch.load(str(file), map_location="cpu", weights_only=True)
        return {str(name): tensor.contiguous() for name, tensor in found.items()}
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{file} holds more than tensors, and reading it would run what it holds; it is not "
            "read. Convert it to safetensors where you trust it"
        ) from error
    except Exception as error:
        raise DataError(f"{file} cannot be read ({error}); download the adapter again") from error


def _content_sha256(weights: Mapping[str, Any]) -> str:
    """Return the hash of tensors by name: the same weights in either form of file are one cell.

    Raises:
        DataError: a weight that is not finite, with which every answer would be noise.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        if not bool(tensor.isfinite().all()):
            raise DataError(f"{name} of the adapter holds values that are not finite; get another")
        digest.update(canonical_json([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _fitting(cell: Cell, weights: Mapping[str, Any], folder: Path) -> Any:
    """Return the base's architecture with the method attached, which has these very weights."""
    from peft import get_peft_model_state_dict

    from tunegrid.models.bases.skeleton import skeleton
    from tunegrid.models.methods.attach import PLANNED_STEPS, attach_to_skeleton
    from tunegrid.store.inputs.locate import CURRENT

    config = cell.config
    attached = attach_to_skeleton(
        config.peft, lambda: skeleton(config.model, CURRENT).model, PLANNED_STEPS
    )
    own = {n: tuple(t.shape) for n, t in get_peft_model_state_dict(attached.model).items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    problems = [f"{name} is missing" for name in sorted(own.keys() - given.keys())]
    problems += [f"{name} has no place" for name in sorted(given.keys() - own.keys())]
    problems += [
        f"{name} is {list(given[name])}, not {list(own[name])}"
        for name in sorted(own.keys() & given.keys())
        if own[name] != given[name]
    ]
    if problems:
        raise ConfigError(
            f"the adapter in {folder} does not fit {config.model.name} ({len(problems)} weights "
            f"differ: {'; '.join(problems[:3])}); give the base it was made for with --model"
        )
    return attached.model


def _write(model: Any, weights: Mapping[str, Any], directory: Path) -> None:
    """Write weights and settings as `export` does, so that they are read back as its are."""
    from safetensors.torch import save_file

    from tunegrid.models.methods.attached import write_sorted

    directory.mkdir(parents=True, exist_ok=True)
    save_file(dict(sorted(weights.items())), str(directory / WEIGHTS[0]), metadata={"format": "pt"})
    settings = model.peft_config["default"]
    settings.inference_mode = True
    settings.save_pretrained(str(directory))
    write_sorted(directory / CONFIG)
