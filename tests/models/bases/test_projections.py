"""What the projections of an architecture are called, by name and by the model itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.families import KNOWN, architecture_of
from tunegrid.models.architectures.registration import register
from tunegrid.models.bases.loading import model_class
from tunegrid.models.bases.projections import projections
from tunegrid.models.parameters import linear_modules


def built(kind: str) -> Any:
    """The architecture with two layers, on the meta device."""
    register()
    config = CONFIG_MAPPING[kind]()
    for name in ("num_hidden_layers", "num_layers", "n_layer"):
        if hasattr(config, name):
            setattr(config, name, 2)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    with torch.device("meta"):
        return model_class(config)(config)


@pytest.mark.parametrize("kind", KNOWN)
def test_what_is_known_by_name_is_what_the_model_has(kind: str) -> None:
    model = built(kind)
    known = KNOWN[kind]
    assert set(known.linear) == set(linear_modules(model))
    assert set(known.attention) <= set(known.linear)
    # What would be read from it, were it not known.
    assert set(projections(model).attention) == set(known.attention)


@pytest.mark.parametrize(
    ("kind", "attention"),
    [("opt", {"q_proj", "v_proj"}), ("bert", {"query", "value"}), ("mpt", {"Wqkv"})],
)
def test_others_are_read_from_the_model(kind: str, attention: set[str]) -> None:
    found = projections(built(kind))
    assert set(found.attention) == attention
    assert set(found.attention) < set(found.linear)


def test_a_model_without_an_attention_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"name them in model\.attention_modules"):
        projections(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_fields_tell_two_of_one_name_apart() -> None:
    assert architecture_of({"model_type": "chatglm", "padded_vocab_size": 1}) == "chatglm2"
    assert architecture_of({"model_type": "chatglm", "vocab_size": 1}) == "chatglm"
    assert architecture_of({"model_type": "baichuan", "max_position_embeddings": 1}) == "baichuan"
    assert architecture_of({"model_type": "baichuan", "model_max_length": 1}) == "baichuan_alibi"
    assert architecture_of({}) == ""
