"""Where a base runs, with which attention kernel and how many tokens."""

from __future__ import annotations

import pytest
import torch
from transformers import CodeGenForCausalLM

from doubles import tiny_bases
from tunegrid.config.choices import Attention, Device
from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.bloom.modeling import FusedBloomForCausalLM
from tunegrid.models.bases.devices import attention_kernel, context_tokens, torch_device


def test_kernels_are_those_the_architecture_has():
    cpu = torch.device("cpu")
    llama, codegen = type(tiny_bases.base("llama")), CodeGenForCausalLM
    assert attention_kernel(Attention.auto, llama, cpu, torch.float32) == "sdpa"
    assert attention_kernel(Attention.auto, FusedBloomForCausalLM, cpu, torch.float32) == "sdpa"
    assert attention_kernel(Attention.auto, codegen, cpu, torch.float32) == "eager"
    assert attention_kernel(Attention.eager, llama, cpu, torch.float32) == "eager"
    with pytest.raises(ConfigError, match="accepted: auto, eager"):
        attention_kernel(Attention.sdpa, codegen, cpu, torch.float32)


def test_devices():
    assert torch_device(Device.cpu).type == "cpu"
    if not torch.cuda.is_available():
        assert torch_device(Device.auto).type == "cpu"
        with pytest.raises(ConfigError, match="no GPU"):
            torch_device(Device.cuda)


def test_context_lengths():
    assert context_tokens(tiny_bases.base("llama").config) == 256
    assert context_tokens(tiny_bases.base("bloom").config) is None
