"""A request whose answer does not begin in time is cancelled and answered 504; others are left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from runtime.api.deadline import Deadline

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b""}


def serve(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], timeout: float, kind: str = "http"
) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Deadline(app, timeout)({"type": kind}, None, send))  # type: ignore[arg-type]
    return sent


def test_a_late_request_is_cancelled_and_answered_504() -> None:
    cancelled = []

    async def app(*_: object) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    start, body = serve(app, 0.001)
    assert start["status"] == 504
    assert json.loads(body["body"])["error"].startswith("The request took longer")
    assert cancelled == [True]


def test_an_answer_that_began_in_time_may_take_its_time() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        await asyncio.sleep(0.01)
        await send(END)

    assert serve(app, 0.005) == [START, END]


def test_a_timeout_of_the_application_is_not_ours() -> None:
    async def app(*_: object) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        serve(app, 60)


def test_nothing_is_left_behind() -> None:
    loops = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        await send(START)
        await send(END)

    async def send(_: Message) -> None:
        """Go on."""

    async def test() -> None:
        await Deadline(app, 60)({"type": "http"}, None, send)  # type: ignore[arg-type]
        timers = [timer for timer in loops[0]._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        assert timers == []
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(test())


def test_the_lifespan_has_no_deadline() -> None:
    async def app(*_: object) -> None:
        await asyncio.sleep(0.01)

    assert serve(app, 0.001, kind="lifespan") == []
