"""One plain model from base and adapter, compared with both before it counts.

Owns: the folder it writes and the report in it.
"""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Dtype
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig, DataConfig
from tunegrid.models.methods import agreement
from tunegrid.models.methods.attach import PLANNED_STEPS
from tunegrid.models.methods.compatibility import reason_not_to_merge
from tunegrid.models.methods.merging import merged_model, trained_model
from tunegrid.store import run_files
from tunegrid.store.inputs import locate
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.whole_folder import refuse_content, whole_or_nothing

REPORT = "merge.json"


def merge(
    config: CellConfig, run: RunDirectory, directory: Path, dtype: Dtype = Dtype.float32
) -> dict[str, Any]:
    """Write the merged model and its tokenizer into `directory`; return the comparison.

    The directory loads with plain `from_pretrained`. The row has `largest_logit_difference`
    between the trained adapter over its base and the model read back from the directory.

    Args:
        config: the cell's own settings.
        run: its directory, trained.
        directory: must not exist, or be empty.
        dtype: of the written weights.

    Raises:
        ConfigError: a method that cannot be merged, a cell without an adapter, a base that has
            changed, or a directory that holds something.
        StageError: the merged model does not answer as the trained one; nothing was written.

    """
    _refuse(config, run, directory)
    from tunegrid.models.bases.loading import load
    from tunegrid.models.compute import convert
    from tunegrid.models.dtypes import torch_dtype

    steps = run.read(run_files.TRAINED)["steps"] or PLANNED_STEPS

    def base() -> tuple[Any, Any]:
        return load(
            config.model,
            config.quantization,
            root=locate.CURRENT,
            device=config.runtime.device,
            attention=config.runtime.attention,
        )

    model, tokenizer = base()
    ids = agreement.probe_ids(tokenizer, config.prompt)
    trained = agreement.logits(trained_model(config, model, run.adapter, steps), ids)
    del model
    gc.collect()
    merged = convert(merged_model(config, base()[0], run.adapter, steps), torch_dtype(dtype))
    merged.config.use_cache = True
    device = merged.device
    accepted = agreement.tolerance(dtype, config.quantization.dtype)
    with whole_or_nothing(directory) as unfinished:
        merged.save_pretrained(str(unfinished))
        tokenizer.save_pretrained(str(unfinished))
        del merged
        gc.collect()
        from transformers import AutoModelForCausalLM

        again = AutoModelForCausalLM.from_pretrained(str(unfinished), dtype="auto").to(device)
        found = agreement.compared(trained, agreement.logits(again, ids))
        agreement.refuse_another_model(found, accepted, f"the merged model of {run.path.name}")
        report = {
            "cell": run.path.name,
            "directory": str(directory),
            "method": config.peft.name,
            "quantization": config.quantization.name,
            "dtype": dtype.value,
            **found,
            "accepted_share": accepted,
        }
        RunDirectory(unfinished).write(REPORT, report)
    return report


def _refuse(config: CellConfig, run: RunDirectory, directory: Path) -> None:
    reason = reason_not_to_merge(config.peft)
    if reason is not None:
        raise ConfigError(f"{run.path.name} cannot be merged: {reason}")
    if not run.has(run_files.TRAINED) or not run.has(run_files.ADAPTER):
        raise ConfigError(f"{run.path.name} has no trained adapter; finish its training first")
    refuse_content(directory)
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    trained_on = run.read(run_files.CELL)["identity"]["model"]
    without_data = dataclasses.replace(config, data=DataConfig(name=config.data.name))
    found = locate.hashes(without_data, cache)[config.model.path]
    if found != trained_on:
        raise ConfigError(
            f"the base at {config.model.path} is not the one that {run.path.name} was trained on "
            f"(content {found[:12]} instead of {trained_on[:12]}); put that base back there"
        )
