"""The two tiny bases: their architectures and their pretraining.

Pretraining is deterministic on one machine: fixed seeds, fixed order, one thread. It must not
know of instructions or benchmarks; it sees token rows only.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from tunegrid.miniature.muon import Muon
from tunegrid.miniature.tokenizer import MODEL_MAX_LENGTH, SPECIAL_TOKENS, VOCABULARY_SIZE

# The order of the special tokens is the order of their ids.
SPECIAL_IDS = {name: index for index, name in enumerate(SPECIAL_TOKENS)}
IDS: dict[str, Any] = {
    "bos_token_id": SPECIAL_IDS["bos_token"],
    "eos_token_id": SPECIAL_IDS["eos_token"],
    "pad_token_id": SPECIAL_IDS["pad_token"],
}
ROW_TOKENS = 256
# One thread a base: at this size a second thread is worth less than a second base.
THREADS = 1


@dataclass(frozen=True)
class Schedule:
    """Steps of ``rows`` token rows each; learning rates at their peak."""

    steps: int
    rows: int = 8
    matrix_learning_rate: float = 0.02
    learning_rate: float = 3e-3
    warmup_steps: int = 100


SCHEDULES = {"llama": Schedule(steps=2000), "bloom": Schedule(steps=2000)}


def build_base(architecture: str, seed: int) -> PreTrainedModel:
    """Return an untrained base; ``architecture`` is "llama" or "bloom".

    Hidden size is a multiple of 64 and every width of 32: 4-bit layers of bitsandbytes on CPUs
    demand that. Raises ``ValueError`` for another architecture.
    """
    torch.manual_seed(seed)
    if architecture == "llama":
        llama = LlamaConfig(
            vocab_size=VOCABULARY_SIZE,
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=MODEL_MAX_LENGTH,
            tie_word_embeddings=True,
            **IDS,
        )
        return LlamaForCausalLM(llama)
    if architecture == "bloom":
        bloom = BloomConfig(
            vocab_size=VOCABULARY_SIZE,
            hidden_size=128,
            n_layer=5,
            n_head=4,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            **IDS,
        )
        return BloomForCausalLM(bloom)
    raise ValueError(f"unknown architecture {architecture!r}: accepted are 'llama' and 'bloom'")


def pack_rows(documents: list[list[int]]) -> torch.Tensor:
    """Return rows (N, ROW_TOKENS) of the documents' tokens, each ended by eos, end to end."""
    stream: list[int] = []
    for ids in documents:
        stream += [*ids, IDS["eos_token_id"]]
    count = len(stream) // ROW_TOKENS
    return torch.tensor(stream[: count * ROW_TOKENS]).view(count, ROW_TOKENS)


def _optimizers(model: PreTrainedModel, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, Adam for embeddings, head, norms and biases.

    At this size Muon needs about half the tokens of AdamW for the same loss.
    """
    inside = [
        p for n, p in model.named_parameters() if p.ndim == 2 and (".layers." in n or ".h." in n)
    ]
    known = {id(p) for p in inside}
    others = [p for p in model.parameters() if id(p) not in known]
    return [
        Muon(inside, lr=schedule.matrix_learning_rate),
        torch.optim.AdamW(others, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _factor(step: int, schedule: Schedule) -> float:
    """Return the share of the peak learning rate: linear up, then linear down to zero."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    return (schedule.steps - step) / (schedule.steps - schedule.warmup_steps)


def pretrain(
    model: PreTrainedModel, rows: torch.Tensor, schedule: Schedule, seed: int
) -> list[float]:
    """Train ``model`` in place on ``rows`` (N, T) and return the loss of every step."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    optimizers = _optimizers(model, schedule)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    order: list[int] = []
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    model.train()
    progress = tqdm(
        range(schedule.steps), desc=f"pretraining {model.config.model_type}", mininterval=10
    )
    for step in progress:
        if len(order) < schedule.rows:
            # The first pass keeps the order, which is a curriculum; later ones are shuffled.
            again = torch.randperm(len(rows), generator=generator).tolist()
            order += again if step > 0 else range(len(rows))
        batch = rows[order[: schedule.rows]]
        del order[: schedule.rows]
        logits = model(input_ids=batch, use_cache=False).logits
        loss = functional.cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1)
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _factor(step, schedule)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if step % 20 == 0:
            progress.set_postfix(loss=f"{losses[-1]:.3f}")
    model.eval()
    return losses


def save_base(model: PreTrainedModel, folder: Path) -> None:
    """Write weights in bf16 with a config that asks for fp32, and the generation config.

    Half the bytes in the repository; loaded by its config the base still computes in fp32, which
    every CPU does at full speed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config.use_cache = True
    model.generation_config.update(**IDS)
    model.bfloat16().save_pretrained(folder)
    # safetensors writes for the owner alone; the files of a repository are for everyone.
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n")


def timed_pretrain(
    architecture: str, rows: torch.Tensor, seed: int, schedule: Schedule
) -> tuple[PreTrainedModel, list[float], float]:
    """Return the pretrained base, its losses and the seconds it took."""
    model = build_base(architecture, seed)
    start = time.monotonic()
    losses = pretrain(model, rows, schedule, seed)
    return model, losses, time.monotonic() - start
