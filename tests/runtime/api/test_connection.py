"""A client that leaves is noticed, and watching for it leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from runtime.api import connection
from runtime.api.connection import RECEIVE, Watch


@pytest.fixture(autouse=True)
def _without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0)


def test_the_client_is_gone_when_the_connection_says_so() -> None:
    async def test() -> None:
        messages = iter(["http.request", "http.disconnect"])

        async def receive() -> dict[str, str]:
            return {"type": next(messages)}

        RECEIVE.set(receive)
        gone = asyncio.Event()
        watch = Watch(asyncio.get_running_loop(), gone.set)
        assert await asyncio.wait_for(gone.wait(), 20)
        watch.end()

    asyncio.run(test())


def test_watching_ends_with_the_answer() -> None:
    async def test() -> None:
        asked = asyncio.Event()
        cancelled = asyncio.Event()

        async def receive() -> dict[str, str]:
            asked.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.set()
            return {}

        RECEIVE.set(receive)
        watch = Watch(asyncio.get_running_loop(), lambda: pytest.fail("nobody left"))
        await asyncio.wait_for(asked.wait(), 20)
        watch.end()
        await asyncio.wait_for(cancelled.wait(), 20)
        quick = Watch(asyncio.get_running_loop(), lambda: pytest.fail("nobody left"))
        quick.end()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(test())


def test_without_a_connection_there_is_nothing_to_watch() -> None:
    async def test() -> None:
        Watch(asyncio.get_running_loop(), lambda: pytest.fail("nobody left")).end()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(test())
