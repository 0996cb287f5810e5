"""A trained cell as a plain model: the adapter becomes part of the base's weights.

Owns: the route (dequantize, then merge) and the comparison of the result with what was trained.
Merging into packed weights would round them once more; into dequantized ones it rounds nothing.
"""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunegrid import contents, preflight, prompts, store
from tunegrid.errors import ConfigError
from tunegrid.methods.compatibility import reason_not_to_merge
from tunegrid.schema import CellConfig, DataConfig, Dtype, PromptConfig
from tunegrid.store import RunDirectory

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
    from tunegrid.bases.loading import load
    from tunegrid.bases.places import torch_dtype

    steps = run.read(store.TRAINED)["steps"]

    def base() -> tuple[Any, Any]:
        return load(
            config.model,
            config.quantization,
            root=preflight.CURRENT,
            device=config.runtime.device,
            attention=config.runtime.attention,
        )

    model, tokenizer = base()
    ids = _probe_ids(tokenizer, config.prompt)
    trained = _logits(trained_model(config, model, run.adapter, steps), ids)
    del model
    gc.collect()
    merged = merged_model(config, base()[0], run.adapter, steps).to(torch_dtype(dtype))
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


def trained_model(config: CellConfig, base: Any, adapter: Path, steps: int) -> Any:
    """Return the base with the trained adapter over it, as the cell's answers came from it."""
    from tunegrid.methods.attached import restore
    from tunegrid.methods.attaching import attach
    from tunegrid.seeding import seed_everything

    seed_everything(config.seed)
    model = attach(config.peft, base, steps).model
    restore(model, adapter)
    return model


def merged_model(config: CellConfig, base: Any, adapter: Path, steps: int) -> Any:
    """Return the plain model in 32 bit that equals the base with the trained adapter over it.

    Args:
        config: the cell's settings.
        base: as it was loaded to train; is used up.
        adapter: what `tunegrid.methods.attached.export` wrote.
        steps: optimizer steps of the run.

    """
    from tunegrid.methods.attached import is_peft

    config, base = _without_its_start(config, base, steps)
    model = trained_model(config, _plain(base), adapter, steps)
    if is_peft(model):
        model = model.merge_and_unload()
    return model.eval()


def _without_its_start(config: CellConfig, base: Any, steps: int) -> tuple[CellConfig, Any]:
    """Return the cell and base of a method that takes its first weights out of the base's.

    PiSSA and OLoRA leave a rest in the base, which over packed weights is packed again: the
    merged model needs that rest as it was trained with, not one computed afresh in 32 bit.
    """
    from tunegrid.methods.attaching import attach
    from tunegrid.seeding import seed_everything

    start = str(config.peft.options.get("init_lora_weights", ""))
    if not start.startswith(("pissa", "olora")):
        return config, base
    seed_everything(config.seed)
    rest = attach(config.peft, base, steps).model.unload()
    options = dict(config.peft.options) | {"init_lora_weights": True}
    plain_start = dataclasses.replace(config.peft, options=options)
    return dataclasses.replace(config, peft=plain_start), rest


def _plain(model: Any) -> Any:
    """Return a base with plain weights in 32 bit."""
    if getattr(model, "is_quantized", False):
        model = model.dequantize()
        # transformers leaves these behind, and peft asks them before it merges.
        model.is_loaded_in_8bit = model.is_loaded_in_4bit = model.is_quantized = False
    return model.float()


def _probe_ids(tokenizer: Any, prompt: PromptConfig) -> list[torch.Tensor]:
    """Return the ids [1, T] of each probe's prompt."""
    import torch

    from tunegrid.tokens import encode_prompts

    texts = [prompts.render(prompt, probe) for probe in PROBES]
    return [torch.tensor([ids]) for ids in encode_prompts(tokenizer, texts)]


def _logits(model: Any, ids: list[torch.Tensor]) -> list[torch.Tensor]:
    import torch

    from tunegrid.int8_evaluation import dequantized

    model.eval()
    device = model.get_input_embeddings().weight.device
    with torch.no_grad(), dequantized(model):
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
    if not run.has(store.TRAINED) or not run.has(store.ADAPTER):
        raise ConfigError(f"{run.path.name} has no trained adapter; finish its training first")
    if directory.exists() and any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty; name a new directory")
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    trained_on = run.read(store.CELL)["identity"]["model"]["path"]
    without_data = dataclasses.replace(config, data=DataConfig(name=config.data.name))
    found = contents.hashes(without_data, cache)[config.model.path]
    if found != trained_on:
        raise ConfigError(
            f"the base at {config.model.path} is not the one that {run.path.name} was trained on "
            f"(content {found[:12]} instead of {trained_on[:12]}); put that base back there"
        )
