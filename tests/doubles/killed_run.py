"""A training process for `test_resume.py`: trains a base below a directory and exports it.

Arguments: the directory, the name of the run, and the step and the place at which the process
kills itself with SIGKILL: `record` (between two checkpoints), `saving` (a checkpoint half
written) or `never`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from doubles import tiny_bases
from tunegrid.config.choices import Device, Layout
from tunegrid.config.schema import ModelConfig, QuantizationConfig, TrainConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.methods.attached import export
from tunegrid.training import trainer
from tunegrid.training.train import train


def main() -> None:
    root, name, fatal, place = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    model = ModelConfig(name="llama", path="llama", architecture="llama")
    base, tokenizer = load(model, QuantizationConfig(), root=root, device=Device.cpu)
    method = tiny_bases.lora(base, "llama", awake=False, lora_dropout=0.2)

    def on_record(record: dict) -> None:
        if place == "record" and record["step"] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    save = trainer.save_trainable

    def save_and_die(model: object, path: Path) -> None:
        save(model, path)
        if place == "saving" and path.parent.name == f"checkpoint-{fatal}":
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.save_trainable = save_and_die
    report = train(
        method,
        tokenizer,
        tiny_bases.examples("llama", 14),
        tiny_bases.examples("llama", 3),
        TrainConfig(
            epochs=2,
            examples_per_step=4,
            learning_rate=0.01,
            checkpoints_per_epoch=2,
            evaluations_per_epoch=1,
        ),
        layout=Layout.sorted,
        micro_batch_tokens=120,
        gradient_checkpointing=False,
        seed=0,
        checkpoint_directory=root / name / "checkpoint",
        on_record=on_record,
        on_resume=lambda step: print("resumed", step, flush=True),
        should_stop=lambda: False,
        progress=False,
    )
    export(method.model, root / name / "adapter")
    print("first loss", report.first_loss, "last loss", report.last_loss)


if __name__ == "__main__":
    main()
