"""What is seen of GPUs without torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from tunegrid.models.bases import gpus


def test_a_driver_is_seen_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "nvidiactl"
    monkeypatch.setattr(gpus, "DRIVERS", (str(tmp_path / "other"), str(device)))
    assert gpus.driver() is None
    device.touch()
    assert gpus.driver() == str(device)


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", "cpu"),
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", "cuda"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '7.2.1'\n", "rocm"),
        ("__all__ = ['cuda', 'hip']\ncuda = None\nhip = None\n", "cpu"),
    ],
)
def test_what_torch_was_built_for_is_in_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, build: str
) -> None:
    (tmp_path / "version.py").write_text(text)
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    assert gpus.torch_build() == build


def test_a_torch_that_is_absent_or_odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = [None, SimpleNamespace(origin=str(tmp_path / "__init__.py"))]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found.pop(0))
    assert [gpus.torch_build(), gpus.torch_build()] == ["cpu", "cuda"]
