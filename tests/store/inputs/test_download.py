"""Everything that is missing is brought; a failure stops no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.fake_hub import FakeHub
from doubles.inputs import LARGE, brought, config, only, with_collection
from tunegrid.config.schema import (
    CollectionConfig,
    SourceConfig,
)
from tunegrid.store.inputs import download, https, listing
from tunegrid.store.inputs.sources import inputs_of


def test_a_collection_of_the_hub_is_brought_and_verified(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["datasets/owner/data"] = {"x/a.json": LARGE, "x/b.json": b"[]"}
    made = with_collection(
        SourceConfig(repository="owner/data", files=["x/a.json", "x/b.json"]),
        "inputs/stories/first.json", "inputs/stories/second.json",
    )  # fmt: skip
    assert brought(tmp_path, made, kind="collection") == []
    assert (tmp_path / "inputs/stories/first.json").read_bytes() == LARGE
    assert (tmp_path / "inputs/stories/second.json").read_bytes() == b"[]"
    reached.asked.clear()
    (again,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert (again.state, reached.asked) == ("here", [])


@pytest.mark.parametrize("name", ["large.json", "small.json"])
def test_a_damaged_collection_is_not_kept(reached: FakeHub, tmp_path: Path, name: str) -> None:
    """The hub states sha256 for large files and git's hash for small ones."""
    content = LARGE if name == "large.json" else b'["whole"]'
    reached.repositories["datasets/owner/data"] = {name: content}
    reached.damaged[name] = content[::-1]
    made = with_collection(SourceConfig(repository="owner/data", files=[name]), "inputs/a.json")
    (failure,) = brought(tmp_path, made, kind="collection")
    assert "another hash" in failure.reason
    assert list((tmp_path / "inputs").iterdir()) == []


def test_one_failure_does_not_stop_the_others(server: FakeHub, tmp_path: Path) -> None:
    server.plain |= {"/d/a.json": LARGE, "/d/b.json": LARGE}
    server.breaks["a.json"] = [0] * 2 * https.ATTEMPTS
    made = config()
    for name in ("a.json", "b.json"):
        source = SourceConfig(url=f"{server.url}/d", files=[name])
        made.data.collections[name] = CollectionConfig(name, [f"inputs/{name}"], source=source)
    found = [one for one in inputs_of([made], tmp_path) if one.kind == "collection"]
    failures = download.bring_all(listing.listed(found), lambda line: None)
    assert [failure.input.name for failure in failures] == ["a.json"]
    assert (tmp_path / "inputs/b.json").read_bytes() == LARGE
