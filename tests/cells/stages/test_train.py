"""A cell whose training fails says so in its directory, whatever failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.full_disk import largest_file
from tunegrid.cells import pipeline, state
from tunegrid.config.errors import StoreError
from tunegrid.store.json_files import read_json


@pytest.mark.slow
def test_a_full_disk_at_a_checkpoint_is_noted_as_one(project: Path, tmp_path: Path) -> None:
    from whole.test_shared_base import made

    cell = made(project, tmp_path, "model=mini_llama", "eval=none", "stage=train", asked=())
    with largest_file(30_000), pytest.raises(StoreError, match=r"cannot write .*checkpoint-\d+: "):
        pipeline.run(cell, should_stop=lambda: False)
    noted = read_json(cell.directory / "failed.json")
    assert noted["stage"] == "train"
    assert "Free space" in noted["error"]
    assert not list(cell.directory.rglob("unfinished"))
    assert state.of_cell(cell).status is state.Status.failed
