"""Judges that are asked: what fails, what is kept, what is never asked twice, where the key is."""

from __future__ import annotations

from typing import Any

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.judges import openai


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"base_url": "localhost:8000"}, "base_url must be an address"),
        ({"base_url": "http://user:pw@host/v1"}, "holds a user"),
        ({"base_url": "https://api.openai.com/v1"}, "OPENAI_API_KEY in the environment"),
        ({"base_url": "https://api.openai.com/v1", "key_variable": None}, "needs a key"),
        ({"key_variable": "AWS_SECRET_ACCESS_KEY"}, "ends in _API_KEY or _TOKEN"),
        ({"key_variable": "HOME"}, "ends in _API_KEY or _TOKEN"),
        ({"repeats": 0}, "repeats is 0"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"max_unparsed_share": 2}, "max_unparsed_share is 2"),
    ],
)
def test_bad_options_are_refused_before_any_call(
    options: dict[str, Any], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = openai.problems({"base_url": "http://h/v1", "model": "m", **options})
    assert any(part in problem for problem in found), found
    assert "pw" not in str(found)


@pytest.mark.parametrize(
    ("address", "is_sent"),
    [
        ("https://judge.example/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://judge.example/v1", False),
        ("http://10.0.0.7:8000/v1", False),
        ("http://127.0.0.1.judge.example/v1", False),
        ("http://localhost.judge.example/v1", False),
    ],
)
def test_a_key_travels_encrypted_or_not_at_all(
    address: str, is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_TOKEN", "hidden")
    options = {"base_url": address, "model": "m", "key_variable": "LAB_TOKEN"}
    found = openai.problems(options)
    assert (found == []) is is_sent, found
    assert "hidden" not in str(found)
    if is_sent:
        openai.build(**options)
    else:
        # Also where nothing was checked before, such as a frozen cell.
        with pytest.raises(ConfigError, match="key_variable=null"):
            openai.build(**options)
    assert openai.problems({**options, "key_variable": None}) == []
