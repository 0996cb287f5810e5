"""Requests to a server that speaks OpenAI's chat protocol: many at once, tried again, counted.

Owns: the calls of one scoring or answering, their limits, and what is tried again. Knows nothing of
benchmarks.

The key comes from the environment and goes into one header: it stands in no option, and is cut out
of whatever a server sends back, because some servers repeat it in their messages.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunegrid.data.json_records import shortened
from tunegrid.evaluation.judges.judge import OnReply, Reply, Request, Spent

if TYPE_CHECKING:
    import httpx

NO_TEXT = "the content is no text"
MOST_TOKENS = 1e9
"""No call has so many; a server that states more does not count."""
TRIED_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
REFUSED = (401, 402, 403, 404, 405)
"""Whoever gets one of these for one request gets it for all."""


class _TryAgain(Exception):
    """A failure that may pass."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class _Failed(Exception):
    """A failure of this request that will not pass."""


class _GivenUp(Exception):
    """A failure of every request."""


@dataclass(frozen=True)
class Settings:
    """The options of `build` that calls depend on."""

    base_url: str
    body: Mapping[str, Any]
    key: str | None
    concurrency: int
    calls_per_minute: float | None
    tries: int
    first_wait_seconds: float
    longest_wait_seconds: float
    timeout_seconds: float
    max_calls: int | None
    max_tokens_spent: int | None
    give_up_after: int
    max_tokens: int
    setting: str = "judge.options"
    """Where the limits stand in a configuration, for messages."""


