"""Items per second of MMCU's protocols on one miniature base, and whether stopping changes answers.

Run: PYTHONPATH=src python benchmarks/mmcu_protocols.py --items 40
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tunegrid.config.choices import Device
from tunegrid.config.schema import DecodingConfig, ModelConfig, PromptConfig, QuantizationConfig
from tunegrid.data.prompts import cut_answer, render_choice
from tunegrid.evaluation.benchmark import limited
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu
from tunegrid.models.bases.loading import load
from tunegrid.models.inference.generation import answer
from tunegrid.models.inference.likelihood import likelihoods

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Time each protocol once and print a table."""
    options = arguments()
    torch.set_num_threads(options.threads)
    model, tokenizer = load(
        ModelConfig(name="base", path=str(options.base.resolve()), architecture=options.base.name),
        QuantizationConfig(name="fp32"), root=Path("/"), device=Device.auto,
    )  # fmt: skip
    if options.adapter is not None:
        import peft

        model = peft.PeftModel.from_pretrained(model, str(options.adapter))
    benchmark = limited(mmcu.read(options.mmcu), options.items)
    prompt = prompt_config(options.prompt)
    prompts = [render_choice(prompt, item.question) for item in benchmark.items]
    room = context_room(model, tokenizer, prompts)
    new_tokens = min(512, room)

    def generated(decoding: DecodingConfig, *, stops: bool) -> list[str | None]:
        rule = benchmark.is_decided
        assert rule is not None
        found = dict(
            answer(
                model, tokenizer, prompts, decoding=decoding, max_new_tokens=new_tokens,
                stop=prompt.stop, batch_tokens=options.batch_tokens, seed=0, progress_label="",
                progress=False,
                is_decided=(lambda i, text: rule(benchmark.items[i], text)) if stops else None,
            )
        )  # fmt: skip
        texts = [cut_answer(prompt, found[index].text) for index in range(len(prompts))]
        return [mmcu.extract(text) for text in texts]

    def likely() -> list[str | None]:
        assert benchmark.choices is not None
        found = dict(
            likelihoods(
                model, tokenizer, prompts, [benchmark.choices(item) for item in benchmark.items],
                separator=prompt.separator, batch_tokens=options.batch_tokens, progress_label="",
                progress=False,
            )
        )  # fmt: skip
        return [
            max(found[i], key=lambda c: c.log_likelihood + c.end_log_likelihood).choice
            for i in range(len(prompts))
        ]

    greedy = DecodingConfig()
    stopped = timed(
        "generation, stops when decided", len(prompts), lambda: generated(greedy, stops=True)
    )
    timed("likelihood of all sets of letters", len(prompts), likely)
    whole = timed(f"generation, {new_tokens} new tokens, greedy", len(prompts),
                  lambda: generated(greedy, stops=False))  # fmt: skip
    beams = DecodingConfig(beams=4)
    timed(f"the seed's: {new_tokens} new tokens, 4 beams", len(prompts),
          lambda: generated(beams, stops=False))  # fmt: skip
    same = sum(a == b for a, b in zip(stopped, whole, strict=True))
    found = sum(one is not None for one in whole)
    print(
        f"extracted answers identical, stopped and whole: {same} of {len(prompts)} ({found} found)"
    )
    assert same == len(prompts)


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    miniature = PROJECT / "assets" / "miniature"
    parser.add_argument("--base", type=Path, default=miniature / "llama")
    parser.add_argument("--adapter", type=Path, help="an adapter/ of a finished cell")
    parser.add_argument("--mmcu", type=Path, default=miniature / "mmcu")
    parser.add_argument("--prompt", default="english")
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def prompt_config(name: str) -> PromptConfig:
    """Return the prompt of conf/prompt."""
    import yaml

    path = PROJECT / "conf" / "prompt" / f"{name}.yaml"
    return PromptConfig(**yaml.safe_load(path.read_text(encoding="utf-8")))


def context_room(model: Any, tokenizer: Any, prompts: list[str]) -> int:
    """Return how many new tokens the base's context leaves beside the longest prompt."""
    limit = getattr(model.config, "max_position_embeddings", None) or 4096
    return int(limit) - max(len(tokenizer(text)["input_ids"]) for text in prompts)


def timed(name: str, items: int, run: Callable[[], list[str | None]]) -> list[str | None]:
    """Run once, print items per second and return the answers."""
    start = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - start
    print(f"{name:46s} {items / seconds:8.2f} items/s  {seconds:7.1f} s", flush=True)
    return found


if __name__ == "__main__":
    main()
