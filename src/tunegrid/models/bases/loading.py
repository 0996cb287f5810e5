"""A base from its files: tokenizer and weights, with the precision and the kernel asked for.

Owns: how files become a model. Knows nothing of methods, training or prompts.

Code that comes with a base is never run (`trust_remote_code` is never given). Weights in
safetensors are preferred; a base of 2023 that has nothing but pickled `.bin` files is read by
torch with `weights_only`, which accepts tensors and nothing that could run.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Attention, Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig, QuantizationConfig
from tunegrid.models import dtypes
from tunegrid.models.architectures.registration import register
from tunegrid.models.architectures.tokenizers import OWN, check_conversion, own_tokenizer
from tunegrid.models.bases import devices, stand_ins
from tunegrid.models.quantization import bitsandbytes_config, check, make_ready, misshapen_quantized
from tunegrid.store.inputs import locate


def load_tokenizer(model: ModelConfig, root: Path) -> Any:
    """Return the base's tokenizer, which has a padding token afterwards.

    A tokenizer without one pads with end-of-sequence, or with the unknown token: padding is
    masked and never trained, so the choice changes no number and the embeddings keep their size.

    Raises:
        ConfigError: no tokenizer there, or one with neither of the two tokens.

    """
    from transformers import AutoTokenizer

    path = locate.locate(model, root)
    stand_ins.refuse(path)
    try:
        if model.architecture in OWN:
            tokenizer = own_tokenizer(model.architecture, path, model.revision)
        else:
            tokenizer = AutoTokenizer.from_pretrained(path, revision=model.revision)
            if model.architecture == "llama":
                check_conversion(tokenizer, path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.path {model.path!r}: no tokenizer can be read from {path!r} ({error}); "
            "it needs tokenizer.json, or the files its tokenizer_config.json names"
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise ConfigError(
            f"model.path {model.path!r}: the tokenizer has no padding, end-of-sequence or unknown "
            "token; name one in its tokenizer_config.json"
        )
    return tokenizer


def load_config(model: ModelConfig, root: Path) -> Any:
    """Return the base's transformers config, of the architecture `model` promises.

    Raises:
        ConfigError: no config.json, an architecture transformers does not know or that is no
            causal language model, or another one than `model.architecture`.

    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    register()
    path = locate.locate(model, root)
    stand_ins.refuse(path)
    try:
        config = AutoConfig.from_pretrained(path, revision=model.revision)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"model.path {model.path!r}: no usable config.json in {path!r} ({error}); "
            "it must name a `model_type` that transformers knows"
        ) from error
    if config.model_type != model.architecture:
        raise ConfigError(
            f"model.architecture is {model.architecture!r}, but config.json in {path!r} says "
            f"model_type {config.model_type!r}; set model.architecture to that, or correct the path"
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f"model.path {model.path!r}: {config.model_type!r} is not a causal language model; "
            "only bases that continue a text can be tuned on instructions"
        )
    return config


def architecture_of(path: str, revision: str | None) -> str:
    """Return what `model.architecture` must be for a base: two may share their files' name.

    Args:
        path: a directory, or a repository id of the hub.
        revision: on the hub.

    """
    from transformers import AutoConfig

    register()
    kind: str = AutoConfig.from_pretrained(path, revision=revision).model_type
    return kind


def model_class(config: Any) -> Any:
    """Return the class that transformers builds from a causal language model's config."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    register()
    found = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    return found[0] if isinstance(found, list | tuple) else found


def load(
    model: ModelConfig,
    quantization: QuantizationConfig,
    *,
    root: Path,
    device: Device = Device.auto,
    attention: Attention = Attention.auto,
) -> tuple[Any, Any]:
    """Return the base and its tokenizer, in evaluation mode and without a cache of keys.

    Args:
        model: which base.
        quantization: how its weights are held.
        root: what a relative `model.path` is relative to.
        device: where it is put.
        attention: its attention kernel.

    Raises:
        ConfigError: a setting that cannot be met, or files that do not fit the architecture.

    """
    tokenizer = load_tokenizer(model, root)
    base = load_weights(model, quantization, root=root, device=device, attention=attention)
    return base, tokenizer


def load_weights(
    model: ModelConfig,
    quantization: QuantizationConfig,
    *,
    root: Path,
    device: Device = Device.auto,
    attention: Attention = Attention.auto,
) -> Any:
    """Return the base alone, in evaluation mode and without a cache of keys.

    Args:
        model: which base.
        quantization: how its weights are held.
        root: what a relative `model.path` is relative to.
        device: where it is put.
        attention: its attention kernel.

    Raises:
        ConfigError: a setting that cannot be met, or weight files that lack some of the
            architecture's weights, hold others, or hold some in another shape.

    """
    from tunegrid.models import compute
    from tunegrid.models.bases import packed

    config = load_config(model, root)
    place = devices.torch_device(device)
    check(quantization, place)
    dtype = dtypes.torch_dtype(quantization.dtype)
    kernel = devices.attention_kernel(attention, model_class(config), place, dtype)
    make_ready(quantization, place)
    settings = bitsandbytes_config(quantization)
    options = {} if settings is None else {"quantization_config": settings}
    path = locate.locate(model, root)
    try:
        base, report = model_class(config).from_pretrained(
            path,
            config=config,
            revision=model.revision,
            dtype=dtype,
            attn_implementation=kernel,
            device_map={"": place},
            output_loading_info=True,
            # Reported with their names, and refused below.
            ignore_mismatched_sizes=True,
            **options,
        )
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"model.path {model.path!r}: a pickled weight file in {path!r} holds more than "
            "tensors, and reading it would run what it holds; it is not read. Get the "
            "base's safetensors, or convert the file where you trust it"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"model.path {model.path!r}: no weights can be read from {path!r} ({error}); "
            "it needs model.safetensors, or shards with their index"
        ) from error
    _refuse_gaps(model, report, misshapen_quantized(base))
    packed.make_even(base)
    compute.prepare(base, dtype)
    base.config.use_cache = False
    base.eval()
    return base


def _refuse_gaps(model: ModelConfig, report: Any, misshapen: list[str]) -> None:
    """Raise where the files lack weights, hold others, or hold some in another shape.

    Transformers would make up what is missing at random, and leave what is missing inside a
    quantized module as the memory happened to be.
    """
    found = {
        "missing": sorted(report["missing_keys"]),
        "unexpected": sorted(report["unexpected_keys"]),
        "of another shape": sorted(map(str, report["mismatched_keys"])) + misshapen,
    }
    if not any(found.values()):
        return
    named = "; ".join(
        f"{kind}: {', '.join(keys[:5])}{' ..' if len(keys) > 5 else ''} ({len(keys)} in all)"
        for kind, keys in found.items()
        if keys
    )
    raise ConfigError(
        f"model.path {model.path!r}: the weight files do not fit config.json; {named}; what is "
        "missing would be made up; download the base again, or correct model.architecture"
    )
