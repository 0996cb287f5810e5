"""The one place where transformers learns of the architectures here.

Owns: which config class means which model class. Called before a config is read, and only then:
importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import functools


@functools.cache
def register() -> None:
    """Register every architecture of this package with transformers' Auto classes, once.

    A registered class wins over the code that a repository names in `auto_map`, which is never
    run. Two ChatGLMs say `chatglm` and two Baichuans say `baichuan` in their files: the class that
    is registered under that name returns the other's config where the fields are the other's. Each
    has a name of its own for saving. Bloom's config is transformers' own; the model registered here
    takes the place of transformers'.
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.bloom.configuration_bloom import BloomConfig

    from tunegrid.models.architectures.baichuan import configuration as baichuan
    from tunegrid.models.architectures.baichuan.modeling import (
        BaichuanAlibiForCausalLM,
        BaichuanForCausalLM,
    )
    from tunegrid.models.architectures.bloom.modeling import FusedBloomForCausalLM
    from tunegrid.models.architectures.chatglm.configuration import ChatGLMConfig
    from tunegrid.models.architectures.chatglm.modeling import ChatGLMForCausalLM
    from tunegrid.models.architectures.chatglm2.configuration import ChatGLM2Config
    from tunegrid.models.architectures.chatglm2.modeling import ChatGLM2ForCausalLM
    from tunegrid.models.architectures.internlm.configuration import InternLMConfig
    from tunegrid.models.architectures.internlm.modeling import InternLMForCausalLM
    from tunegrid.models.architectures.moss.configuration import MossConfig
    from tunegrid.models.architectures.moss.modeling import MossForCausalLM

    AutoModelForCausalLM.register(BloomConfig, FusedBloomForCausalLM, exist_ok=True)
    for config, model in (
        (baichuan.BaichuanConfig, BaichuanForCausalLM),
        (baichuan.BaichuanAlibiConfig, BaichuanAlibiForCausalLM),
        (ChatGLMConfig, ChatGLMForCausalLM),
        (ChatGLM2Config, ChatGLM2ForCausalLM),
        (InternLMConfig, InternLMForCausalLM),
        (MossConfig, MossForCausalLM),
    ):
        AutoConfig.register(config.model_type, config)
        AutoModelForCausalLM.register(config, model)
