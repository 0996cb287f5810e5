"""The two tiny bases: their architectures and their pretraining.

Pretraining is deterministic on one machine: fixed seeds, fixed order, one thread. It must not
know of instructions or benchmarks; it sees token ids only.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
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

from tunegrid_miniature.muon import Muon
from tunegrid_miniature.tokenizer import MODEL_MAX_LENGTH, SPECIAL_TOKENS, VOCABULARY_SIZE

# The order of the special tokens is the order of their ids.
SPECIAL_IDS = {name: index for index, name in enumerate(SPECIAL_TOKENS)}
IDS: dict[str, Any] = {
    "bos_token_id": SPECIAL_IDS["bos_token"],
    "eos_token_id": SPECIAL_IDS["eos_token"],
    "pad_token_id": SPECIAL_IDS["pad_token"],
}
# About as many documents as forty batches hold.
STRETCH_DOCUMENTS = 1500
# One thread a base: at this size a second thread is worth less than a second base.
THREADS = 1


@dataclass(frozen=True)
class Schedule:
    """Steps of about ``batch_tokens`` tokens each; learning rates at their peak."""

    steps: int
    batch_tokens: int = 2048
    matrix_learning_rate: float = 0.02
    learning_rate: float = 3e-3
    warmup_steps: int = 40


SCHEDULES = {"llama": Schedule(steps=1100), "bloom": Schedule(steps=1100)}


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
            tie_word_embeddings=False,
            **IDS,
        )
        model = LlamaForCausalLM(llama)
        # The Bloom form normalises its embeddings; without that, the usual 0.02 drowns beside
        # what the layers add, and the later layers no longer see which token it was.
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.3)
        return model
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


def make_batches(documents: list[list[int]], tokens: int, seed: int) -> list[torch.Tensor]:
    """Return batches (B, T) of about ``tokens`` tokens, one document a row, padded on the right.

    A document in a row of its own sees no other: what a list says can only be looked up in it,
    without false hits in its neighbours. Only documents of a stretch are sorted by length, so the
    order of the stretches, which is a curriculum, stays.
    """
    generator = torch.Generator().manual_seed(seed)
    batches: list[torch.Tensor] = []
    for start in range(0, len(documents), STRETCH_DOCUMENTS):
        stretch = [
            [*ids, IDS["eos_token_id"]] for ids in documents[start : start + STRETCH_DOCUMENTS]
        ]
        rows: list[list[int]] = []
        made: list[torch.Tensor] = []
        for row in sorted(stretch, key=len):
            # Sorted by length: this row is as long as the batch would be wide.
            if rows and (len(rows) + 1) * len(row) > tokens:
                made.append(_padded(rows))
                rows = []
            rows.append(row)
        made.append(_padded(rows))
        batches += [made[i] for i in torch.randperm(len(made), generator=generator).tolist()]
    return batches


def _padded(rows: list[list[int]]) -> torch.Tensor:
    width = max(len(row) for row in rows)
    pad = IDS["pad_token_id"]
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows])


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
    model: PreTrainedModel, documents: list[list[int]], schedule: Schedule, seed: int
) -> list[float]:
    """Train ``model`` in place on documents of token ids and return the loss of every step.

    The first pass keeps the documents' order, later passes shuffle the batches.
    """
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    optimizers = _optimizers(model, schedule)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    batches = make_batches(documents, schedule.batch_tokens, seed)
    generator = torch.Generator().manual_seed(seed)
    order = list(range(len(batches)))
    losses: list[float] = []
    model.train()
    name = f"pretraining {model.config.model_type}"
    progress = tqdm(range(schedule.steps), desc=name, mininterval=10)
    for step in progress:
        if not order:
            order = torch.randperm(len(batches), generator=generator).tolist()
        loss = _loss(model, batches[order.pop(0)])
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


def _loss(model: PreTrainedModel, batch: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the tokens of a batch (B, T); the padding on the right is left out.

    No attention mask is needed: a causal model sees nothing to the right.
    """
    logits = model(input_ids=batch, use_cache=False).logits
    targets = batch[:, 1:].masked_fill(batch[:, 1:] == IDS["pad_token_id"], -100)
    return functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), targets.reshape(-1)
    )


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


def pretrain_and_save(
    architecture: str, documents: list[list[int]], output: Path, seed: int
) -> dict[str, Any]:
    """Pretrain one base, save it below ``output`` and return what the manifest records of it."""
    schedule = SCHEDULES[architecture]
    model = build_base(architecture, seed)
    start = time.monotonic()
    losses = pretrain(model, documents, schedule, seed)
    tqdm.write(f"{architecture}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    save_base(model, output / architecture)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": schedule.steps,
        "batch_tokens": schedule.batch_tokens,
        "final_loss": round(sum(losses[-50:]) / len(losses[-50:]), 4),
    }


def pretrain_all(documents: list[list[int]], output: Path, seed: int) -> dict[str, Any]:
    """Pretrain the bases side by side, a process and a thread each; return their records."""
    # Spawned processes look functions up by module: this must not move into __main__.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(SCHEDULES), mp_context=context) as pool:
        futures = {
            architecture: pool.submit(pretrain_and_save, architecture, documents, output, seed)
            for architecture in SCHEDULES
        }
        return {architecture: future.result() for architecture, future in futures.items()}
