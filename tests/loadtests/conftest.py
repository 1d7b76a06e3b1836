"""A stand-in for the service: answers `/classify` in this process, rightly or wrongly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class StandIn:
    """Where the stand-in listens, what it answers with, and the texts that each request brought.

    A request with a text from `failing` is answered with 500.
    """

    url: str = ""
    status: int = 200
    failing: set[str] = field(default_factory=set)
    result: Any = field(default_factory=lambda: {"label": "正面", "score": 0.9})
    asked: list[list[str]] = field(default_factory=list)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Serve a stand-in on a free port of loopback."""
    state = StandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or the client waits 40 ms for the second

        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
            state.asked.append(texts)
            content = json.dumps([state.result] * len(texts)).encode()
            self.send_response(500 if state.failing & set(texts) else state.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
