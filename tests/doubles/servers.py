"""A server on loopback that answers chat completions as a script says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler, str, int], None]


class Scripted:
    """What was asked, and how the next call is answered.

    `behave(handler, question, count)` gets the user's message and how often it was asked before.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.together = 0
        self.most_together = 0
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(behave: Behaviour) -> Iterator[Scripted]:
    """Serve on a free port of loopback while the block runs."""
    script = Scripted(behave)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = body["messages"][-1]["content"]
            with script.lock:
                before = script.asked.count(question)
                script.asked.append(question)
                script.headers.append(dict(self.headers))
                script.bodies.append(body)
                script.times.append(time.monotonic())
                script.together += 1
                script.most_together = max(script.most_together, script.together)
            try:
                script.behave(self, question, before)
            finally:
                with script.lock:
                    script.together -= 1

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send a whole answer."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def completion(text: str, finish: str = "stop") -> bytes:
    """Return the body of a chat completion of 30 prompt and 5 new tokens."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def replying(text: str) -> Behaviour:
    """Return a behaviour that always replies with this text."""
    return lambda handler, question, count: send(handler, 200, completion(text))


def failing(handler: BaseHTTPRequestHandler, question: str, count: int) -> None:
    """Answer each kind of question its own wrong way, and the rest with a score.

    The kind stands in the question: rate (429, then right), broken (500 for ever), garbage (no
    JSON), half (a body cut off), silent (nothing at all), cutoff (a reply that filled its room),
    chatty (a reply without a score), refused (400).
    """
    if "kind:rate" in question and count == 0:
        send(handler, 429, b'{"error": "slow down"}', Retry_After="0")
    elif "kind:broken" in question:
        send(handler, 500, b"internal error")
    elif "kind:garbage" in question:
        send(handler, 200, b"<html>not JSON</html>")
    elif "kind:half" in question:
        whole = completion("得分：0.9分")
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[: len(whole) // 2])
        handler.connection.close()
    elif "kind:silent" in question:
        # Longer than anybody waits; nobody waits for this thread either.
        time.sleep(60)
    elif "kind:cutoff" in question:
        send(handler, 200, completion("得分：0", "length"))
    elif "kind:chatty" in question:
        send(handler, 200, completion("这个回答不错。"))
    elif "kind:refused" in question:
        send(handler, 400, b'{"error": "too long"}')
    else:
        send(handler, 200, completion("得分：0.5分"))
