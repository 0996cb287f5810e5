"""What is read from peft's source is what peft itself says."""

from __future__ import annotations

import dataclasses

import pytest

from tunegrid.models.methods import library
from tunegrid.models.methods.peft_source import field_defaults, method_fields, method_names


@pytest.fixture(scope="module")
def config_classes() -> dict[str, type]:
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return {name: PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(name)] for name in method_names()}


def test_fields_and_plain_defaults_are_those_of_the_classes(
    config_classes: dict[str, type],
) -> None:
    assert len(config_classes) >= 40
    for name, config_class in config_classes.items():
        real = {f.name: f for f in dataclasses.fields(config_class) if f.init}
        assert set(method_fields(name)) == set(real), name
        defaults = field_defaults(name)
        assert len(defaults) >= 9, name
        for option, value in defaults.items():
            assert real[option].default == value, (name, option)


def test_the_frozen_defaults_are_those_of_the_tested_peft() -> None:
    """A later peft may differ: what differs is then written into identities."""
    frozen = library._frozen_defaults()
    assert set(frozen) <= set(method_names())
    import peft

    if not peft.__version__.startswith("0.21"):
        pytest.skip(f"peft {peft.__version__} is not the one whose defaults are frozen")
    for name, defaults in frozen.items():
        installed = field_defaults(name)
        assert defaults == {k: v for k, v in installed.items() if k in defaults}, name


def test_a_default_that_changed_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"type": "LORA", "target_modules": ["q_proj"]}
    before = library.without_defaults(options)
    assert before == options
    installed = field_defaults("LORA")
    monkeypatch.setattr(library, "field_defaults", lambda kind: {**installed, "r": 64})
    assert library.without_defaults(options) == {**options, "r": 64}
    # Who gives the old value by hand means the old weights, under the old name.
    assert library.without_defaults({**options, "r": 8}) == before


def test_an_option_that_a_later_peft_brings_counts_once_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = field_defaults("LORA")
    monkeypatch.setattr(library, "field_defaults", lambda kind: {**installed, "use_new": False})
    assert library.without_defaults({"type": "LORA"}) == {"type": "LORA"}
    used = {"type": "LORA", "use_new": True}
    assert library.without_defaults(used) == used
