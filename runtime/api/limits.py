"""What a request may look like before anybody reads it: its media type and its size; it knows no schema."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.api.connection import RECEIVE
from runtime.api.errors import ErrorResponse, echo

_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


class JsonBody:
    """Lets POST requests through whose body is uncompressed JSON of at most `max_bytes`.

    The body is read here, up to the limit, and handed on in one piece: a body without Content-Length is cut
    off at the limit instead of filling the memory.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _refuse_type(headers) or self._refuse_length(headers) or await self._read(receive)
        if isinstance(body, ErrorResponse):
            await body(scope, receive, send)
        else:
            RECEIVE.set(receive)
            await self.app(scope, _replay(body, receive), send)

    def _refuse_length(self, headers: Headers) -> ErrorResponse | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.max_bytes:
            return self._too_large(f"{int(length):,}")
        return None

    async def _read(self, receive: Receive) -> bytes | ErrorResponse:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return ErrorResponse(400, "The connection closed before the body was complete; try again.")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self.max_bytes:
                return self._too_large(f"more than {self.max_bytes:,}")
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self, given: str) -> ErrorResponse:
        return ErrorResponse(
            413,
            f"The body has {given} bytes, at most {self.max_bytes:,} are allowed; "
            "send fewer or shorter texts per request.",
        )


def _refuse_type(headers: Headers) -> ErrorResponse | None:
    # All of a repeated header: BentoML picks its parser by the first, another reader would see the last.
    encoding = ", ".join(headers.getlist("content-encoding"))
    if encoding.strip().lower() not in ("identity", ""):
        return ErrorResponse(
            415, f"Content-Encoding is {echo(encoding)}, only plain bodies are read; send it uncompressed."
        )
    given = ", ".join(headers.getlist("content-type") or ["application/json"])
    media_type, _, parameters = given.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(" \"'")
    if media_type.strip() == "application/json" and charset in _UTF8:
        return None
    return ErrorResponse(
        415,
        f"Content-Type is {echo(given)}, only JSON in UTF-8 is read; "
        "send the header 'Content-Type: application/json'.",
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once and then whatever the connection says."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay
