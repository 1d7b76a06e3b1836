"""Requests come at Poisson times whatever the server does, and their latency counts from those times."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import arrivals
from benchmarks.clients import ClientError
from benchmarks.texts import bodies
from loadtests.server import free_port

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn


@given(st.floats(0.1, 100), st.floats(0.1, 20), st.integers(0, 9))
def test_times_are_ordered_within_the_phase_and_the_same_again(
    rate: float, seconds: float, seed: int
) -> None:
    found = list(arrivals.times(rate, seconds, seed))
    assert found == list(arrivals.times(rate, seconds, seed))
    assert found == sorted(found)
    assert all(moment < seconds for moment in found[1:])
    assert len(found) >= 1


def test_times_come_at_the_rate_and_at_random() -> None:
    found = list(arrivals.times(100, 100, 0))
    assert len(found) == pytest.approx(10_000, rel=0.05)
    gaps = [after - before for before, after in pairwise(found)]
    # Of exponential gaps the deviation is the mean; of regular ones it is nothing.
    assert statistics.stdev(gaps) == pytest.approx(0.01, rel=0.05)


def test_every_request_is_answered_or_counted(stand_in: StandIn) -> None:
    stand_in.failing = {"乙"}
    found = arrivals.poisson(stand_in.url, bodies(["甲", "乙"], 1), rate=200, seconds=0.2, seed=0)
    assert found.requests + found.errors == len(stand_in.asked) == len(list(arrivals.times(200, 0.2, 0)))
    assert found.errors == stand_in.asked.count(["乙"]) > 0
    assert 0 < found.p50_ms <= found.p95_ms


def test_a_job_is_posted_one_request_after_the_other(stand_in: StandIn) -> None:
    job = bodies([f"第{number}条" for number in range(6)], 2)
    singles, done = arrivals.beside_job(stand_in.url, bodies(["甲"], 1), 100, 5, 0, job)
    assert (done.requests, done.errors) == (3, 0)
    assert [asked for asked in stand_in.asked if len(asked) == 2] == [
        ["第0条", "第1条"],
        ["第2条", "第3条"],
        ["第4条", "第5条"],
    ]
    # The job was over long before its time, and with it the single texts.
    assert singles.requests < 100


def test_a_long_job_ends_with_the_phase(stand_in: StandIn) -> None:
    singles, done = arrivals.beside_job(
        stand_in.url, bodies(["甲"], 1), 100, 0.2, 0, bodies(["乙"] * 100_000, 1)
    )
    assert 0 < done.requests < 100_000
    assert done.seconds > 0.19  # its clock starts a moment after that of the phase
    assert 0 < singles.requests <= len(list(arrivals.times(100, 0.2, 0)))


def test_a_server_that_answers_nothing_is_an_error() -> None:
    with pytest.raises(ClientError, match="answered none of"):
        arrivals.poisson(f"http://127.0.0.1:{free_port()}", [b"{}"], 50, 0.1, 0)
