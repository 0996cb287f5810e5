"""One of several processes that train a tiny base together, for `test_ddp.py`.

Each is a child of the server that has imported torch, and sends what it recorded.
"""

from __future__ import annotations

import dataclasses
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from doubles import tiny_bases
from tunegrid.config.choices import Layout
from tunegrid.config.schema import TrainConfig
from tunegrid.launch import processes
from tunegrid.models.methods import base_weights
from tunegrid.training import process_group
from tunegrid.training.process_group import Place
from tunegrid.training.report import Interrupted
from tunegrid.training.train import train

SETTINGS = TrainConfig(
    name="tiny",
    epochs=2,
    examples_per_step=4,
    learning_rate=0.01,
    checkpoints_per_epoch=1,
    evaluations_per_epoch=1,
)
# The last step of an epoch has one example, so that one of two processes has nothing to do in it.
EXAMPLES = 13


@dataclasses.dataclass(frozen=True)
class Task:
    """What the processes do."""

    directory: Path
    kind: str = "llama"
    layout: Layout = Layout.sorted
    dropout: float = 0.0
    divides_weights: bool = False
    method: str = "lora"
    """`lora` or `full`."""
    stop_after: int | None = None
    """Steps after which the last process alone wants to stop."""
    examples_by_rank: tuple[int, ...] = (EXAMPLES, EXAMPLES, EXAMPLES)


def run(task: Task, count: int) -> list[dict[str, Any]]:
    """Train on so many processes; return what each of them reports, by rank."""
    if count == 1:
        return [_train(task, 0, 1)]
    meeting = task.directory.with_name(f"{task.directory.name}.meeting")
    meeting.unlink(missing_ok=True)
    places = [
        Place(rank, rank, count, f"file://{meeting}", divides_weights=task.divides_weights)
        for rank in range(count)
    ]
    children = [processes.Child(_be, task, place) for place in places]
    waiting = list(children)
    while waiting:
        ended = processes.wait_for(waiting, 60)
        waiting = [child for child in waiting if child not in ended]
    assert [child.code for child in children] == [0] * count, [c.message for c in children]
    return [child.message for child in children]  # type: ignore[misc]


def _be(sender: Connection, task: Task, place: Place) -> None:
    with process_group.at(place):
        sender.send(_train(task, place.rank, place.world_size))


def _train(task: Task, rank: int, count: int) -> dict[str, Any]:
    base = tiny_bases.base(task.kind)
    if task.method == "full":
        method = base_weights.full(base)
    else:
        method = tiny_bases.lora(base, task.kind, awake=False, lora_dropout=task.dropout)
    records: list[dict[str, Any]] = []
    said: dict[str, Any] = {"records": records, "error": None, "report": None}
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return rank == count - 1 and asked == task.stop_after

    try:
        report = train(
            method,
            tiny_bases.tokenizer(task.kind),
            tiny_bases.examples(task.kind, task.examples_by_rank[rank]),
            tiny_bases.examples(task.kind, 5),
            SETTINGS,
            layout=task.layout,
            micro_batch_tokens=120,
            gradient_checkpointing=False,
            seed=0,
            checkpoint_directory=task.directory,
            on_record=lambda record: records.append(dict(record)),
            on_resume=lambda step: None,
            should_stop=should_stop,
            progress=False,
        )
        said["report"] = dataclasses.asdict(report)
    except Interrupted as interruption:
        said["stopped_after"] = interruption.step
    except Exception as error:
        said["error"] = f"{type(error).__name__}: {error}"
    trained = [p for p in method.model.parameters() if p.requires_grad]
    said["elements"] = sum(getattr(p, "_local_tensor", p).numel() for p in trained)
    said["weights"] = {
        name: parameter.detach().numpy()
        for name, parameter in method.model.named_parameters()
        # In parts, they are made whole at the end, and in the first process.
        if parameter.requires_grad and not hasattr(parameter, "full_tensor")
    }
    return said
