"""Which jobs a launch has, as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch.slurm import record
from tunegrid.launch.slurm.record import Submission


def test_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = Submission(tmp_path, "/logs/%j", {"7_0": (0, 2), "8": (1,)}, {2: 123456789})
    record.write(written)
    assert record.read(tmp_path) == written
    assert written.log("7_0") == Path("/logs/7_0/7_0_0_log.err")
    (tmp_path / record.JOBS).write_text("{}")
    with pytest.raises(StoreError, match="damaged"):
        record.read(tmp_path)


def test_a_launch_elsewhere_cannot_be_collected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sweep was launched"):
        record.latest(tmp_path, None)
