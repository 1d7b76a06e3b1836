"""Capacity on a virtual clock obeys what queues obey: more speed takes more, and too much waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.batching import Cost
from runtime.capacity import REQUEST_SECONDS, Load

LENGTHS = (20, 30, 50, 80, 200)
COST = Cost(fixed=2e-3, token=1e-4, attention=0.0)


def test_full_micro_batches_give_the_rate_that_the_prices_say() -> None:
    mean = sum(LENGTHS) / len(LENGTHS)
    rate = Load(LENGTHS, COST).highest_rate()
    per_text = COST.token * mean + REQUEST_SECONDS + COST.fixed * mean / COST.budget
    assert rate == pytest.approx(1 / per_text, rel=0.15)


def test_requests_alone_bound_the_rate_of_a_free_engine() -> None:
    free = Load(LENGTHS, Cost(fixed=1e-6, token=1e-9, attention=0.0))
    assert free.highest_rate() == pytest.approx(1 / REQUEST_SECONDS, rel=0.05)


def test_latency_grows_with_the_rate_from_that_of_an_idle_service() -> None:
    load = Load(LENGTHS, COST)
    idle = COST(200, 200) + REQUEST_SECONDS
    found = [load.p95_seconds(load.highest_rate() * share) for share in (0.01, 0.5, 0.9, 1.5)]
    assert found[0] == pytest.approx(idle, rel=0.2)
    assert found == sorted(found)
    assert found[-1] > 20 * found[0]


def test_the_rate_within_a_latency_keeps_it_and_a_little_more_does_not() -> None:
    load = Load(LENGTHS, COST)
    capacity = load.capacity(p95_seconds=0.06)
    assert 0.3 * capacity.highest < capacity.within < capacity.highest
    assert load.p95_seconds(capacity.within) <= 0.06
    assert load.p95_seconds(capacity.within * 1.02) > 0.06
    assert capacity.idle_p95_seconds == pytest.approx(COST(200, 200) + REQUEST_SECONDS)


def test_nothing_is_taken_within_a_latency_below_that_of_a_lone_text() -> None:
    capacity = Load(LENGTHS, COST).capacity(p95_seconds=1e-3)
    assert capacity.within < 1e-2 * capacity.highest


@given(
    lengths=st.lists(st.integers(3, 512), min_size=1, max_size=6),
    fixed=st.floats(1e-4, 1e-2),
    token=st.floats(1e-5, 1e-3),
    factor=st.floats(1.5, 4),
)
@settings(max_examples=10)
def test_a_faster_engine_takes_more(lengths: list[int], fixed: float, token: float, factor: float) -> None:
    slow = Load(lengths, Cost(fixed * factor, token * factor, 0.0))
    fast = Load(lengths, Cost(fixed, token, 0.0))
    assert fast.highest_rate() > slow.highest_rate()


def test_the_same_seed_gives_the_same_arrivals() -> None:
    one, same, other = (Load(LENGTHS, COST, seed=seed) for seed in (1, 1, 2))
    assert one.p95_seconds(50) == same.p95_seconds(50) != other.p95_seconds(50)
