"""Real tokens per second of the three layouts, and of transformers' own Trainer, in one run.

Runs the same optimizer steps of a LoRA on an untrained base, one way after the other and several
rounds of that, so that whatever else the machine does falls on all of them. Prints the median and
the range of each as a Markdown table.

    python benchmarks/layouts.py --architecture bloom --hidden 256 --layers 4 --rounds 3
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Layout
from tunegrid.config.schema import TrainConfig
from tunegrid.data.tokens import NOT_TRAINED, Encoded, TokenizedSet
from tunegrid.models.methods import library
from tunegrid.models.methods.attached import Attached
from tunegrid.models.seeding import seed_everything
from tunegrid.training.train import train


class NoTokenizer:
    """What training asks of a tokenizer."""

    pad_token_id = 2


def drawn_examples(count: int, words: int, longest: int) -> list[Encoded]:
    """Return examples of 200 tokens in the median, two fifths of them prompt, as in Alpaca."""
    draw = random.Random(0)  # noqa: S311
    examples = []
    for _ in range(count):
        length = min(longest, max(16, round(draw.lognormvariate(5.3, 0.6))))
        ids = [draw.randrange(3, words) for _ in range(length)]
        prompt = length * 2 // 5
        labels = [NOT_TRAINED] * prompt + ids[prompt:]
        examples.append(Encoded(ids, labels, prompt_tokens=prompt, truncated=False))
    return examples


def attached_base(options: argparse.Namespace) -> Attached:
    """Return an untrained base of the asked size with LoRA on its attention input."""
    from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

    seed_everything(0)
    if options.architecture == "bloom":
        base: Any = BloomForCausalLM(
            BloomConfig(
                vocab_size=options.words,
                hidden_size=options.hidden,
                n_layer=options.layers,
                n_head=options.hidden // 64,
                use_cache=False,
            )
        )
        targets = ["query_key_value"]
    else:
        base = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=options.words,
                hidden_size=options.hidden,
                intermediate_size=options.hidden * 8 // 3 // 32 * 32,
                num_hidden_layers=options.layers,
                num_attention_heads=options.hidden // 64,
                use_cache=False,
            )
        )
        targets = ["q_proj", "v_proj"]
    return library.attach(base.to(options.device), type="LORA", r=8, target_modules=targets)


def settings(options: argparse.Namespace) -> TrainConfig:
    """Return one epoch of steps, without checkpoints."""
    return TrainConfig(examples_per_step=options.examples_per_step, checkpoints_per_epoch=0)


def ours(options: argparse.Namespace, examples: list[Encoded], layout: Layout) -> float:
    """Return the tokens per second of `train`."""
    tokens = sum(len(example.ids) for example in examples)
    with tempfile.TemporaryDirectory() as directory:
        report = train(
            attached_base(options),
            NoTokenizer(),
            TokenizedSet(examples, [], 0, 0, tokens),
            None,
            settings(options),
            layout=layout,
            micro_batch_tokens=options.micro_batch_tokens,
            gradient_checkpointing=False,
            seed=0,
            checkpoint_directory=Path(directory),
            on_record=lambda record: None,
            on_resume=lambda step: None,
            should_stop=lambda: False,
            progress=False,
        )
    return report.tokens_per_second


def plain_trainer(options: argparse.Namespace, examples: list[Encoded]) -> float:
    """Return the tokens per second of transformers' Trainer: 4 examples a pass, accumulated."""
    import torch
    from transformers import Trainer, TrainingArguments

    def collate(batch: list[Encoded]) -> dict[str, torch.Tensor]:
        longest = max(len(example.ids) for example in batch)
        rows = [(e.ids, e.labels, longest - len(e.ids)) for e in batch]
        return {
            "input_ids": torch.tensor([ids + [2] * rest for ids, _, rest in rows]),
            "attention_mask": torch.tensor([[1] * len(i) + [0] * rest for i, _, rest in rows]),
            "labels": torch.tensor([labels + [NOT_TRAINED] * rest for _, labels, rest in rows]),
        }

    with tempfile.TemporaryDirectory() as directory:
        arguments = TrainingArguments(
            output_dir=directory,
            num_train_epochs=1,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=options.examples_per_step // 4,
            learning_rate=3e-4,
            optim="adamw_torch",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=options.device == "cpu",
        )
        model = attached_base(options).model
        trainer = Trainer(model, arguments, train_dataset=examples, data_collator=collate)
        start = time.monotonic()
        trainer.train()
    return sum(len(example.ids) for example in examples) / (time.monotonic() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", choices=("llama", "bloom"), default="llama")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    for name, default in [
        ("hidden", 512),
        ("layers", 6),
        ("words", 8000),
        ("examples", 96),
        ("examples-per-step", 32),
        ("longest", 512),
        ("micro-batch-tokens", 2048),
        ("rounds", 3),
    ]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    examples = drawn_examples(options.examples, options.words, options.longest)
    ways: dict[str, Callable[[], float]] = {
        "transformers.Trainer, batches of 4": lambda: plain_trainer(options, examples),
        "padded": lambda: ours(options, examples, Layout.padded),
        "sorted": lambda: ours(options, examples, Layout.sorted),
        "flattened": lambda: ours(options, examples, Layout.flattened),
    }
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, measure in ways.items():
            measured[name].append(measure())
    first = statistics.median(next(iter(measured.values())))
    print("| way | tokens per second (median of rounds) | range | ratio |")
    print("|---|---|---|---|")
    for name, speeds in measured.items():
        median = statistics.median(speeds)
        span = f"{min(speeds):,.0f}-{max(speeds):,.0f}"
        print(f"| {name} | {median:,.0f} | {span} | {median / first:.2f} |")


if __name__ == "__main__":
    main()
