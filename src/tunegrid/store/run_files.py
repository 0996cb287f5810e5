"""The names of the files in a run directory.

Owns: the names alone; what a file means is said where it is written.
"""

from __future__ import annotations

CELL = "cell.json"


PROVENANCE = "provenance.json"


DATA = "data.json"


CURVE = "train.jsonl"


CHECKPOINTS = "checkpoint"


ADAPTER = "adapter"


TRAINED = "train.json"


PREDICTIONS = "predictions"


SCORES = "scores"


RESULTS = "results.json"
"""Names the scores the last command asked for; there once all of them are."""


FAILED = "failed.json"


IMPORTED = "imported"
"""The `kind` of a run directory whose answers were made elsewhere."""


LOCK = ".lock"


ATTEMPTS = "attempts.jsonl"
"""One line when a process begins to work on the run, one when it has trained it."""


REPLACED = "replaced"
"""Below the results directory: what runs had before they were run again on purpose."""
