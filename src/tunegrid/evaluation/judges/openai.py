"""A judge behind any server that speaks OpenAI's chat completions.

Owns: the options of such a judge and their checks. The calls are made by `openai_client`. Knows
nothing of rubrics, of reading scores or of where replies are kept.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.judges import openai_client
from tunegrid.evaluation.judges.judge import (
    SYSTEM,
    Ask,
    Judge,
    OnReply,
    Request,
    Spent,
    common_problems,
)
from tunegrid.evaluation.judges.openai_client import Asking, Settings

# Where and how fast replies are had: no part of what they are. A server that was started again
# on another port goes on with the same scores.
RUNTIME_OPTIONS = (
    "base_url", "key_variable", "concurrency", "calls_per_minute", "tries", "first_wait_seconds",
    "longest_wait_seconds", "timeout_seconds", "max_calls", "max_tokens_spent",
    "give_up_after", "price_per_million_prompt_tokens", "price_per_million_new_tokens",
)  # fmt: skip

SETTING = "judge.options"
KEY_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(_API_KEY|_TOKEN)")


def build(
    *,
    base_url: str,
    model: str,
    system: str = SYSTEM,
    temperature: float | None = 0.0,
    max_tokens: int = 1024,
    seed: int | None = None,
    repeats: int = 1,
    attempts: int = 2,
    max_unparsed_share: float = 0.0,
    key_variable: str | None = "OPENAI_API_KEY",
    concurrency: int = 8,
    calls_per_minute: float | None = None,
    tries: int = 6,
    first_wait_seconds: float = 1.0,
    longest_wait_seconds: float = 60.0,
    timeout_seconds: float = 120.0,
    max_calls: int | None = None,
    max_tokens_spent: int | None = None,
    give_up_after: int = 10,
    price_per_million_prompt_tokens: float | None = None,
    price_per_million_new_tokens: float | None = None,
) -> Judge:
    """Return a judge that asks a server.

    Args:
        base_url: up to and without /chat/completions, such as http://127.0.0.1:8000/v1.
        model: the name the server knows it by.
        system: the system message; "" for none.
        temperature: None leaves it to the server, as the study did.
        max_tokens: room for a reply, in tokens; a reply that fills it counts as cut off.
        seed: sent when given.
        repeats: how often each answer is rated; its score is the mean.
        attempts: how often it is asked while the reply holds no score.
        max_unparsed_share: a larger share without a readable score is an incomplete scoring.
        key_variable: the environment variable with the key, whose name ends in _API_KEY or _TOKEN;
            nothing is sent where it is not set, or where this is None.
        concurrency: calls at the same time.
        calls_per_minute: at most; None for no limit.
        tries: of one request, failures that may pass included.
        first_wait_seconds: before the second try; doubled each time, with chance in it.
        longest_wait_seconds: between two tries, also when the server asks for more.
        timeout_seconds: of one call, from its beginning to the last byte.
        max_calls: of a scoring, over all its runs; None for no limit.
        max_tokens_spent: prompts and replies of a scoring; calls that might exceed it are not
            made (a prompt is counted by its bytes until the server has said its tokens).
        give_up_after: so many requests in a row that failed all their tries.
        price_per_million_prompt_tokens: for the estimate.
        price_per_million_new_tokens: for the estimate.

    Raises:
        ConfigError: a key would be read from another kind of variable, or sent in the clear.

    """
    key = allowed_key(base_url, key_variable, SETTING)
    body = _body(model, system, temperature, max_tokens, seed)
    settings = Settings(
        base_url.rstrip("/"), body, key, concurrency,
        calls_per_minute, tries, first_wait_seconds, longest_wait_seconds, timeout_seconds,
        max_calls, max_tokens_spent, give_up_after, max_tokens,
    )  # fmt: skip

    def cost(requests: Sequence[Request]) -> str:
        return estimate(
            requests, max_tokens, price_per_million_prompt_tokens, price_per_million_new_tokens
        )

    return Judge(
        name=f"openai-{model}",
        description=f"the language model {model}, asked with the benchmark's own prompts",
        ask=asking(settings),
        estimate=cost,
        repeats=repeats,
        attempts=attempts,
        max_unparsed_share=max_unparsed_share,
    )


def _body(
    model: str, system: str, temperature: float | None, max_tokens: int, seed: int | None
) -> dict[str, Any]:
    """Return what every request has in common."""
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": max_tokens}
    if temperature is not None:
        body["temperature"] = temperature
    if seed is not None:
        body["seed"] = seed
    return body


def asking(settings: Settings) -> Ask:
    """Return the function that asks the server, as `Judge.ask` is called."""

    def ask(
        requests: Sequence[Request],
        on_reply: OnReply,
        should_stop: Callable[[], bool],
        spent: Spent,
    ) -> None:
        try:
            asyncio.run(Asking(settings, on_reply, should_stop, spent).all(requests))
        except ExceptionGroup as group:
            # A reply that cannot be kept ends the others; what matters is why.
            raise group.exceptions[0] from None

    return ask


def _key(key_variable: str | None) -> str | None:
    """Return the key that the environment has, or None."""
    return None if key_variable is None else os.environ.get(key_variable) or None


def allowed_key(base_url: str, key_variable: str | None, setting: str) -> str | None:
    """Return the key to send, which the environment alone has; None for none.

    Raises:
        ConfigError: it would be read from another kind of variable, or sent in the clear.
    """
    refused = _key_problems(base_url, key_variable, setting)
    if refused:
        raise ConfigError("; ".join(refused))
    return _key(key_variable)


def _key_problems(base_url: str, key_variable: str | None, setting: str) -> list[str]:
    """Return why no key may be read or sent as the options say.

    A study's settings may come from somebody else: they must not be able to send whatever the
    environment holds to wherever they name.
    """
    if key_variable is None:
        return []
    if KEY_VARIABLE.fullmatch(key_variable) is None:
        return [
            f"{setting}.key_variable is {key_variable!r}; give the name of an environment "
            "variable that ends in _API_KEY or _TOKEN, or null to send no key"
        ]
    url = urlsplit(base_url)
    if url.scheme != "https" and not _is_this_machine(url.hostname) and _key(key_variable):
        return [
            f"{setting}.base_url is {base_url!r}, and {key_variable} is set: its key would "
            "travel unencrypted. Give an https address, reach the server through this machine "
            "(http://127.0.0.1:<port>, such as an SSH tunnel), or set "
            f"{setting}.key_variable=null to send no key"
        ]
    return []


def _is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return host is not None and ip_address(host).is_loopback
    except ValueError:
        return False


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options beyond their names."""
    return common_problems(options) + server_problems(options, SETTING)


