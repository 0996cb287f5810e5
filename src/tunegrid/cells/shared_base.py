"""Many finished cells of one base answer together: the base is loaded once, adapters take turns.

Owns: when a base may be used again. Part of the order of stages; writes as the pipeline does.

After a cell has answered, its method is taken off. The base is used again only if it is then what
it was: the same tensors, unwritten, in the same modules without further hooks. A method that leaves
anything behind (a full fine-tuning, a replaced head) costs the next cell a fresh load, never an
answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from tunegrid.cells import (
    evaluate,
    identity,
    inference_settings,
    requests,
    state,
    wanted,
)
from tunegrid.cells.identity import Cell
from tunegrid.cells.loaded_models import Models
from tunegrid.config.errors import StageError, Stopped, TunegridError, all_problems
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.inputs import locate
from tunegrid.store.run_directory import RunDirectory


def run_together(cells: Sequence[Cell], should_stop: Callable[[], bool]) -> int:
    """Predict and score for finished cells; return how often a base was loaded.

    Args:
        cells: each trained, or without a method.
        should_stop: whether to end after the next answer.

    Raises:
        StageError: cells that failed or stayed incomplete; the others are done.
        Stopped: `should_stop` became true.
    """
    problems: list[str] = []
    loads = 0
    for group in grouped(cells):
        shared = SharedBase(group[0].config)
        for cell in group:
            try:
                problems += _run(cell, shared, should_stop)
            except Stopped:
                raise
            except TunegridError as error:
                problems.append(f"{cell.train_id}: {error}")
        loads += shared.loads
        shared.drop()
    print(f"{len(cells)} cells, {loads} loads of a base", file=sys.stderr)
    if problems:
        raise StageError(all_problems("not every cell was answered and scored", problems))
    return loads


def grouped(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells that can share a base, in the order in which they were given."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        key = {
            "model": cell.identity["model"],
            "quantization": cell.identity["quantization"],
            "answering": inference_settings.facts(cell.config),
            # Frozen weights may take another kernel than free ones, to the last digit.
            "frozen": cell.config.peft.function is not None,
            "device": cell.config.runtime.device.value,
            "attention": cell.config.runtime.attention.value,
        }
        groups.setdefault(identity.short_hash(key), []).append(cell)
    return list(groups.values())


def _run(cell: Cell, shared: SharedBase, should_stop: Callable[[], bool]) -> list[str]:
    """Answer and score one cell; return why it is incomplete, if it is."""
    run_directory = RunDirectory(cell.directory)
    if not state.is_trained(cell):
        raise StageError("it is not trained; run it with `python run.py` first")
    run_directory.create()
    asked = requests.requests_of(cell)
    with run_directory.locked() as lock:

        def stop() -> bool:
            return should_stop() or lock.is_lost

        run_directory.remove(run_files.RESULTS)
        run_directory.write(run_files.CELL, wanted.record(cell))
        models = Models(cell, run_directory, shared.base)
        for one in asked:
            evaluate.answer(cell, run_directory, one, models, stop)
        further = evaluate.harness(cell, run_directory, models)
        if any(evaluate.needs_the_device(cell, one) for one in asked):
            models.release()
            shared.drop()
        shared.take_back(models.loaded())
        reasons = [evaluate.rate(cell, run_directory, one, stop) for one in asked]
        incomplete = [f"{cell.train_id}: {reason}" for reason in reasons if reason is not None]
        if not incomplete:
            evaluate.conclude(cell, run_directory, asked, further)
    return incomplete


class SharedBase:
    """A base that is loaded when it is asked for and given back after each use."""

    def __init__(self, config: CellConfig) -> None:
        self.config = config
        self.loads = 0
        self._model: Any = None
        self._tokenizer: Any = None
        self._state: list[tuple[Any, ...]] = []

    def base(self) -> tuple[Any, Any]:
        """Return the base and its tokenizer, as if freshly loaded."""
        if self._model is None:
            from tunegrid.models.bases.loading import load

            self._model, self._tokenizer = load(
                self.config.model,
                inference_settings.held(self.config),
                root=locate.CURRENT,
                device=self.config.runtime.device,
                attention=self.config.runtime.attention,
            )
            self.loads += 1
            self._state = state_of(self._model)
        return self._model, self._tokenizer

    def take_back(self, model: Any) -> None:
        """Take the method off a model that was made of the base; drop the base if it shows."""
        if model is None or self._model is None:
            return
        bare = without_method(model)
        if bare is not self._model or state_of(self._model) != self._state:
            self.drop()

    def drop(self) -> None:
        """Forget the base, so that its memory is free and the next use loads it again."""
        import gc

        self._model = None
        self._state = []
        gc.collect()


def without_method(model: Any) -> Any:
    """Return the model under a method of peft, or the model itself where there is none."""
    if not hasattr(model, "peft_config"):
        return model
    if model.active_peft_config.is_prompt_learning:
        return model.get_base_model()
    try:
        return model.unload()
    except (AttributeError, NotImplementedError):
        return None


def state_of(model: Any) -> list[tuple[Any, ...]]:
    """Return what tells whether a model is untouched: tensors, their versions, modules, hooks."""
    tensors = [
        (name, id(tensor), tensor.data_ptr(), tensor._version, str(tensor.dtype))
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    ]
    modules = [
        (name, type(module).__qualname__, id(module), len(module._forward_hooks),
         len(module._forward_pre_hooks), "forward" in vars(module))
        for name, module in model.named_modules()
    ]  # fmt: skip
    return [*tensors, *modules]
