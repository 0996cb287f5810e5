"""A process that runs cells computes in the threads it is told, and libraries are quiet."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

import pytest
from tunegrid.cells import libraries
from tunegrid.config.schema import CellConfig, RuntimeConfig
assert not {{"torch", "transformers"}} & set(sys.modules)
libraries.quieten_imports()
assert not {{"torch", "transformers"}} & set(sys.modules)
import torch
torch.set_num_threads(2)
libraries.prepare_process(CellConfig(runtime=RuntimeConfig(threads={threads})))
import transformers
transformers.logging.get_logger("transformers.x").warning("nobody could act on this")
print(torch.get_num_threads(), transformers.logging.is_progress_bar_enabled())
"""


def ran(threads: int | None) -> subprocess.CompletedProcess[str]:
    code = PROGRAM.format(threads=threads)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_threads_are_those_that_are_given_and_nothing_is_said() -> None:
    done = ran(1)
    assert done.stdout == "1 False\n", done.stderr
    assert "nobody could act" not in done.stderr


@pytest.mark.slow
def test_without_a_number_threads_stay_as_they_are() -> None:
    done = ran(None)
    assert done.stdout == "2 False\n", done.stderr
