"""The formula of memory: what more costs, and that its constants are those of training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doubles.sizes import LLAMA, PLAIN
from tunegrid.plan import memory
from tunegrid.plan.architecture import Architecture
from tunegrid.plan.memory import peak_bytes, weight_bytes


def peak(architecture: Architecture = LLAMA, **settings: object) -> float:
    return peak_bytes(architecture, replace(PLAIN, **settings), on_cpu=False)


def test_weights_take_what_their_precision_says():
    bf16 = weight_bytes(LLAMA, PLAIN)
    assert bf16 == 2 * LLAMA.base + 4 * LLAMA.trainable
    single = replace(PLAIN, precision="fp32", dtype="float32")
    int8 = replace(PLAIN, precision="int8")
    nf4 = replace(PLAIN, precision="nf4")
    assert weight_bytes(LLAMA, single) > bf16 > weight_bytes(LLAMA, int8) > weight_bytes(LLAMA, nf4)
    # QLoRA (arXiv 2305.14314, section 2): double quantization saves 0.373 bits a weight.
    plain = weight_bytes(LLAMA, replace(nf4, has_double_quantization=False))
    saved = 8 * (plain - weight_bytes(LLAMA, nf4)) / LLAMA.quantizable
    assert saved == pytest.approx(0.373, abs=0.001)


def test_more_tokens_more_states_and_no_checkpointing_need_more():
    assert peak(micro_batch_tokens=4096) > peak() > peak(micro_batch_tokens=512)
    assert peak(has_gradient_checkpointing=True) < peak()
    assert peak(attention="eager") > peak()
    assert peak(optimizer="adamw_8bit") < peak()
    assert peak(optimizer="sgd") < peak()
    larger = replace(LLAMA, trainable=10 * LLAMA.trainable, total=LLAMA.base + 10 * LLAMA.trainable)
    assert peak(larger) > peak()
    full = replace(LLAMA, trainable=LLAMA.base, total=LLAMA.base)
    # Weights, gradients and two states of 16 bit.
    assert peak(full) > 8 * LLAMA.base


def test_a_micro_batch_holds_one_example_and_no_more_than_a_step():
    assert peak(micro_batch_tokens=1) == peak(micro_batch_tokens=512)
    assert peak(micro_batch_tokens=10**6) == peak(micro_batch_tokens=128 * 512)


def test_a_base_as_it_is_needs_weights_and_keys_alone():
    untuned = replace(LLAMA, trainable=0, total=LLAMA.base)
    assert peak(untuned) < peak()
    assert peak(untuned, generates=False) == weight_bytes(untuned, PLAIN)
    assert peak(untuned, generation_batch_tokens=4096) > peak(untuned)


def test_logits_are_chunked_as_training_does():
    from tunegrid.training import loss_head

    assert loss_head.LOGITS_AT_ONCE == memory.LOGITS_AT_ONCE