class Asking:
    """The calls of one run."""

    def __init__(
        self,
        settings: Settings,
        on_reply: OnReply,
        should_stop: Callable[[], bool],
        spent: Spent,
    ) -> None:
        self.settings = settings
        self.on_reply = on_reply
        self.should_stop = should_stop
        self.calls = spent.calls
        self.tokens = spent.tokens
        self.failed_in_a_row = 0
        self.given_up: str | None = None
        self.next_call_at = 0.0

    async def all(self, requests: Sequence[Request]) -> None:
        """Ask every request; those left over when the judge was given up say why."""
        import httpx

        headers = {"Authorization": f"Bearer {self.settings.key}"} if self.settings.key else {}
        waiting = list(reversed(requests))
        # Redirects are not followed and proxies not taken from the environment: the key would
        # go where nobody named.
        async with httpx.AsyncClient(
            headers=headers,
            timeout=self.settings.timeout_seconds,
            limits=httpx.Limits(max_connections=self.settings.concurrency),
            trust_env=False,
        ) as client:
            workers = [self._work(client, waiting) for _ in range(self.settings.concurrency)]
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker)
        if not self.should_stop():
            for one in reversed(waiting):
                self.on_reply(one, Reply(None, f"not asked: {self.given_up}", 0, 0, 0))

    async def _work(self, client: httpx.AsyncClient, waiting: list[Request]) -> None:
        while waiting and self.given_up is None and not self.should_stop():
            one = waiting.pop()
            before = self.calls
            received: list[str] = []
            try:
                reply = await self._ask(client, one, received)
                self.failed_in_a_row = 0
            except _GivenUp as error:
                self.given_up = str(error)
                reply = Reply(None, str(error), 0, 0, 0, received)
            except (_TryAgain, _Failed) as error:
                self._count_failure(error)
                reply = Reply(None, str(error), 0, 0, self.calls - before, received)
            self.on_reply(one, reply)

    def _count_failure(self, error: Exception) -> None:
        if not isinstance(error, _TryAgain):
            return
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= self.settings.give_up_after:
            self.given_up = f"{self.failed_in_a_row} requests in a row failed, the last: {error}"

    async def _ask(self, client: httpx.AsyncClient, one: Request, received: list[str]) -> Reply:
        """Return the reply to one request, tried again while failures may pass.

        Bodies that are no completion are added to `received`.
        """
        import tenacity

        settings = self.settings
        backoff = tenacity.wait_random_exponential(
            multiplier=settings.first_wait_seconds, max=settings.longest_wait_seconds
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = error.wait_seconds if isinstance(error, _TryAgain) else 0.0
            return min(max(asked, backoff(state)), settings.longest_wait_seconds)

        trying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(settings.tries),
            wait=wait,
            reraise=True,
        )
        calls = 0
        async for attempt in trying:
            with attempt:
                if self.should_stop() or self.given_up is not None:
                    raise _Failed(self.given_up or "stopped")
                reserved = self._reserve(one)
                calls += 1
                try:
                    reply = await self._call(client, one, calls, received)
                    self.tokens += reply.prompt_tokens + reply.new_tokens
                finally:
                    self.tokens -= reserved
                return reply
        raise _Failed("no try was made")

    def _reserve(self, one: Request) -> int:
        """Count a call, and hold back the tokens it may cost at most; return them."""
        settings = self.settings
        if settings.max_calls is not None and self.calls >= settings.max_calls:
            raise _GivenUp(
                f"max_calls={settings.max_calls} is reached; raise "
                f"{settings.setting}.max_calls to go on"
            )
        most = prompt_bytes(one) + settings.max_tokens
        if settings.max_tokens_spent is not None and self.tokens + most > settings.max_tokens_spent:
            raise _GivenUp(
                f"max_tokens_spent={settings.max_tokens_spent} could be exceeded by the next call "
                f"({self.tokens} are spent or under way); raise "
                f"{settings.setting}.max_tokens_spent"
            )
        self.calls += 1
        self.tokens += most
        return most

    async def _call(
        self, client: httpx.AsyncClient, one: Request, calls: int, received: list[str]
    ) -> Reply:
        """Return what one call gives.

        Raises:
            _TryAgain: a failure that may pass.
            _Failed: the server refuses this request.
            _GivenUp: the server refuses every request.
        """
        import httpx

        await self._wait_for_turn()
        body = dict(self.settings.body)
        body["messages"] = [*body["messages"], {"role": "user", "content": one.text}]
        try:
            async with asyncio.timeout(self.settings.timeout_seconds):
                # Escaped: half a surrogate pair in an answer has no UTF-8.
                answer = await client.post(
                    f"{self.settings.base_url}/chat/completions",
                    content=json.dumps(body),
                    headers={"Content-Type": "application/json"},
                )
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _TryAgain(f"no reply in {self.settings.timeout_seconds:g} s") from error
        except httpx.TransportError as error:
            raise _TryAgain(f"{type(error).__name__}: {self._clean(str(error))}") from error
        received.append(self._without_key(answer.content.decode("utf-8", "backslashreplace")))
        if answer.status_code != 200:
            self._refused(answer)
        reply = self._read(answer, one, calls)
        if reply.problem != NO_TEXT:
            received.pop()
        return replace(reply, received=tuple(received))

    async def _wait_for_turn(self) -> None:
        """Keep calls apart by the time that calls_per_minute gives each."""
        if self.settings.calls_per_minute is None:
            return
        now = time.monotonic()
        mine = max(now, self.next_call_at)
        self.next_call_at = mine + 60.0 / self.settings.calls_per_minute
        await asyncio.sleep(mine - now)

    def _refused(self, answer: httpx.Response) -> None:
        status = answer.status_code
        reason = f"HTTP {status}: {self._clean(answer.text)}"
        if status in REFUSED or (status == 429 and "insufficient_quota" in answer.text):
            raise _GivenUp(reason)
        if status in TRIED_AGAIN:
            try:
                seconds = float(answer.headers.get("retry-after", "0"))
            except ValueError:
                seconds = 0.0
            raise _TryAgain(reason, seconds)
        raise _Failed(reason)

    def _read(self, answer: httpx.Response, one: Request, calls: int) -> Reply:
        """Return the text of a completion; a body that is none is a failure that may pass.

        A completion whose content is no text was answered all the same: it is kept, not read
        and not asked again.
        """
        try:
            # Whole numbers become floats: CPython refuses one of more than 4,300 digits.
            value = json.loads(answer.content, parse_int=float)
            choice = value["choices"][0]
            content = choice["message"]["content"]
            finish = choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _TryAgain(f"no completion in the reply: {self._clean(answer.text)}") from error
        problem = {"length": "cut off", "content_filter": "held back by the server"}.get(
            str(finish), ""
        )
        text = "" if content is None else content
        if not isinstance(text, str):
            text, problem = json.dumps(content, ensure_ascii=False), NO_TEXT
        usage = value.get("usage")
        counted = usage if isinstance(usage, Mapping) else {}
        return Reply(
            self._without_key(text),
            problem,
            _tokens(counted.get("prompt_tokens"), one.text),
            _tokens(counted.get("completion_tokens"), text),
            calls,
            finish="" if finish is None else shortened(self._without_key(str(finish))),
            model=shortened(self._without_key(str(value.get("model") or ""))),
        )

    def _clean(self, text: str) -> str:
        return shortened(self._without_key(text))

    def _without_key(self, text: str) -> str:
        key = self.settings.key
        return text.replace(key, "[key]") if key else text


def prompt_bytes(one: Request) -> int:
    """Return the bytes of a prompt, which are at least as many as its tokens."""
    return len(one.text.encode("utf-8", "surrogatepass"))


def _tokens(stated: object, text: str) -> int:
    """Return the tokens that a server states; characters stand for what is no count."""
    # NaN is in no range.
    if isinstance(stated, float) and 0 < stated < MOST_TOKENS:
        return int(stated)
    return len(text)
