"""What `python run.py --help` prints: the groups and how to begin.

Owns: the help text. Imports nothing but the standard library, so that it answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BEGINNING = """\
tunegrid: ablation studies of instruction tuning.

One command composes a cell (base x method x quantization x data x prompt x seed), trains it,
scores it and writes it down under results/runs/. A finished cell is never run twice.

Three commands to begin with:

  python run.py                                     the default cell: embedded, no network, no GPU
  python run.py model=mini_bloom quantization=nf4   the same with other words in it
  tunegrid tables                                   every finished cell as rows of metrics.csv

Several cells:  python run.py -m seed=0,1,2 peft=lora,none
A sweep:        python run.py -cd sweeps -cn mini_peft_methods runtime.parallel=2
Its plan:       python run.py -cd sweeps -cn study stage=plan
On a cluster:   ... hydra/launcher=slurm hydra.launcher.partition=<name>
Ctrl-C stops after the step; the same command continues.

Groups, chosen with group=option; one more YAML file in conf/<group>/ is one more option:
"""

END = """\
Settings are overridden with key=value, for example train.epochs=2.

  python run.py --cfg job      every setting of the cell with its value
  python run.py stage=check    check the cell, run nothing
  python run.py stage=plan     what it would train, take and cost
  python run.py --hydra-help   Hydra's own flags: sweeps, launchers, completion
"""


def text(directories: Sequence[Path]) -> str:
    """Return the help: how to begin, then each group with its options.

    Args:
        directories: where configuration groups lie.
    """
    groups: dict[str, set[str]] = {}
    for place in directories:
        for file in place.glob("*/*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    width = max(map(len, groups), default=0)
    lines = [f"  {group:<{width}}  {', '.join(sorted(groups[group]))}" for group in sorted(groups)]
    return "\n".join([BEGINNING, *lines, "", END])


def is_asked(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for the help."""
    return any(word in ("--help", "-h") for word in arguments)
