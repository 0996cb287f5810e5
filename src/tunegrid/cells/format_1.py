"""How predictions and scores were named in format 1, for `migrate` alone.

Owns: nothing that is still written. Frozen: a change here would lose answers of old runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tunegrid.cells.identity import short_hash
from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.config.functions import hashed_name
from tunegrid.config.schema import BenchmarkConfig, DecodingConfig, JudgeConfig, PromptConfig

FORMAT = 1
DECISIONS = {"letters-2-200": "letters-1", "letters-2-200-strict": "letters-1-strict"}
"""What the rules by which answers end early were called, by their present names."""


def prediction_id(
    cell: str,
    benchmark: str,
    version: str,
    prompts: Sequence[tuple[str, str]],
    decoding: DecodingConfig,
    max_new_tokens: int,
    stop: str,
    seed: int,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the name of one benchmark's answers; see `identity.prediction_id`."""
    settings = asdict(decoding) | {"max_new_tokens": max_new_tokens, "stop": stop}
    if decoding.sample:
        settings["seed"] = seed
    content = {
        "format": FORMAT,
        "cell": cell,
        "benchmark": benchmark,
        "version": version,
        "prompts": text_sha256(canonical_json([list(pair) for pair in prompts])),
        "decoding": settings,
        **({"further": further} if further else {}),
    }
    return f"{benchmark}-{short_hash(content)}"


def score_id(
    prediction: str,
    benchmark: BenchmarkConfig,
    benchmark_sha256: str,
    judge: JudgeConfig | None,
    prompt: PromptConfig,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the name of one scoring of one benchmark's answers; see `identity.score_id`."""
    content = {
        "format": FORMAT,
        "prediction": prediction,
        "function": hashed_name(benchmark.function),
        "options": benchmark.options,
        "content": benchmark_sha256,
        "judge": None
        if judge is None
        else asdict(judge) | {"function": hashed_name(judge.function)},
        "stop": prompt.stop,
        **({"further": further} if further else {}),
    }
    name = "rule" if judge is None else judge.name
    return f"{prediction}-{name}-{short_hash(content)}"
