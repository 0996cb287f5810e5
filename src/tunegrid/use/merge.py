"""One plain model from base and adapter, compared with both before it counts.

Owns: the folder it writes and the report in it.
"""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunegrid.config.choices import Dtype
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig, DataConfig, PromptConfig
from tunegrid.data import prompts
from tunegrid.models.methods.compatibility import reason_not_to_merge
from tunegrid.models.methods.merging import merged_model, trained_model
from tunegrid.store import run_files
from tunegrid.store.inputs import locate
from tunegrid.store.run_directory import RunDirectory

if TYPE_CHECKING:
    import torch

PROBES = (
    "Name three animals that live in the sea.",
    "介绍一下春节的习俗。",
    "Which is larger, 17 or 71? Explain.",
    "把下面的句子翻译成英文：今天天气很好。",
)
"""Instructions whose logits are compared; every token of their prompts counts."""


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

    """
    _refuse(config, run, directory)
    from tunegrid.models.bases.loading import load
    from tunegrid.models.compute import convert
    from tunegrid.models.dtypes import torch_dtype

    steps = run.read(run_files.TRAINED)["steps"]

    def base() -> tuple[Any, Any]:
        return load(
            config.model,
            config.quantization,
            root=locate.CURRENT,
            device=config.runtime.device,
            attention=config.runtime.attention,
        )

    model, tokenizer = base()
    ids = _probe_ids(tokenizer, config.prompt)
    trained = _logits(trained_model(config, model, run.adapter, steps), ids)
    del model
    gc.collect()
    merged = convert(merged_model(config, base()[0], run.adapter, steps), torch_dtype(dtype))
    written = RunDirectory(directory)
    written.create()
    merged.config.use_cache = True
    merged.save_pretrained(str(directory))
    tokenizer.save_pretrained(str(directory))
    device = merged.device
    del merged
    gc.collect()
    from transformers import AutoModelForCausalLM

    again = AutoModelForCausalLM.from_pretrained(str(directory), dtype="auto").to(device)
    report = {
        "cell": run.path.name,
        "directory": str(directory),
        "method": config.peft.name,
        "quantization": config.quantization.name,
        "dtype": dtype.value,
        **compared(trained, _logits(again, ids)),
    }
    written.write(REPORT, report)
    return report


def _probe_ids(tokenizer: Any, prompt: PromptConfig) -> list[torch.Tensor]:
    """Return the ids [1, T] of each probe's prompt."""
    import torch

    from tunegrid.data.tokens import encode_prompts

    texts = [prompts.render(prompt, probe) for probe in PROBES]
    return [torch.tensor([ids]) for ids in encode_prompts(tokenizer, texts)]


def _logits(model: Any, ids: list[torch.Tensor]) -> list[torch.Tensor]:
    import torch

    from tunegrid.models.compute import computing

    model.eval()
    device = model.get_input_embeddings().weight.device
    with torch.no_grad(), computing(model):
        return [model(input_ids=one.to(device)).logits[0].float().cpu() for one in ids]


def compared(trained: list[torch.Tensor], merged: list[torch.Tensor]) -> dict[str, Any]:
    """Return how far two models' logits [T, V] of the same texts are apart."""
    import torch

    left, right = torch.cat(trained), torch.cat(merged)
    return {
        "largest_logit_difference": float((left - right).abs().max()),
        "largest_logit": float(left.abs().max()),
        "same_next_token": float((left.argmax(-1) == right.argmax(-1)).float().mean()),
        "tokens": len(left),
    }


def _refuse(config: CellConfig, run: RunDirectory, directory: Path) -> None:
    reason = reason_not_to_merge(config.peft)
    if reason is not None:
        raise ConfigError(f"{run.path.name} cannot be merged: {reason}")
    if not run.has(run_files.TRAINED) or not run.has(run_files.ADAPTER):
        raise ConfigError(f"{run.path.name} has no trained adapter; finish its training first")
    if directory.exists() and any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty; name a new directory")
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    trained_on = run.read(run_files.CELL)["identity"]["model"]
    without_data = dataclasses.replace(config, data=DataConfig(name=config.data.name))
    found = locate.hashes(without_data, cache)[config.model.path]
    if found != trained_on:
        raise ConfigError(
            f"the base at {config.model.path} is not the one that {run.path.name} was trained on "
            f"(content {found[:12]} instead of {trained_on[:12]}); put that base back there"
        )
