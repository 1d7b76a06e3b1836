"""Whoever refuses a request, the client reads one JSON object with one sentence."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from runtime.api.errors import MOST_DETAILS, ErrorEnvelope, ErrorResponse, echo

SECRET = "机密"
ANSWERS: dict[str, Response] = {}


async def _answer(request: Request) -> Response:
    if request.query_params.get("raise"):
        raise RuntimeError(SECRET)
    return ANSWERS["next"]


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/classify", _answer)])
    return TestClient(ErrorEnvelope(app, ["/classify", "/static_content/a.css"]))


def get(client: TestClient, answer: Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    ANSWERS["next"] = answer
    found = client.get("/classify")
    assert found.headers["content-type"] == "application/json"
    assert int(found.headers["content-length"]) == len(found.content)
    return found.status_code, found.json(), dict(found.headers)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 418, 422, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "body", ["Not Found", "", "[]", '{"error": 3}', '"text"', "\ud83d".encode("utf-16", "replace")]
)
def test_every_error_becomes_an_object(client: TestClient, status: int, body: str | bytes) -> None:
    found, content, headers = get(client, PlainTextResponse(body, status))
    assert found == status
    assert list(content) == ["error"]
    assert isinstance(content["error"], str)
    assert content["error"].endswith(".")
    assert ("retry-after" in headers) == (status in (429, 503))


@pytest.mark.parametrize(
    "given",
    [
        (429, {"error": "Too many requests"}),
        (500, {"error": "An unexpected error has occurred, please check the server log."}),
        (504, {"error": "Not able to process the request in 30 seconds"}),
    ],
)
def test_the_frameworks_sentences_are_replaced(client: TestClient, given: tuple[int, dict[str, str]]) -> None:
    _, content, _ = get(client, JSONResponse(given[1], given[0]))
    assert not content["error"].startswith(given[1]["error"])
    assert "; " in content["error"]  # what happened; what to do


def test_our_own_sentence_stays(client: TestClient) -> None:
    detail = [{"loc": ["texts", 0], "msg": "refused."}, {"loc": ["texts", 1], "msg": "down."}]
    status, content, headers = get(client, ErrorResponse(503, "texts[1] is down.", detail))
    assert status == 503
    assert content == {"error": "texts[1] is down.", "detail": detail}
    assert headers["retry-after"] == "1"


def test_a_known_time_to_come_back_is_kept(client: TestClient) -> None:
    _, _, headers = get(client, ErrorResponse(429, "Too much is queued.", retry_after=17))
    assert headers["retry-after"] == "17"


def test_the_frameworks_list_is_unwrapped(client: TestClient) -> None:
    _, content, _ = get(client, JSONResponse([{"error": "no pickles."}], 415))
    assert content == {"error": "no pickles."}


def test_validation_becomes_its_first_sentence(client: TestClient) -> None:
    detail = [
        {"type": "blank", "loc": ["texts", place], "msg": f"{place} is blank.", "url": "x"}
        for place in range(99)
    ]
    body = {"error": "99 validation errors for Input", "detail": detail}
    _, content, _ = get(client, JSONResponse(body, 400))
    assert content["error"] == "0 is blank."
    assert content["detail"][1] == {"loc": ["texts", 1], "msg": "1 is blank."}
    assert len(content["detail"]) == MOST_DETAILS


def test_invalid_json_says_where(client: TestClient) -> None:
    detail = [{"type": "json_invalid", "loc": [], "msg": "Invalid JSON: EOF at line 1 column 3"}]
    _, content, _ = get(client, JSONResponse({"error": "1 validation error", "detail": detail}, 400))
    assert content == {
        "error": 'The body is not JSON in UTF-8 (EOF at line 1 column 3); send {"texts": ["…"]}.'
    }


def test_a_wrong_method_names_the_right_one(client: TestClient) -> None:
    found = client.delete("/classify")
    assert found.status_code == 405
    assert found.json() == {"error": "'DELETE' is not allowed on /classify; use GET or HEAD."}
    assert set(found.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/classify/", "/Classify", "/static_content/b.css", "/" + "x" * 5000])
def test_an_unknown_path_never_reaches_the_application(path: str) -> None:
    async def app(*_: object) -> None:
        raise AssertionError("reached")

    found = TestClient(ErrorEnvelope(app, ["/classify", "/static_content/a.css"])).get(path)
    assert found.status_code == 404
    assert found.json()["error"].endswith("does not exist; this server has /classify.")
    assert len(found.content) < 200


def test_success_streams_through_untouched(client: TestClient) -> None:
    ANSWERS["next"] = StreamingResponse(iter([b"a", b"b"]), headers={"x-y": "z"})
    found = client.get("/classify")
    assert (found.status_code, found.content, found.headers["x-y"]) == (200, b"ab", "z")


def test_an_error_in_pieces_is_put_together(client: TestClient) -> None:
    pieces = StreamingResponse(iter([b'{"error":', b' "in pieces."}']), status_code=400)
    assert get(client, pieces)[1] == {"error": "in pieces."}


def test_an_exception_becomes_500_and_its_message_stays_out_of_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        found = client.get("/classify?raise=1")
    assert found.status_code == 500
    assert list(found.json()) == ["error"]
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text + found.text


def test_an_answer_after_the_answer_is_dropped() -> None:
    sent: list[Message] = []

    async def app(_scope: object, _receive: object, send: Any) -> None:
        for status in (504, 200):
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/classify", "method": "POST"}
    asyncio.run(ErrorEnvelope(app, ["/classify"])(scope, None, send))  # type: ignore[arg-type]
    assert [message.get("status") for message in sent] == [504, None]


@pytest.mark.parametrize(
    ("status", "answers"),
    [(200, [200]), (404, [500])],
    ids=["after success began", "before an error went out"],
)
def test_an_application_that_breaks_off_is_answered_once(status: int, answers: list[int]) -> None:
    sent: list[Message] = []

    async def app(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError(SECRET)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/classify"}
    asyncio.run(ErrorEnvelope(app, ["/classify"])(scope, None, send))  # type: ignore[arg-type]
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == answers
    if answers == [500]:
        assert json.loads(sent[-1]["body"])["error"].startswith("The server failed")


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ErrorEnvelope(Starlette(), ["/"])({"type": "websocket", "path": "/"}, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_failed_start_is_told_in_its_last_line() -> None:
    sent: list[Message] = []

    async def app(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "Traceback\n  File x\nProbeError: no.\n"})

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ErrorEnvelope(app, ["/"])({"type": "lifespan"}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "lifespan.startup.failed", "message": "ProbeError: no."}]


def test_what_is_echoed_is_short_and_escaped() -> None:
    assert echo("a\nb") == "'a\\nb'"
    assert len(echo("长" * 1000)) < 70
