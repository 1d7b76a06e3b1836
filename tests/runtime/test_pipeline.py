"""The two threads: what they take in turn, what they leave out, and how they count what waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from runtime.isolation import ALONE
from runtime.pipeline import Pipeline, Request, _turn_end
from tests.waiting_engine import PATIENCE, Engine


class Desk:
    """Where a pipeline reports; lets a test wait for a number of finished requests."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        self.finished: list[Any] = []
        self.calls = 0
        self.died = threading.Event()
        self._more = threading.Condition()
        self.pipeline: Pipeline[str, str, str] = Pipeline(engine.work(**options), self._finish, self.died.set)

    def _finish(self, jobs: Sequence[Any]) -> None:
        with self._more:
            self.calls += 1
            self.finished += jobs
            self._more.notify_all()

    def put(self, *texts: str) -> Request[str, str, str]:
        request: Request[str, str, str] = Request(texts, time.monotonic() + PATIENCE)
        self.pipeline.put(request)
        return request

    def wait(self, number: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.finished) >= number, PATIENCE), "waited in vain"


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    desk = Desk(engine, budget=100)
    yield desk
    engine.go.set()
    desk.pipeline.close(PATIENCE)


def test_a_micro_batch_is_delivered_in_one_call(engine: Engine, desk: Desk) -> None:
    engine.go.clear()
    desk.put("first")
    assert engine.started.wait(PATIENCE)
    requests = [desk.put(f"{number}") for number in range(20)]
    while desk.pipeline._texts_prepared < 21:  # the thread tells nobody
        pass
    engine.go.set()
    desk.wait(21)
    assert [request.results for request in requests] == [[f"{number}"] for number in range(20)]
    assert desk.calls == 2


def test_a_large_request_is_tokenised_in_turns(engine: Engine, desk: Desk) -> None:
    release = threading.Event()
    encode = engine.encode

    def wait_and_encode(texts: Sequence[str]) -> Sequence[str]:
        if not engine.encoded:
            engine.encoded_some.set()
            assert release.wait(PATIENCE)
        return encode(texts)

    object.__setattr__(desk.pipeline._work, "encode", wait_and_encode)
    desk.put("first")
    assert engine.encoded_some.wait(PATIENCE)
    large = desk.put(*(f"large{number}" for number in range(100)))
    single = desk.put("single")
    release.set()
    desk.wait(3)
    assert "single" in engine.encoded[1]
    assert len(engine.encoded[1]) < 50
    assert large.results == [f"LARGE{number}" for number in range(100)]
    assert single.results == ["SINGLE"]


def test_the_budget_is_kept(engine: Engine, desk: Desk) -> None:
    desk.put(*(f"text {number:02}" for number in range(60)))
    desk.wait(1)
    assert max(sum(map(len, batch)) for batch in engine.batches) <= 100
    assert sum(engine.sizes) == 60


def test_what_was_cancelled_before_it_was_seen_is_not_tokenised(engine: Engine, desk: Desk) -> None:
    request: Request[str, str, str] = Request(["left"], time.monotonic() + PATIENCE)
    desk.pipeline.cancel(request)
    desk.pipeline.put(request)
    desk.put("here")
    desk.wait(1)
    assert engine.encoded == [["here"]]


def test_queued_seconds_count_what_waits(engine: Engine) -> None:
    desk = Desk(engine, token=0.5)
    assert desk.pipeline.queued_seconds == 0
    engine.go.clear()
    desk.put("first")
    assert engine.started.wait(PATIENCE)
    desk.put("x" * 20)
    while desk.pipeline._texts_prepared < 2:  # the thread tells nobody
        pass
    assert desk.pipeline.queued_seconds == pytest.approx(10)
    engine.go.set()
    desk.wait(2)
    assert desk.pipeline.queued_seconds == 0
    desk.pipeline.close(PATIENCE)


def test_a_thread_that_dies_says_so(engine: Engine) -> None:
    desk = Desk(engine)
    desk.put("dead")
    assert desk.died.wait(PATIENCE)
    assert not desk.pipeline.is_alive()
    desk.pipeline.close(PATIENCE)


def test_a_tokenizer_that_hangs_is_noticed(engine: Engine) -> None:
    release = threading.Event()
    work = engine.work(engine_timeout=0.01)
    object.__setattr__(work, "encode", lambda texts: release.wait(PATIENCE) and texts)
    pipeline: Pipeline[str, str, str] = Pipeline(work, lambda _: None, lambda: None)
    pipeline.put(Request(["a"], time.monotonic() + PATIENCE))
    try:
        assert _becomes(pipeline, alive=False)
        release.set()
        assert _becomes(pipeline, alive=True)
    finally:
        release.set()
        pipeline.close(PATIENCE)


def _becomes(pipeline: Pipeline[str, str, str], *, alive: bool) -> bool:
    """Wait, no longer than patience allows, until the pipeline is what it should be."""
    end = time.monotonic() + PATIENCE
    while pipeline.is_alive() is not alive:
        if time.monotonic() > end:
            return False
    return True


def test_a_panic_of_the_tokenizer_fails_the_guilty_text_alone(engine: Engine, desk: Desk) -> None:
    good, bad = desk.put("good"), desk.put("panic")
    desk.wait(2)
    assert good.results == ["GOOD"]
    assert bad.results == [ALONE]
    assert desk.pipeline.is_alive()
    after = desk.put("after")
    desk.wait(3)
    assert after.results == ["AFTER"]


@pytest.mark.parametrize(
    ("texts", "end"),
    [
        (["好"] * 5, 5),
        (["好"] * 100, 16),
        (["好" * 1_000_000] * 3, 1),
        (["好" * 9_000] * 9, 2),
        ([("好" * 8_000, "坏" * 9_000)] * 4, 1),
    ],
)
def test_a_turn_ends_after_a_few_texts_or_many_characters(texts: list[Any], end: int) -> None:
    assert _turn_end(Request(texts, 0.0)) == end


def test_what_waits_is_priced_as_full_micro_batches_whatever_ran_before(engine: Engine) -> None:
    desk = Desk(engine, budget=100, token=1e-3)
    try:
        for number in range(30):  # each far faster than predicted, alone
            desk.put(f"lone {number}")
            desk.wait(number + 1)
        engine.go.clear()
        engine.started.clear()
        desk.put("held")
        assert engine.started.wait(PATIENCE)
        before = desk.pipeline.queued_seconds
        desk.put(*(f"{number:05d}" for number in range(200)))
        # 1,000 tokens at no more than the predicted millisecond each.
        assert 0 <= desk.pipeline.queued_seconds - before < 200 * 64 * 1e-3
    finally:
        engine.go.set()
        desk.pipeline.close(PATIENCE)
