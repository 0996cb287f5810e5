"""The sizes and settings that several tests reckon with: a LoRA of rank 32 on LLaMA 7B."""

from __future__ import annotations

from tunegrid.plan.architecture import Architecture
from tunegrid.plan.memory import Setting

LLAMA = Architecture(
    trainable=16_777_216,
    total=6_738_415_616 + 16_777_216,
    base=6_738_415_616,
    quantizable=6_476_005_376,
    largest_linear=45_088_768,
    hidden=4096,
    layers=32,
    inner=11008,
    is_gated=True,
    heads=32,
    key_value_size=4096,
    vocabulary=32000,
    source="config.json",
)
PLAIN = Setting(
    precision="bf16",
    dtype="bfloat16",
    has_double_quantization=True,
    micro_batch_tokens=2048,
    generation_batch_tokens=2048,
    max_length_tokens=512,
    examples_per_step=128,
    has_gradient_checkpointing=False,
    attention="auto",
    optimizer="adamw_torch",
    generates=True,
)
