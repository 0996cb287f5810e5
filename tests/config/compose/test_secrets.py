"""What counts as a secret, by name and by value; none of these values is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.compose.overrides import checked
from tunegrid.config.compose.secrets import is_secret
from tunegrid.config.errors import ConfigError

TAIL = "0123456789abcdefABCDEF0123"


@pytest.mark.parametrize(
    "word",
    [
        "judge.options.api_key=x",
        "judge.options.apikey=x",
        "++judge.options.API_KEY=x",
        "judge.options.key=x",
        "judge.options.token=x",
        "judge.options.hf_token=x",
        "judge.options.password=x",
        "judge.options={api_key: x}",
        "judge.options={model: m, token: x}",
        "judge.options={'password': x}",
        f"judge.options.model=sk-{TAIL}",
        f"judge.options.note=hf_{TAIL}",
        f"judge.options.note=ghp_{TAIL}",
        "judge.options.note=AKIA0123456789ABCDEF",
        "judge.options.base_url=https://me:pass@host/v1",
    ],
)
def test_is_a_secret(word: str) -> None:
    assert is_secret(word)


@pytest.mark.parametrize(
    "word",
    [
        "data.collections.x.options.output_key=response",
        "data.collections.x.options={instruction_key: a, output_key: b}",
        "judge.options.key_variable=MY_KEY",
        "judge.options.max_tokens=5",
        "model.options.eos_token=x",
        "model.revision=0123456789abcdef0123456789abcdef01234567",
        "judge.options.base_url=http://127.0.0.1:8000/v1",
        "train.max_length_tokens=512",
        "data.files=[task-1.json]",
    ],
)
def test_is_no_secret(word: str) -> None:
    assert not is_secret(word)


def test_a_key_of_a_field_can_be_given(project: Path) -> None:
    word = "data.collections.x.options.output_key=response"
    assert checked([word], project / "conf") == [f"++{word}"]


def test_a_secret_in_a_value_is_refused_and_not_repeated(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked([f"judge.options.note=sk-{TAIL}"], project / "conf")
    assert TAIL not in str(caught.value)
    assert "judge.options.note" in str(caught.value)
