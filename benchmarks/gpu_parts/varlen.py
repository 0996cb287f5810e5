"""Rows without padding against padded rows, on a LLaMA-7B in 16 bit."""

from __future__ import annotations

import argparse
from typing import Any

from gpu_parts import bases
from tunegrid.config.choices import Layout, Precision


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return tokens a second of both layouts in the order A B A B."""
    steps = 2 if options.tiny else 3
    drawn = bases.examples(bases.EXAMPLES_PER_STEP, options)
    attached = bases.lora(bases.base("llama", options, Precision.bf16), "llama")
    rates: dict[str, list[float]] = {"flattened": [], "sorted": [], "padded": []}
    kernel = ""
    for _ in range(2):
        for layout in (Layout.flattened, Layout.sorted, Layout.padded):
            own, report = bases.rate(attached, drawn, steps, layout=layout, tokens=4096)
            rates[layout.value].append(own)
            kernel = report.attention if layout is Layout.flattened else kernel
    found: dict[str, Any] = {f"{name}_tokens_per_second": value for name, value in rates.items()}
    times = sum(rates["flattened"]) / sum(rates["padded"])
    return found | {"kernel": kernel, "flattened_by_padded": times}
