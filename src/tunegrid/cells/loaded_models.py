"""The base with its tokenizer and, once there, the method's weights: loaded when asked for.

Owns: which model trains and which answers. torch is loaded by what it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunegrid.cells import inference_settings
from tunegrid.cells.identity import Cell
from tunegrid.config.schema import CellConfig, QuantizationConfig
from tunegrid.store import run_files
from tunegrid.store.inputs import locate
from tunegrid.store.run_directory import RunDirectory

TINY_PARAMETERS = 20_000_000


class Models:
    """One cell's models."""

    def __init__(
        self,
        cell: Cell,
        run_directory: RunDirectory,
        load_base: Callable[[], tuple[Any, Any]] | None = None,
    ) -> None:
        self.config = cell.config
        self.run_directory = run_directory
        # Several cells may share a base; whoever lends it gives it and its tokenizer.
        self._load_base = load_base
        self._tokenizer: Any = None
        self._answering: Any = None
        self._engine: Any = None

    @property
    def tokenizer(self) -> Any:
        """The base's tokenizer."""
        if self._tokenizer is None:
            from tunegrid.models.bases.loading import load_tokenizer

            self._tokenizer = load_tokenizer(self.config.model, locate.CURRENT)
        return self._tokenizer

    def attached(self, steps: int) -> Any:
        """Return the base with the method attached and untrained, seeded by the cell's seed.

        Args:
            steps: optimizer steps of the run, for methods with a schedule of their own.

        """
        return self._attached(steps, self.config.quantization)

    def _attached(self, steps: int, quantization: QuantizationConfig) -> Any:
        from tunegrid.models.methods.attach import attach
        from tunegrid.models.seeding import seed_everything

        base = self._base(quantization)
        seed_everything(self.config.seed)
        return attach(self.config.peft, base, steps)

    def keep(self, model: Any) -> None:
        """Answer with this model from now on: the one that was just trained."""
        self._answering = model

    def answering(self) -> Any:
        """Return the model that answers: the base, or the base with the trained weights."""
        if self._answering is None:
            if self.config.peft.function is None:
                self._answering = self._base(self.config.quantization)
            else:
                from tunegrid.models.methods.attach import PLANNED_STEPS
                from tunegrid.models.methods.attached import restore

                steps = self.run_directory.read(run_files.TRAINED)["steps"] or PLANNED_STEPS
                if self.config.eval.merged:
                    self._answering = self._merged(steps)
                else:
                    self._answering = self._attached(
                        steps, inference_settings.held(self.config)
                    ).model
                    restore(self._answering, self.run_directory.adapter)
        return self._answering

    def _merged(self, steps: int) -> Any:
        """Return the base with the trained weights added to its own, in the type it computes in.

        Raises:
            StageError: it does not answer as the trained one does.
        """
        from tunegrid.models.compute import convert
        from tunegrid.models.dtypes import torch_dtype
        from tunegrid.models.memory_errors import give_back
        from tunegrid.models.methods import agreement
        from tunegrid.models.methods.merging import merged_model, trained_model

        held = inference_settings.held(self.config)
        adapter = self.run_directory.adapter
        ids = agreement.probe_ids(self.tokenizer, self.config.prompt)
        model = trained_model(self.config, self._base(held), adapter, steps)
        trained = agreement.logits(model, ids)
        del model
        give_back()
        merged = merged_model(self.config, self._base(held), adapter, steps)
        merged = convert(merged, torch_dtype(held.dtype))
        found = agreement.compared(trained, agreement.logits(merged, ids))
        accepted = agreement.tolerance(held.dtype)
        agreement.refuse_another_model(found, accepted, "the merged model (eval.merged=true)")
        return merged

    def engine(self) -> Any:
        """Return vLLM with the base; the model that was trained goes before it comes."""
        if self._engine is None:
            from tunegrid.models.inference import vllm_engine

            self.release()
            config = self.config
            rank = None if config.peft.function is None else int(config.peft.options.get("r", 8))
            path = locate.locate(config.model, locate.CURRENT)
            dtype = config.quantization.dtype.value
            self._engine = vllm_engine.load(config.model, path, dtype, rank, self.room)
        return self._engine

    @property
    def room(self) -> int | None:
        """The longest text the base reads; None for no limit."""
        from tunegrid.models.bases.devices import context_tokens
        from tunegrid.models.bases.loading import load_config

        return context_tokens(load_config(self.config.model, locate.CURRENT))

    def release(self) -> None:
        """Forget the model that answers, so that its memory is free; asked for, it is loaded anew.

        A base that several cells share stays with whoever lent it.
        """
        from tunegrid.models.memory_errors import give_back

        self._answering = self._engine = None
        give_back()

    def loaded(self) -> Any:
        """Return the model that has answered, or None where nothing was loaded."""
        return self._answering

    def _base(self, quantization: QuantizationConfig) -> Any:
        if self._load_base is not None:
            model, self._tokenizer = self._load_base()
            return model
        from tunegrid.models.bases.loading import load

        model, self._tokenizer = load(
            self.config.model,
            quantization,
            root=locate.CURRENT,
            device=self.config.runtime.device,
            attention=self.config.runtime.attention,
        )
        _choose_threads(self.config, model)
        return model


def _choose_threads(config: CellConfig, model: Any) -> None:
    """Compute tiny bases in one thread, unless the user says otherwise.

    Their matrices are too small to share: a second thread gains little on an idle machine, and
    beside other work the two wait for each other (docs/findings.md: 10 to 65 times slower).
    """
    import torch

    if config.runtime.threads is None and model.num_parameters() < TINY_PARAMETERS:
        torch.set_num_threads(1)
