"""A base behind a server that speaks OpenAI's chat completions: what it may be and how it is asked.

Owns: the options of `model=api`, what a cell with such a base cannot do, and what every question to
it has in common. The calls are made by the client that judges use. Knows nothing of files.

A server has its own template around a question, so a cell's prompt is not put in front of one: the
question stands alone in the user's message, as the study asked ChatGPT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from tunegrid.config.choices import Engine, Protocol
from tunegrid.config.functions import suggestion
from tunegrid.config.schema import CellConfig, DecodingConfig, benchmarks, is_api
from tunegrid.evaluation.judges import openai
from tunegrid.evaluation.judges.openai_client import Settings

SETTING = "model.options"


@dataclass(frozen=True)
class Options:
    """What `model.options` takes; those that `config.schema.API_IDENTITY` names are its identity.

    The others say where and how fast answers are had, as they do for judge=openai.
    """

    base_url: str
    model: str
    """The name the server knows it by."""
    system: str = ""
    """The system message; "" for none."""
    server_decoding: bool = False
    """Leave temperature and top_p to the server: some models take none."""
    length_name: str = "max_tokens"
    """What the server calls the longest answer; OpenAI's newer models: max_completion_tokens."""
    key_variable: str | None = "OPENAI_API_KEY"
    concurrency: int = 8
    calls_per_minute: float | None = None
    tries: int = 6
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    timeout_seconds: float = 120.0
    max_calls: int | None = None
    """Of a cell, over all its runs and benchmarks; None for no limit."""
    max_tokens_spent: int | None = None
    """The same for tokens of questions and answers together."""
    give_up_after: int = 10
    price_per_million_prompt_tokens: float | None = None
    price_per_million_new_tokens: float | None = None


REQUIRED = ("base_url", "model")
LENGTH_NAMES = ("max_tokens", "max_completion_tokens")


def problems(config: CellConfig) -> Iterator[str]:
    """Yield why a cell cannot have a base behind a server, or why the options cannot be used."""
    model = config.model
    if not is_api(model):
        if model.options:
            yield "model.options: only model=api takes options; a base here is its files"
        return
    yield from _option_problems(model.options)
    if config.peft.function is not None:
        yield (
            f"peft={config.peft.name}: the weights of model=api lie with its server, so nothing "
            "can be trained; choose peft=none, or a base that lies here"
        )
    if config.eval.tasks:
        yield "eval.tasks need the model itself, and model=api gives answers alone; leave them out"
    if config.eval.engine is not Engine.transformers:
        yield "eval.engine: model=api is answered by its server; set eval.engine=transformers"
    by_likelihood = [
        n for n, one in benchmarks(config).items() if Protocol.likelihood in one.protocols
    ]
    if by_likelihood:
        yield (
            f"eval.benchmarks: {', '.join(by_likelihood)} by likelihood needs the probabilities of "
            "given texts, which chat completions do not tell; set protocols=[generation]"
        )
    yield from _decoding_problems(config.eval.decoding)


def _option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    accepted = [one.name for one in fields(Options)]
    for name in options:
        if name not in accepted:
            yield f"{SETTING}: unknown option {name!r}{suggestion(name, accepted)}"
    for name in REQUIRED:
        if not options.get(name):
            yield f"{SETTING}.{name} must be given"
    length_name = options.get("length_name", LENGTH_NAMES[0])
    if length_name not in LENGTH_NAMES:
        hint = suggestion(str(length_name), LENGTH_NAMES)
        yield f"{SETTING}.length_name: there is no {length_name!r}{hint}"
    yield from openai.server_problems(options, SETTING)


def _decoding_problems(decoding: DecodingConfig) -> Iterator[str]:
    """Yield the settings of decoding that chat completions do not have."""
    odd = [
        name
        for name, is_odd in (
            ("beams", decoding.beams > 1),
            ("top_k", decoding.sample and decoding.top_k > 0),
            ("repetition_penalty", decoding.repetition_penalty != 1.0),
            ("no_repeat_ngram_size", decoding.no_repeat_ngram_size > 0),
        )
        if is_odd
    ]
    if odd:
        yield (
            f"eval.decoding: chat completions have no {', '.join(odd)}; set beams=1, top_k=0, "
            "repetition_penalty=1 and no_repeat_ngram_size=0, or choose a base that lies here"
        )


def body(config: CellConfig, max_new_tokens: int) -> dict[str, Any]:
    """Return what every request of a cell has in common."""
    options, decoding = Options(**config.model.options), config.eval.decoding
    found: dict[str, Any] = {
        "model": options.model,
        "messages": [{"role": "system", "content": options.system}] if options.system else [],
        options.length_name: max_new_tokens,
    }
    if not options.server_decoding:
        found["temperature"] = decoding.temperature if decoding.sample else 0.0
        if decoding.sample:
            found |= {"top_p": decoding.top_p, "seed": config.seed}
    return found


def settings(config: CellConfig, max_new_tokens: int) -> Settings:
    """Return what the client needs for a cell's questions; the key comes from the environment.

    Raises:
        ConfigError: a key would be read from another kind of variable, or sent in the clear.
    """
    options = Options(**config.model.options)
    return Settings(
        options.base_url.rstrip("/"), body(config, max_new_tokens),
        openai.allowed_key(options.base_url, options.key_variable, SETTING), options.concurrency,
        options.calls_per_minute, options.tries, options.first_wait_seconds,
        options.longest_wait_seconds, options.timeout_seconds, options.max_calls,
        options.max_tokens_spent, options.give_up_after, max_new_tokens, SETTING,
    )  # fmt: skip


def price(options: Mapping[str, Any], prompt_tokens: float, new_tokens: float) -> float | None:
    """Return what so many tokens cost in the money of the stated prices; None without prices."""
    prompt = options.get("price_per_million_prompt_tokens")
    new = options.get("price_per_million_new_tokens")
    if prompt is None or new is None:
        return None
    return float(prompt_tokens * prompt + new_tokens * new) / 1e6
