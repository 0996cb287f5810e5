"""A job on its node: what it sees, and when it gives up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.errors import StoreError
from tunegrid.launch import record as launches
from tunegrid.launch.slurm import job


def test_a_node_that_does_not_see_the_launch_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"does not see .*cells\.json"):
        job.visible(tmp_path)
    assert not (tmp_path / launches.CELLS).exists()


def test_a_job_without_progress_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []
    monkeypatch.setattr(job.signal, "signal", lambda *arguments: handlers.append(arguments))
    monkeypatch.setattr(job.Group, "_progress", lambda self: 10)
    group = job.Group(str(tmp_path), (0,), 30)
    for _ in range(job.RESTARTS_WITHOUT_PROGRESS):
        group = group.checkpoint().function
    assert group.checkpoint() is None
    monkeypatch.setattr(job.Group, "_progress", lambda self: 11)
    assert group.checkpoint().function.stalled == 0
    # A second USR2 underneath the first would requeue the job twice.
    assert handlers[0] == (job.signal.SIGUSR2, job.signal.SIG_IGN)


def test_a_signal_is_kept_from_the_first_moment_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit drops SIGTERM, and no cell has been started yet."""

    def looks(directory: Path) -> None:
        job.signal.raise_signal(job.signal.SIGTERM)
        raise StoreError("seen")

    monkeypatch.setattr(job, "_controls", [])
    monkeypatch.setattr(job, "visible", looks)
    with pytest.raises(StoreError, match="seen"):
        job.Group(str(tmp_path), (0,), 30)()
    [control] = job._controls
    assert control.was_signalled
    assert control.is_stopping
