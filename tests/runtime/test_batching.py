"""Properties of the cut into micro-batches, its optimality against every other cut, and the fitted cost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.batching import EFFICIENCY, Cost, Measured, measure, plan

LENGTHS = st.lists(st.integers(2, 512), max_size=80)
BUDGETS = st.integers(16, 20_000)
COSTS = st.builds(
    Cost,
    fixed=st.floats(0, 0.5),
    token=st.floats(1e-7, 1e-3),
    attention=st.floats(0, 1e-5),
)


@given(lengths=LENGTHS, cost=COSTS, most=BUDGETS)
def test_every_text_stands_in_exactly_one_batch(lengths: list[int], cost: Cost, most: int) -> None:
    batches = plan(lengths, cost, most)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(batches)


@given(lengths=LENGTHS, cost=COSTS, most=BUDGETS)
def test_the_token_budget_is_kept(lengths: list[int], cost: Cost, most: int) -> None:
    for batch in plan(lengths, cost, most):
        assert sum(lengths[position] for position in batch) <= most or len(batch) == 1


@given(lengths=st.lists(st.integers(2, 512), min_size=1, max_size=9), cost=COSTS, most=BUDGETS)
def test_no_cut_of_the_sorted_texts_is_cheaper(lengths: list[int], cost: Cost, most: int) -> None:
    batches = [[lengths[position] for position in batch] for batch in plan(lengths, cost, most)]
    chosen = sum(cost(sum(batch), max(batch)) for batch in batches)
    assert chosen <= _cheapest(sorted(lengths), cost, most) * (1 + 1e-9)


@given(lengths=LENGTHS, cost=COSTS, most=BUDGETS)
def test_longest_texts_run_first(lengths: list[int], cost: Cost, most: int) -> None:
    longest = [max(lengths[position] for position in batch) for batch in plan(lengths, cost, most)]
    assert all(earlier >= later for earlier, later in pairwise(longest))


def test_a_high_price_per_call_merges_and_a_low_one_separates() -> None:
    lengths = [10, 500]
    assert len(plan(lengths, Cost(fixed=1.0), 1000)) == 1
    assert len(plan(lengths, Cost(fixed=1e-6, attention=1e-6), 1000)) == 2


@given(cost=COSTS)
def test_the_budget_reaches_the_promised_share_of_the_highest_rate(cost: Cost) -> None:
    assert 64 <= cost.budget <= 16_384
    if 64 < cost.budget < 16_384:
        linear = Cost(cost.fixed, cost.token, 0.0)
        rate = cost.budget / linear(cost.budget, 1)
        assert rate * cost.token == pytest.approx(EFFICIENCY, abs=0.01)
    assert cost.most_tokens == 4 * cost.budget
    assert 64 <= cost.shared_budget <= cost.budget


SHAPES = [(16, 16), (64, 16), (256, 16), (64, 64), (256, 64), (128, 128), (384, 128), (512, 512)]


@given(cost=COSTS)
def test_the_fit_finds_the_prices_that_made_the_measurements(cost: Cost) -> None:
    found = Cost.fit([Measured(tokens, longest, cost(tokens, longest)) for tokens, longest in SHAPES])
    for tokens, longest in [*SHAPES, (1024, 64)]:
        assert found(tokens, longest) == pytest.approx(cost(tokens, longest), rel=1e-3)


@given(cost=COSTS, noise=st.lists(st.floats(0.5, 2), min_size=8, max_size=8))
def test_no_price_is_negative_whatever_was_measured(cost: Cost, noise: list[float]) -> None:
    measured = [
        Measured(tokens, longest, cost(tokens, longest) * factor)
        for (tokens, longest), factor in zip(SHAPES, noise, strict=True)
    ]
    found = Cost.fit(measured)
    assert min(found.fixed, found.token, found.attention) >= 0
    assert found(100, 50) > 0


class Engine:
    """Takes as long as a cost says, on a clock of its own."""

    def __init__(self, cost: Cost) -> None:
        self.cost = cost
        self.now = 0.0
        self.runs: list[list[int]] = []

    def run(self, lengths: list[int]) -> None:
        self.runs.append(lengths)
        self.now += self.cost(sum(lengths), max(lengths))


@pytest.mark.parametrize("longest", [8, 24, 128, 512])
def test_a_slow_engine_is_measured_with_few_tokens_and_its_longest_text(longest: int) -> None:
    engine = Engine(Cost(5e-3, 2e-4, 1e-7))
    measured = measure(engine.run, longest, clock=lambda: engine.now)
    assert [longest] in engine.runs
    assert max(max(lengths) for lengths in engine.runs) == longest
    assert sum(map(sum, engine.runs)) < 12_000
    assert Cost.fit(measured)(300, 100) == pytest.approx(engine.cost(300, 100), rel=0.05)


def test_a_fast_engine_is_measured_with_more_until_tokens_count() -> None:
    engine = Engine(Cost(3e-3, 1e-6, 0.0))
    measured = measure(engine.run, 512, clock=lambda: engine.now)
    assert measured[-1].tokens >= 16_384
    assert Cost.fit(measured).token == pytest.approx(1e-6, rel=0.01)


def _cheapest(ordered: list[int], cost: Cost, most: int) -> float:
    """Try all 2^(n-1) cuts."""
    best = float("inf")
    for cuts in range(1 << (len(ordered) - 1)):
        edges = [0, *(i for i in range(1, len(ordered)) if cuts >> (i - 1) & 1), len(ordered)]
        parts = [ordered[start:end] for start, end in pairwise(edges)]
        if all(len(part) == 1 or sum(part) <= most for part in parts):
            best = min(best, sum(cost(sum(part), part[-1]) for part in parts))
    return best
