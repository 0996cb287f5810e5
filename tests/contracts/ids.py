"""The names of all cells, predictions and scores of conf/ and sweeps/.

`python tests/contracts/ids.py` writes ids.json anew: only for a change that is meant to give
cells other names (a new FORMAT). ids.json was first written by the program at 3ad6918.
"""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import constants
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import check, requests
from tunegrid.cells.identity import Cell
from tunegrid.config.compose import typed
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.launch.sweep_cells import planned_cells
from tunegrid.models.bases import unnamed

# What a machine happens to have in its cache may not decide.
constants.HF_HUB_CACHE = "/none"

PROJECT = project_directory()
GOLDEN = Path(__file__).with_name("ids.json")

# So that every benchmark has a file: names of predictions and scores hold the items.
BELLE = "eval.benchmarks.belle.path=assets/miniature/belle_eval/eval_set.json"
MMCU = "eval.benchmarks.mmcu.path=assets/miniature/mmcu"
BOTH = [BELLE, MMCU]
WITHOUT_BENCHMARKS = ("learning_rates", "mini_learning_rates")
FURTHER = {
    "data=files": ["data.files=[x.json]"],
    "data=raw_text": ["data.collections.text.files=[x.txt]"],
    "model=path": ["model.path=assets/miniature/llama"],
    "model=api": ["model.options.base_url=http://127.0.0.1:1", "model.options.model=m"],
    "eval=belle": [BELLE],
    "eval=mmcu": [MMCU],
    "eval=mmcu_likelihood": [MMCU],
    "eval=paper": BOTH,
    "eval=paper_cot": BOTH,
    "eval=paper_sampled": BOTH,
    "eval=study": BOTH,
    "eval=study_cot": BOTH,
    "judge=local": ["judge.options.path=assets/miniature/llama"],
    "judge=openai": ["judge.options.base_url=http://127.0.0.1:1", "judge.options.model=m"],
    "judge=recorded": ["judge.options.replies=tests/contracts/replies.jsonl"],
}

Names = dict[str, list[str]]
"""Names of predictions and scores by train_id."""


def of_sweep(sweep: str) -> Names:
    """Return the names of a sweep's cells, benchmarks read from the miniature."""
    found: dict[str, set[str]] = {}
    for one in planned_cells(sweep, PROJECT, [] if sweep in WITHOUT_BENCHMARKS else BOTH):
        found.setdefault(one.cell.train_id, set()).update(_asked(one.cell))
    return {name: sorted(asked) for name, asked in sorted(found.items())}


def of_group_files() -> dict[str, Names]:
    """Return the names of the default cell with each file of each group chosen in turn."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    found = {}
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        for file in sorted((PROJECT / "conf").glob("*/*.yaml")):
            word = f"{file.parent.name}={file.stem}"
            words = [word, *FURTHER.get(word, [])]
            config = typed.typed(compose("config", overrides=words), unnamed.reader([PROJECT]))
            cell = check.drafted(config, PROJECT, PROJECT).cell
            found[" ".join(words)] = {cell.train_id: sorted(_asked(cell))}
    return found


def _asked(cell: Cell) -> set[str]:
    asked = requests.evaluation_requests(cell)
    return {one.prediction_id for one in asked} | {one.score_id for one in asked}


if __name__ == "__main__":
    sweeps = sorted(path.stem for path in (PROJECT / "sweeps").glob("*.yaml"))
    names = {"conf": of_group_files(), "sweeps": {sweep: of_sweep(sweep) for sweep in sweeps}}
    GOLDEN.write_text(json.dumps(names, indent=1, sort_keys=True) + "\n", encoding="utf-8")
