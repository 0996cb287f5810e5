"""Bases of the model hub: what is needed of them, brought, verified and refused."""

from __future__ import annotations

from pathlib import Path

from doubles.fake_hub import COMMIT, FakeHub
from doubles.inputs import BASE_FILES, LARGE, brought, config, only
from tunegrid.store.inputs import download, hub, listing
from tunegrid.store.inputs.sources import inputs_of


def test_needed_of_a_base() -> None:
    assert hub.needed(BASE_FILES) == ["model.safetensors", "config.json", "tokenizer.json"]
    pickled = ["config.json", "pytorch_model.bin", "training_args.bin", "sub/model.safetensors"]
    assert hub.needed(pickled) == ["pytorch_model.bin", "config.json"]
    twice = ["config.json", "consolidated.safetensors", "model-1-of-1.safetensors"]
    assert hub.needed(twice) == ["model-1-of-1.safetensors", "config.json"]
    indexes = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin.index.json"]
    assert hub.needed(indexes) == indexes[:2]
    assert hub.needed(["config.json", "README.md"]) == []


def test_a_base_is_brought_without_code_and_pickles(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.breaks["model.safetensors"] = [100_000]
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert (one.state, one.is_stated) == ("missing", False)
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    assert one.size_bytes == one.to_bring_bytes == sum(len(BASE_FILES[name]) for name in wanted)
    said: list[str] = []
    assert download.bring_all([one], said.append) == []
    assert f"model.revision={COMMIT}" in "\n".join(said)
    assert reached.ranges("model.safetensors") == [None, "bytes=100000-"]
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert sorted(path.name for path in folder.iterdir()) == list(wanted)
    assert (folder / "model.safetensors").read_bytes() == LARGE
    (again,) = listing.listed([one.input])
    (offline,) = listing.listed([one.input], ask_servers=False)
    assert again.state == offline.state == "here"


def test_a_damaged_base_is_removed_and_named(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.damaged["model.safetensors"] = LARGE[::-1]
    (failure,) = brought(tmp_path, config(), kind="base")
    assert "model.safetensors arrived with another hash" in failure.reason
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert not (folder / "model.safetensors").exists()
    reached.damaged.clear()
    assert brought(tmp_path, config(), kind="base") == []
    assert (folder / "model.safetensors").read_bytes() == LARGE


def test_a_gated_base_asks_for_a_token(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.gated.add("models/owner/tiny")
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert one.state == "refused"
    assert one.note is not None
    assert "set the environment variable HF_TOKEN" in one.note
