"""Bloom's attention: torch's fused kernel against transformers' own code, side by side.

Both models hold the same weights and read the same tokens, in one process in the order A B A B,
because machines are noisy. Times are medians; the peak is what one forward and backward pass adds
to what the process held before. Prints a table in Markdown.

    python benchmarks/bloom_attention.py                    on a CPU, in minutes
    python benchmarks/bloom_attention.py --device cuda --hidden 4096 --heads 32 --dtype bfloat16
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from tunegrid.models.architectures.registration import register
from tunegrid.models.bases.loading import model_class

KERNELS = ("eager", "sdpa")
MIB = 2**20


def main() -> None:
    """Measure both kernels at each length and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 2048], help="tokens")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="timed passes of each kernel")
    options = parser.parse_args()
    bases = built(options)
    print("| tokens | kernel | forward, s | backward, s | peak above the weights, MiB |")
    print("|---|---|---|---|---|")
    for length in options.lengths:
        ids = torch.randint(0, 1024, (1, length), device=options.device)
        agree(bases, ids)
        passes: dict[str, list[tuple[float, float, float]]] = {kernel: [] for kernel in KERNELS}
        for turn in range(options.rounds + 1):
            for kernel in KERNELS:
                found = measured(bases[kernel], ids)
                # The first pass of each allocates and chooses kernels: it is not counted.
                if turn > 0:
                    passes[kernel].append(found)
        rows = {k: [statistics.median(v) for v in zip(*p, strict=True)] for k, p in passes.items()}
        for kernel, (forward, backward, peak) in rows.items():
            print(f"| {length} | {kernel} | {forward:.3f} | {backward:.3f} | {peak / MIB:.0f} |")
        ratios = [a / b for a, b in zip(rows["eager"], rows["sdpa"], strict=True)]
        print(f"| {length} | eager : sdpa | " + " | ".join(f"{r:.2f}" for r in ratios) + " |")


def built(options: argparse.Namespace) -> dict[str, Any]:
    """Return the same random Bloom under each kernel, in training mode."""
    from transformers import BloomConfig

    register()
    settings = BloomConfig(
        vocab_size=1024,
        hidden_size=options.hidden,
        n_layer=options.layers,
        n_head=options.heads,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        use_cache=False,
    )
    bases = {}
    for kernel in KERNELS:
        torch.manual_seed(0)
        made = model_class(settings)._from_config(settings, attn_implementation=kernel)
        bases[kernel] = made.to(options.device, getattr(torch, options.dtype)).train()
    bases["sdpa"].load_state_dict(bases["eager"].state_dict())
    return bases


def agree(bases: dict[str, Any], ids: torch.Tensor) -> None:
    """Raise where the two do not answer alike: their times would say nothing."""
    with torch.no_grad():
        first, second = (bases[kernel](ids).logits.float() for kernel in KERNELS)
    tolerance = 1e-4 if bases["eager"].dtype is torch.float32 else 0.1
    torch.testing.assert_close(second, first, atol=tolerance, rtol=0)


def measured(base: Any, ids: torch.Tensor) -> tuple[float, float, float]:
    """Return seconds forward, seconds backward, and the peak of both in bytes above before."""
    # Gradients of all weights are there before, so that the peak is what the pass itself needs.
    for weight in base.parameters():
        weight.grad = torch.zeros_like(weight)
    gc.collect()
    before = reset_peak(ids.device)
    start = now(ids.device)
    loss = base(ids, labels=ids).loss
    middle = now(ids.device)
    loss.backward()
    end = now(ids.device)
    return middle - start, end - middle, peak_bytes(ids.device) - before


def now(device: torch.device) -> float:
    """Return the time when everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def reset_peak(device: torch.device) -> int:
    """Forget the peak so far and return the bytes held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    # Linux: 5 sets the process's peak to what is resident now.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_bytes(device)


def peak_bytes(device: torch.device) -> int:
    """Return the most bytes held since the last reset."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
