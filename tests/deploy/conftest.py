"""A stand-in for the service in its container, and one for the engine that runs it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.engine import Engine


@dataclass
class FakeService:
    """A service that holds its answers back while `hold` is set, and loses them once `lose` is."""

    url: str = ""
    status: int = 200
    hold: threading.Event = field(default_factory=threading.Event)
    lose: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_progress: int = 0
    total: int = 0

    def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """Answer at once, or when released."""
        with self.lock:
            self.in_progress += 1
            self.total += 1
        if self.hold.is_set():
            self.release.wait(30)
        with self.lock:
            self.in_progress -= 1
        return [{"label": "正面", "score": 0.9, "scores": {}, "truncated": False} for _ in texts]

    def metrics(self) -> str:
        """Return the two metrics that are read, each in two series."""
        return (
            f'bentoml_service_request_in_progress{{endpoint="/classify",pid="1"}} {float(self.in_progress)}\n'
            'bentoml_service_request_in_progress{endpoint="/metrics",pid="1"} 1.0\n'
            f'bentoml_service_request_total{{endpoint="/classify",http_response_code="200"}} {self.total}\n'
            'bentoml_service_request_total{endpoint="/classify",http_response_code="400"} 2.0\n'
        )


def handler_for(service: FakeService) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests for a service."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(service.status, service.metrics() if self.path == "/metrics" else "ok")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            predictions = service.classify(body["texts"])
            if service.lose.is_set():
                self.close_connection = True
                return
            self.answer(service.status, json.dumps(predictions))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

    return Handler


class Server(ThreadingHTTPServer):
    """A server that refuses no connection of a burst."""

    request_queue_size = 256


@contextmanager
def running(service: FakeService) -> Iterator[FakeService]:
    """Serve on a free port of this machine."""
    server = Server(("127.0.0.1", 0), handler_for(service))
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def service() -> Iterator[FakeService]:
    """Return a running stand-in of the service."""
    with running(FakeService()) as fake:
        yield fake


class FakeEngine:
    """Gives prepared replies and remembers what it was asked; a reply may be an error or a function."""

    def __init__(self, replies: dict[str, Any]) -> None:
        self.binary = "fake"
        self.run_environment: dict[str, str] = {"RUN": "1"}
        self.build_environment: dict[str, str] = {"BUILD": "1"}
        self.replies = replies
        self.asked: list[str] = []

    def __call__(self, *arguments: str | Path, **_: object) -> str:
        command = " ".join(map(str, arguments))
        self.asked.append(command)
        for beginning, reply in self.replies.items():
            if command.startswith(beginning):
                if isinstance(reply, Exception):
                    raise reply
                return reply() if callable(reply) else reply
        return ""

    succeeds = Engine.succeeds


@pytest.fixture
def make_engine() -> type[FakeEngine]:
    """Return the class of the stand-in for an engine."""
    return FakeEngine
