"""Requests of an event loop, answered by real threads: failures, hangs, clients that leave, and BentoML."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.api.connection import RECEIVE
from runtime.dispatcher import HUNG, LEFT, STOPPING, TOO_LATE, Dispatcher
from runtime.errors import InputError
from runtime.isolation import ALONE, Failure
from tests.waiting_engine import PATIENCE, Engine

Answers = Dispatcher[str, str, str]


def check(texts: Sequence[str]) -> None:
    if any(text.startswith("pair") for text in texts):
        raise InputError("it is a pair.")


@asynccontextmanager
async def running(engine: Engine, patience: float = PATIENCE, **options: Any) -> AsyncIterator[Answers]:
    dispatcher: Answers = Dispatcher(engine.work(**options), check=check, timeout_seconds=patience)
    try:
        yield dispatcher
    finally:
        engine.go.set()
        await dispatcher.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 2 * PATIENCE))


async def happens(event: threading.Event) -> None:
    """Wait for what a thread does while the event loop goes on."""
    assert await asyncio.to_thread(event.wait, PATIENCE), "waited in vain"


async def held(engine: Engine, dispatcher: Answers, text: str = "first") -> asyncio.Task[Any]:
    """Return a request on which the engine is busy until `engine.go` is set."""
    engine.go.clear()
    engine.started.clear()
    task = asyncio.create_task(dispatcher.submit([text]))
    await happens(engine.started)
    return task


async def queued(dispatcher: Answers, *texts: str) -> asyncio.Task[Any]:
    """Return a request that waits in the scheduler."""
    scheduler = dispatcher._pipeline._scheduler
    before = scheduler.queued_tokens
    task = asyncio.create_task(dispatcher.submit(texts))
    while scheduler.queued_tokens == before:  # noqa: ASYNC110 - the thread tells nobody
        await asyncio.sleep(0)
    return task


def test_requests_are_merged_while_the_engine_is_busy() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)
            others = [await queued(dispatcher, f"{number}a", f"{number}b") for number in range(9)]
            engine.go.set()
            assert await first == ["FIRST"]
            assert await asyncio.gather(*others) == [[f"{number}A", f"{number}B"] for number in range(9)]
        assert engine.sizes == [1, 18]

    run(test)


def test_the_next_texts_are_tokenised_while_the_engine_computes() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)
            engine.encoded_some.clear()
            second = asyncio.create_task(dispatcher.submit(["second"]))
            await happens(engine.encoded_some)
            assert not first.done()
            engine.go.set()
            await asyncio.gather(first, second)

    run(test)


def test_equal_texts_in_flight_are_tokenised_and_computed_once() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)
            second = await queued(dispatcher, "same", "same", "first")
            third = asyncio.create_task(dispatcher.submit(["same"]))
            await asyncio.sleep(0)
            engine.go.set()
            assert await first == ["FIRST"]
            assert await second == ["SAME", "SAME", "FIRST"]
            assert await third == ["SAME"]
        assert sum(batch.count("first") for batch in engine.batches) == 1
        assert sum(texts.count("first") for texts in engine.encoded) == 1

    run(test)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("refused", Failure(422, "cannot be classified: text 0 is refused.")),
        ("broken", ALONE),
        ("bad", ALONE),
        ("lost", ALONE),
    ],
)
def test_a_failure_reaches_only_the_guilty_text(text: str, failure: Failure) -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)
            tasks = [asyncio.create_task(dispatcher.submit([f"{number}"])) for number in range(5)]
            guilty = asyncio.create_task(dispatcher.submit(["fine", text]))
            await asyncio.sleep(0)
            engine.go.set()
            assert await guilty == ["FINE", failure]
            assert await asyncio.gather(first, *tasks) == [["FIRST"], *([f"{number}"] for number in range(5))]
            assert dispatcher.is_alive()

    run(test)


def test_what_is_not_for_this_model_never_queues() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            found = await dispatcher.submit(["a", "pair b"])
            assert found == [None, Failure(422, "cannot be classified: it is a pair.")]
        assert engine.encoded == []

    run(test)


def test_a_hung_engine_is_answered_503_until_it_returns_and_its_probe_passes() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine, engine_timeout=0.05) as dispatcher:
            engine.go.clear()
            found = list(await asyncio.gather(*(dispatcher.submit([f"{number}"]) for number in range(3))))
            assert found == [HUNG] * 3
            assert not dispatcher.is_alive()
            assert await dispatcher.submit(["later"]) == HUNG
            engine.go.set()
            while not dispatcher.is_alive():  # noqa: ASYNC110 - the thread tells nobody
                await asyncio.sleep(0)
            assert engine.probed.is_set()
            assert await dispatcher.submit(["again"]) == ["AGAIN"]
        assert engine.batches[-1] == ["again"]

    run(test)


def test_an_engine_that_returns_late_and_fails_its_probe_stays_dead() -> None:
    async def test() -> None:
        engine = Engine()
        engine.probe_passes = False
        async with running(engine, engine_timeout=0.05) as dispatcher:
            engine.go.clear()
            assert await dispatcher.submit(["a"]) == HUNG
            engine.go.set()
            await happens(engine.probed)
            assert await dispatcher.submit(["b"]) == HUNG
            assert not dispatcher.is_alive()

    run(test)


def test_a_slow_batch_is_given_twenty_times_its_predicted_seconds() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine, engine_timeout=0.001, token=PATIENCE) as dispatcher:
            first = await held(engine, dispatcher, "a")
            for _ in range(3):
                await asyncio.to_thread(threading.Event().wait, 0.002)
            assert dispatcher.is_alive()
            engine.go.set()
            assert await first == ["A"]

    run(test)


def test_a_dead_thread_fails_everyone_at_once() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher, "dead")
            second = await queued(dispatcher, "second")
            engine.go.set()
            assert [await first, await second] == [HUNG, HUNG]
            assert not dispatcher.is_alive()
            assert await dispatcher.submit(["later"]) == HUNG

    run(test)


def test_a_cancelled_request_is_not_computed() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)
            late = await queued(dispatcher, "late")
            late.cancel()
            with pytest.raises(asyncio.CancelledError):
                await late
            second = await queued(dispatcher, "second")
            engine.go.set()
            assert [await first, await second] == [["FIRST"], ["SECOND"]]
        assert engine.batches == [["first"], ["second"]]

    run(test)


def test_a_client_that_hangs_up_is_noticed_and_its_text_not_computed() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine) as dispatcher:
            first = await held(engine, dispatcher)

            async def receive() -> dict[str, str]:
                return {"type": "http.disconnect"}

            RECEIVE.set(receive)
            assert await dispatcher.submit(["left"]) == LEFT
            engine.go.set()
            assert await first == ["FIRST"]
        assert engine.batches == [["first"]]

    run(test)


def test_a_request_that_waits_too_long_is_answered_504() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine, patience=0.02) as dispatcher:
            first = await held(engine, dispatcher)
            second = await queued(dispatcher, "second")
            await asyncio.to_thread(threading.Event().wait, 0.03)
            engine.go.set()
            await first
            assert await second == TOO_LATE
        assert engine.batches == [["first"]]

    run(test)


def test_a_full_queue_says_when_to_come_back() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine, token=1.0) as dispatcher:
            first = await held(engine, dispatcher)
            second = await queued(dispatcher, "x" * 70)  # 70 tokens of a second each
            refused = await dispatcher.submit(["third"])
            assert isinstance(refused, Failure)
            assert (refused.status, refused.retry_after) == (429, 50)
            assert refused.sentence.endswith("send it again after Retry-After seconds.")
            engine.go.set()
            await asyncio.gather(first, second)
            assert await dispatcher.submit(["fourth"]) == ["FOURTH"]

    run(test)


def test_closing_answers_everyone_and_ends_the_threads() -> None:
    async def test() -> None:
        engine = Engine()
        dispatcher: Answers = Dispatcher(engine.work(), check=check, timeout_seconds=PATIENCE)
        threads = dispatcher._pipeline._threads
        waiting = [await held(engine, dispatcher), await queued(dispatcher, "second")]
        closing = asyncio.create_task(dispatcher.close())
        assert [await task for task in waiting] == [STOPPING, STOPPING]
        engine.go.set()
        await closing
        assert [thread.is_alive() for thread in threads] == [False, False]
        assert await dispatcher.submit(["later"]) == STOPPING

    run(test)


def test_idle_nothing_is_scheduled_on_the_event_loop() -> None:
    async def test() -> None:
        engine = Engine()
        async with running(engine, engine_timeout=0.01) as dispatcher:
            await dispatcher.submit(["a"])
            guard = dispatcher._guard
            assert guard is not None
            while dispatcher._guard is guard:  # noqa: ASYNC110 - it ends by itself when its time comes
                await asyncio.sleep(0.001)
            assert dispatcher._guard is None

    run(test)
