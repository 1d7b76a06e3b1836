"""Notices that a client is gone while its request waits; it costs nothing where the answer is quick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from starlette.types import Receive

PATIENCE_SECONDS = 0.05

RECEIVE: ContextVar[Receive] = ContextVar("RECEIVE")
"""What the connection of the present request says next; set once its body has been read."""


class Watch:
    """Calls `gone` when the client of the present request hangs up; `end` it when the answer is there.

    Nothing is started before `PATIENCE_SECONDS` have passed.
    """

    __slots__ = ("_gone", "_receive", "_task", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, gone: Callable[[], object]) -> None:
        self._gone = gone
        self._receive = RECEIVE.get(None)
        self._task: asyncio.Task[None] | None = None
        self._timer = loop.call_later(PATIENCE_SECONDS, self._start) if self._receive else None

    def end(self) -> None:
        """Stop watching."""
        if self._timer:
            self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        if self._receive is None:
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone()
