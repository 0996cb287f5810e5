"""Whether a base is whole in the cache, without asking a server."""

from __future__ import annotations

import json
from pathlib import Path

from doubles.fake_hub import COMMIT, FakeHub
from doubles.inputs import LARGE, brought, config, only
from tunegrid.store.inputs import listing
from tunegrid.store.inputs.sources import inputs_of


def test_a_shard_that_is_missing_is_missed_offline(reached: FakeHub, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode()}
    files |= {"model-1.safetensors": LARGE, "model-2.safetensors": LARGE[::-1]}
    reached.repositories["models/owner/tiny"] = files
    assert brought(tmp_path, config(), kind="base") == []
    one = only(inputs_of([config()], tmp_path), "base")
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert listing.listed([one], ask_servers=False)[0].state == "here"
    (folder / "model-2.safetensors").unlink()
    assert listing.listed([one], ask_servers=False)[0].state == "missing"
