"""Bases with random weights, made on the device, and the training runs over them."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

import torch

from tunegrid.config.choices import Attention, Layout, Precision, Schedule
from tunegrid.config.schema import TrainConfig
from tunegrid.data.tokens import NOT_TRAINED, Encoded, TokenizedSet
from tunegrid.models.bases import packed
from tunegrid.models.bases.devices import attention_kernel
from tunegrid.models.bases.loading import model_class
from tunegrid.models.compute import prepare
from tunegrid.models.methods.attach import attach
from tunegrid.models.seeding import seed_everything
from tunegrid.training.report import TrainingReport
from tunegrid.training.train import train

EXAMPLES_PER_STEP = 32
STATED = {
    "bloom": {"vocab_size": 250880, "hidden_size": 4096, "n_layer": 30, "n_head": 32},
    "llama": {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
    },
}  # fmt: skip
TINY = {
    "bloom": {"vocab_size": 512, "hidden_size": 64, "n_layer": 2, "n_head": 4},
    "llama": {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 2048,
    },
}  # fmt: skip


class NoTokenizer:
    """What training asks of a tokenizer."""

    pad_token_id = 2


def config_of(kind: str, options: argparse.Namespace) -> Any:
    """Return the config of Bloom-7B1 or LLaMA-7B, or of their tiny twins."""
    from transformers import AutoConfig

    sizes: dict[str, Any] = (TINY if options.tiny else STATED)[kind]
    return AutoConfig.for_model(
        kind, **sizes, use_cache=False, bos_token_id=1, eos_token_id=2, pad_token_id=2
    )


def base(kind: str, options: argparse.Namespace, precision: Precision, *, ours: bool = True) -> Any:
    """Return a base with random weights, held as `precision` says.

    Args:
        kind: `bloom` or `llama`.
        options: device and size.
        precision: of the weights; 16 bit computes in bfloat16.
        ours: False leaves packed layers and types to bitsandbytes and autocast, as the seed does.

    """
    config = config_of(kind, options)
    device = torch.device(options.device)
    dtype = torch.float32 if precision is Precision.fp32 else torch.bfloat16
    built_class = model_class(config) if ours else _plain_class(config)
    config._attn_implementation = attention_kernel(Attention.auto, built_class, device, dtype)
    seed_everything(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            made = built_class(config)
    finally:
        torch.set_default_dtype(before)
    if precision in (Precision.int8, Precision.nf4):
        _pack(made, precision, dtype)
    if ours:
        packed.make_even(made)
        prepare(made, dtype)
    return made.eval()


def _plain_class(config: Any) -> Any:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return getattr(transformers, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type])


def _pack(model: Any, precision: Precision, dtype: torch.dtype) -> None:
    """Put packed layers in the place of all linear ones but the head, one at a time."""
    import bitsandbytes as bnb
    import bitsandbytes.nn.modules as modules
    from transformers import BitsAndBytesConfig
    from transformers.quantizers import AutoHfQuantizer

    modules.has_avx512bf16 = lambda: False
    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is not torch.nn.Linear or child is head:
                continue
            weight, bias = child.weight.data, child.bias
            sizes = (child.in_features, child.out_features, bias is not None)
            if precision is Precision.int8:
                new: Any = bnb.nn.Linear8bitLt(*sizes, has_fp16_weights=False, threshold=6.0)
                own = bnb.nn.Int8Params(weight.cpu(), requires_grad=False, has_fp16_weights=False)
            else:
                new = bnb.nn.Linear4bit(
                    *sizes, compute_dtype=dtype, quant_type="nf4", compress_statistics=True
                )
                own = bnb.nn.Params4bit(
                    weight.cpu(), requires_grad=False, quant_type="nf4", compress_statistics=True
                )
            new.weight = own
            new = new.to(weight.device)
            if bias is not None:
                new.bias = bias
            setattr(parent, name, new)
    # What transformers leaves behind when it packs a base as it reads it.
    model.hf_quantizer = AutoHfQuantizer.from_config(
        BitsAndBytesConfig(
            load_in_8bit=precision is Precision.int8, load_in_4bit=precision is Precision.nf4
        )
    )
    model.is_quantized = True
    model.is_loaded_in_8bit = precision is Precision.int8
    model.is_loaded_in_4bit = precision is Precision.nf4


def examples(count: int, options: argparse.Namespace, longest: int = 512) -> list[Encoded]:
    """Return examples of 200 tokens in the median, two fifths of them prompt, as in Alpaca."""
    draw = random.Random(0)  # noqa: S311
    found = []
    longest = min(longest, 96) if options.tiny else longest
    for _ in range(count):
        length = min(
            longest, max(16, round(draw.lognormvariate(3.5 if options.tiny else 5.3, 0.6)))
        )
        ids = [draw.randrange(3, 500) for _ in range(length)]
        prompt = length * 2 // 5
        labels = [NOT_TRAINED] * prompt + ids[prompt:]
        found.append(Encoded(ids, labels, prompt_tokens=prompt, truncated=False))
    return found


def lora(model: Any, kind: str) -> Any:
    """Return the base with the study's LoRA attached: rank 32 on the attention input."""
    from tunegrid.config.schema import PeftConfig

    targets = {"bloom": ["query_key_value"], "llama": ["q_proj", "v_proj"]}[kind]
    method = PeftConfig(
        name="lora",
        function="library.attach",
        options={
            "type": "LORA", "r": 32, "lora_alpha": 64, "lora_dropout": 0.05,
            "target_modules": targets,
        },
    )  # fmt: skip
    seed_everything(0)
    return attach(method, model, 1000)


def trained(
    attached: Any,
    drawn: list[Encoded],
    steps: int,
    *,
    layout: Layout = Layout.auto,
    tokens: int = 2048,
    learning_rate: float = 3e-4,
    on_record: Any = lambda record: None,
) -> TrainingReport:
    """Return the report of so many optimizer steps of 32 examples, by this project."""
    settings = TrainConfig(
        name="gpu", max_steps=steps, examples_per_step=min(EXAMPLES_PER_STEP, len(drawn)),
        learning_rate=learning_rate, schedule=Schedule.constant, warmup_share=0.0,
        checkpoints_per_epoch=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        return train(
            attached,
            NoTokenizer(),
            TokenizedSet(drawn, [], 0, 0, sum(len(one.ids) for one in drawn)),
            None,
            settings,
            layout=layout,
            micro_batch_tokens=tokens,
            gradient_checkpointing=False,
            seed=0,
            checkpoint_directory=Path(directory),
            on_record=on_record,
            on_resume=lambda step: None,
            should_stop=lambda: False,
            progress=False,
        )


def rate(
    attached: Any, drawn: list[Encoded], steps: int, **options: Any
) -> tuple[float, TrainingReport]:
    """Return tokens a second of so many steps behind one that warms up, and the report."""
    records: list[dict[str, Any]] = []
    report = trained(attached, drawn, steps + 1, on_record=records.append, **options)
    seconds = records[-1]["seconds"] - records[0]["seconds"]
    return sum(record["tokens"] for record in records[1:]) / seconds, report


def free() -> None:
    """Give back what the last model held."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
