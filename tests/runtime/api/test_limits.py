"""A body that is no JSON or too large is refused before anybody holds it in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from starlette.types import Message, Receive, Scope, Send

from runtime.api.limits import JsonBody

LIMIT = 10


@dataclass
class Exchange:
    """One request: the chunks still to come, what the application read, and what was answered."""

    chunks: list[bytes]
    read: list[Message] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    async def receive(self) -> Message:
        if not self.chunks:
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def app(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.read += [await receive(), await receive()]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def error(self) -> str:
        return str(json.loads(self.sent[1]["body"])["error"])


def exchange(
    chunks: Sequence[bytes],
    headers: dict[str, str | Sequence[str]] | None = None,
    method: str = "POST",
    kind: str = "http",
) -> Exchange:
    found = Exchange(list(chunks))
    raw = [
        (name.encode(), value.encode())
        for name, values in (headers or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope: Scope = {"type": kind, "method": method, "path": "/classify", "headers": raw}
    asyncio.run(JsonBody(found.app, max_bytes=LIMIT)(scope, found.receive, found.send))
    return found


@pytest.mark.parametrize(
    "chunks", [[b"0123456789"], [b"01234", b"56789"], [b"01234", b"", b"56789", b""], [b""]]
)
def test_a_body_within_the_limit_arrives_in_one_piece(chunks: list[bytes]) -> None:
    found = exchange(chunks)
    assert found.status == 200
    assert found.read[0] == {"type": "http.request", "body": b"".join(chunks), "more_body": False}
    assert found.read[1] == {"type": "http.disconnect"}


def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    found = exchange([b"never read"], {"content-length": "11000"})
    assert found.status == 413
    assert found.error.startswith("The body has 11,000 bytes, at most 10 are allowed")
    assert found.chunks == [b"never read"]


def test_an_undeclared_body_is_read_to_the_limit_and_no_further() -> None:
    found = exchange([b"012345"] * 1000)
    assert found.status == 413
    assert len(found.chunks) == 998
    assert found.read == []


def test_a_lying_length_does_not_help() -> None:
    assert exchange([b"012345"] * 3, {"content-length": "3"}).status == 413


def test_a_broken_upload_is_not_handed_on() -> None:
    found = Exchange([])
    scope: Scope = {"type": "http", "method": "POST", "path": "/classify", "headers": []}
    asyncio.run(JsonBody(found.app, max_bytes=LIMIT)(scope, found.receive, found.send))
    assert found.status == 400
    assert found.read == []


@pytest.mark.parametrize(
    "given",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        'application/json;charset="utf-8"',
    ],
)
def test_json_is_let_through(given: str) -> None:
    assert exchange([b"{}"], {"content-type": given}).status == 200


@pytest.mark.parametrize(
    "given",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.bentoml+pickle",
        "application/json; charset=gbk",
        "application/jsonx",
    ],
)
def test_other_media_types_are_refused(given: str) -> None:
    found = exchange([b"{}"], {"content-type": given})
    assert found.status == 415
    assert found.error.startswith(f"Content-Type is {given!r}, only JSON in UTF-8 is read; send ")


def test_compressed_bodies_are_refused() -> None:
    assert exchange([b"x"], {"content-encoding": "gzip"}).status == 415
    assert exchange([b"{}"], {"content-encoding": "identity"}).status == 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("content-type", ["multipart/form-data; boundary=x", "application/json"]),
        ("content-type", ["application/json", "application/vnd.bentoml+pickle"]),
        ("content-encoding", ["gzip", "identity"]),
    ],
)
def test_a_repeated_header_does_not_hide_one_that_is_refused(name: str, values: list[str]) -> None:
    found = exchange([b"{}"], {name: values})
    assert found.status == 415
    assert found.read == []


@pytest.mark.parametrize(("method", "kind"), [("GET", "http"), ("POST", "lifespan")])
def test_what_has_no_body_passes_untouched(method: str, kind: str) -> None:
    found = exchange([b"0123456789 and more"], {"content-type": "text/plain"}, method, kind)
    assert found.read[0]["body"] == b"0123456789 and more"
