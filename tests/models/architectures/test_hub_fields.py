"""Fields are renamed, code is forgotten, and all that is not implemented is named at once."""

from __future__ import annotations

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.hub_fields import translated


def test_fields_have_their_present_names_and_no_code():
    given = {"num_layers": 3, "vocab_size": 9, "auto_map": {"AutoConfig": "x.Y"}, "norm": True}
    found = translated(
        given, base="x", renamed={"num_layers": "num_hidden_layers"}, only={"norm": True}
    )
    assert found == {"num_hidden_layers": 3, "vocab_size": 9}
    assert "auto_map" in given, "what was given is left as it was"


def test_null_is_what_the_original_takes_by_itself():
    assert translated({"wbits": None}, base="x", only={"wbits": 32}) == {}


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError) as refused:
        translated({"a": 1, "b": 2, "c": 3}, base="Some", only={"a": 0, "b": 2, "c": None})
    assert "config.json of Some" in str(refused.value)
    assert "a is 1; only 0" in str(refused.value)
    assert "c is 3; only None" in str(refused.value)
    assert "b is" not in str(refused.value)
