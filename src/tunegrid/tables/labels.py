"""Short names for runs that are shown together: what tells them apart, and nothing else.

Owns: labels. Knows nothing of what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMING = ("model", "peft", "quantization", "data", "prompt", "train")


def labelled(configs: Mapping[str, Any]) -> dict[str, str]:
    """Return each run's label: its method, and the other choices in which the runs differ.

    Args:
        configs: the settings of each run, as its cell.json has them, by train_id.

    """
    choices = {
        name: [config[group]["name"] for group in _NAMING] + [f"seed {config['seed']}"]
        for name, config in configs.items()
    }
    differing = [
        place
        for place in range(len(_NAMING) + 1)
        if len({words[place] for words in choices.values()}) > 1 and place != 1
    ]
    labels = {
        name: ", ".join([words[1], *(words[place] for place in differing)])
        for name, words in choices.items()
    }
    # Settings without a name of their own can differ too; then the hash tells runs apart.
    repeated = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return {
        name: f"{label} {name.rpartition('-')[2][:4]}" if label in repeated else label
        for name, label in labels.items()
    }
