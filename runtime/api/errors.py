"""Every error answer as one JSON object with one sentence, whoever made it; it knows HTTP and no model."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.logs import report

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1
MOST_DETAILS = 8
_MOST_ECHO = 60
_OVERLOAD = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_FRAMEWORK_SENTENCES = (
    "Too many requests",
    "Not able to process the request in",
    "An unexpected error has occurred",
)
SENTENCES = {
    429: "More requests are in flight than this server takes; send it again after Retry-After seconds.",
    500: "The server failed on this request; send it again, and report it if it fails again.",
    503: "The model is not ready or the server is overloaded; send it again after Retry-After seconds.",
    504: "The request took longer than this server allows; send fewer or shorter texts, or try again later.",
}


class ErrorResponse(Response):
    """`{"error": sentence, "detail": [{"loc": …, "msg": …}, …]}`; the detail only where there is one."""

    media_type = "application/json"

    def __init__(
        self,
        status: int,
        sentence: str,
        detail: Collection[Mapping[str, object]] = (),
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(_body(sentence, detail), status_code=status)
        _say_when(self.headers, status, retry_after or RETRY_AFTER_SECONDS)


class ErrorEnvelope:
    """Outermost layer: rewrites every answer of 400 and above, and answers unknown paths itself.

    An unknown path never reaches the metrics, which keep some twenty time series for every path they see.

    Parameters
    ----------
    app : ASGI application
    paths : collection of str
        Every path that the application serves.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self.app = app
        self.paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, _last_line(send))
        elif scope["path"] in self.paths:
            await self._serve(scope, receive, _Rewriter(scope, send))
        else:
            await self._not_found(scope["path"])(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, rewriter: _Rewriter) -> None:
        try:
            await self.app(scope, receive, rewriter)
        except Exception as error:  # noqa: BLE001 - the server above would log the message, and texts with it
            report(logger, f"{scope['method']} {scope['path']} failed", error)
            if not rewriter.started:
                await ErrorResponse(500, SENTENCES[500])(scope, receive, rewriter)

    def _not_found(self, path: str) -> ErrorResponse:
        served = ", ".join(sorted(path for path in self.paths if not path.startswith("/static")))
        return ErrorResponse(404, f"{echo(path)} does not exist; this server has {served}.")


class _Rewriter:
    """The `send` of one request: holds an error answer back until it is complete, then sends ours."""

    __slots__ = ("_body", "_finished", "_held", "_scope", "_send", "started")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._held: Message | None = None
        self._body = b""
        self._finished = False
        self.started = False

    async def __call__(self, message: Message) -> None:
        if self._finished:
            return  # a request that was answered 504 still ends, and its late answer has nowhere to go
        self._finished = message["type"] == "http.response.body" and not message.get("more_body", False)
        if message["type"] == "http.response.start":
            if message["status"] >= HTTPStatus.BAD_REQUEST:
                self._held, self._body = message, b""
                return
            self.started = True
        if self._held is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if self._finished:
            await self._send_error(self._held)

    async def _send_error(self, start: Message) -> None:
        status = int(start["status"])
        headers = MutableHeaders(raw=list(start["headers"]))
        body = _rewritten(self._scope, status, headers, self._body)
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
        _say_when(headers, status)
        self.started = True
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _last_line(send: Send) -> Send:
    """Cut the traceback of a failed start, which the log has already, down to its last line."""

    async def sender(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            message = {**message, "message": message.get("message", "").strip().rpartition("\n")[2]}
        await send(message)

    return sender


def echo(given: str) -> str:
    """Return something short that a client gave, quoted and cut so that it cannot fill the answer."""
    return repr(given if len(given) <= _MOST_ECHO else given[:_MOST_ECHO] + "…")


def _rewritten(scope: Scope, status: int, headers: Headers, body: bytes) -> bytes:
    given = _as_object(body)
    sentence, detail = given.get("error"), given.get("detail") or []
    if not isinstance(sentence, str) or sentence.startswith(_FRAMEWORK_SENTENCES):
        return _body(_sentence(scope, status, headers))
    if detail and "type" in detail[0]:  # as pydantic tells it, which counts where we tell what is wrong
        sentence = _first(detail[0])
        detail = [{"loc": item["loc"], "msg": item["msg"]} for item in detail[:MOST_DETAILS] if item["loc"]]
    return _body(sentence, detail)


def _first(problem: Mapping[str, str]) -> str:
    if problem["type"] == "json_invalid":
        reason = problem["msg"].removeprefix("Invalid JSON: ")
        return f'The body is not JSON in UTF-8 ({reason}); send {{"texts": ["…"]}}.'
    return problem["msg"]


def _sentence(scope: Scope, status: int, headers: Headers) -> str:
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = " or ".join(sorted(headers.get("allow", "another method").split(", ")))
        return f"{echo(scope['method'])} is not allowed on {scope['path']}; use {allowed}."
    return SENTENCES.get(status) or f"{HTTPStatus(status).phrase}; see / for what this server takes."


def _as_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, also the one in a list of one, as the framework answers 4xx."""
    try:
        given = json.loads(body)
    except ValueError:
        return {}
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    return given if isinstance(given, dict) else {}


def _body(sentence: str, detail: Collection[Mapping[str, object]] = ()) -> bytes:
    content = {"error": sentence} | ({"detail": list(detail)} if detail else {})
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _say_when(headers: MutableHeaders, status: int, seconds: int = RETRY_AFTER_SECONDS) -> None:
    if status in _OVERLOAD:
        headers.setdefault("retry-after", str(seconds))
