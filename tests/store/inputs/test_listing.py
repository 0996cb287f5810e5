"""What is here, what is missing and what is refused, with sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.fake_hub import FakeHub, sha256
from doubles.inputs import LARGE, brought, config, only, with_collection
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import (
    ModelConfig,
    SourceConfig,
)
from tunegrid.store.inputs import listing
from tunegrid.store.inputs.sources import inputs_of


def test_a_base_that_no_hub_has_says_how_to_come_by_it(reached: FakeHub, tmp_path: Path) -> None:
    made = config(model=ModelConfig(name="tiny", path="inputs/bases/tiny", where_from="Make it."))
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "base")])
    assert (one.state, one.note) == ("by hand", "Make it.")
    assert reached.asked == []


def test_without_a_network_the_stated_size_is_shown(tmp_path: Path) -> None:
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert (one.state, one.size_bytes, one.is_stated) == ("missing", 77, True)
    assert "HF_HUB_OFFLINE is set" in (one.note or "")


def test_a_stated_hash_is_held_against_files_that_are_here(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/d/a.json"] = LARGE
    source = SourceConfig(url=f"{server.url}/d", files=["a.json"], sha256=[sha256(LARGE).upper()])
    made = with_collection(source, "inputs/a.json")
    assert brought(tmp_path, made, kind="collection") == []
    (tmp_path / "inputs/a.json").write_bytes(b"edited")
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert one.state == "refused"
    assert "move it away" in (one.note or "")


def test_a_file_that_the_repository_lacks_is_named(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["datasets/owner/data"] = {"a.json": LARGE}
    made = with_collection(SourceConfig(repository="owner/data", files=["b.json"]), "inputs/b.json")
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert one.state == "refused"
    assert "has no file 'b.json'" in (one.note or "")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2\.0 TB are to be brought and 1\.0 GB are free"):
        listing.refuse_overflow([listing.Room(tmp_path, 2 * 10**12, 10**9)])