def server_problems(options: Mapping[str, Any], setting: str) -> list[str]:
    """Return what is wrong with the options that say where and how a server is asked.

    Args:
        options: as configured.
        setting: where they stand in a configuration, for messages.
    """
    found = []
    url = urlsplit(str(options.get("base_url", "")))
    if url.scheme not in ("http", "https") or not url.hostname:
        found.append(
            f"{setting}.base_url must be an address such as http://127.0.0.1:8000/v1, "
            "without /chat/completions"
        )
    elif url.username or url.password or url.query:
        found.append(
            f"{setting}.base_url holds a user, a password or a query; give the address alone "
            "and the key in the environment variable that key_variable names"
        )
    for name in (
        "max_tokens", "concurrency", "tries", "timeout_seconds", "give_up_after",
        "calls_per_minute", "max_calls", "max_tokens_spent",
    ):  # fmt: skip
        value = options.get(name)
        if value is not None and not (isinstance(value, int | float) and value > 0):
            found.append(f"{setting}.{name} is {value!r}; give a number above 0")
    variable = options.get("key_variable", "OPENAI_API_KEY")
    refused = _key_problems(str(options.get("base_url", "")), variable, setting)
    found += refused
    if str(url.hostname).endswith("openai.com") and not refused and not _key(variable):
        where = "one" if variable is None else f"{variable} in the environment"
        found.append(f"{setting}: {url.hostname} needs a key; {setting}.key_variable names {where}")
    return found


def estimate(
    requests: Sequence[Request], max_tokens: int, prompt_price: float | None, price: float | None
) -> str:
    """Return the calls, the tokens and the money that these requests may cost at most."""
    prompt = sum(openai_client.prompt_bytes(one) for one in requests)
    new = max_tokens * len(requests)
    text = f"{len(requests):,} calls, at most {prompt:,} prompt and {new:,} new tokens"
    if prompt_price is not None and price is not None:
        text += f", at most {(prompt * prompt_price + new * price) / 1e6:.2f} in the price's money"
    return text
