"""Properties of the cut into micro-batches, and its optimality against every possible cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runtime.batching import Cost, plan

LENGTHS = st.lists(st.integers(2, 512), max_size=80)
COSTS = st.builds(
    Cost,
    fixed=st.floats(0, 500),
    attention=st.floats(0, 0.01),
    max_tokens=st.integers(16, 20_000),
)


@given(lengths=LENGTHS, cost=COSTS)
def test_every_text_stands_in_exactly_one_batch(lengths: list[int], cost: Cost) -> None:
    batches = plan(lengths, cost)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(batches)


@given(lengths=LENGTHS, cost=COSTS)
def test_the_token_budget_is_kept(lengths: list[int], cost: Cost) -> None:
    for batch in plan(lengths, cost):
        padded = len(batch) * max(lengths[position] for position in batch)
        assert padded <= cost.max_tokens or len(batch) == 1


@given(lengths=st.lists(st.integers(2, 512), min_size=1, max_size=9), cost=COSTS)
def test_no_cut_of_the_sorted_texts_is_cheaper(lengths: list[int], cost: Cost) -> None:
    chosen = sum(cost(len(batch), max(lengths[p] for p in batch)) for batch in plan(lengths, cost))
    assert chosen <= _cheapest(sorted(lengths), cost) + 1e-6


@given(lengths=LENGTHS, cost=COSTS)
def test_longest_texts_run_first(lengths: list[int], cost: Cost) -> None:
    longest = [max(lengths[position] for position in batch) for batch in plan(lengths, cost)]
    assert all(earlier >= later for earlier, later in pairwise(longest))


def test_a_high_price_per_call_merges_and_a_low_one_separates() -> None:
    lengths = [10, 500]
    assert len(plan(lengths, Cost(fixed=10_000, attention=0))) == 1
    assert len(plan(lengths, Cost(fixed=1, attention=0))) == 2


def _cheapest(ordered: list[int], cost: Cost) -> float:
    """Try all 2^(n-1) cuts."""
    best = float("inf")
    for cuts in range(1 << (len(ordered) - 1)):
        edges = [0, *(i for i in range(1, len(ordered)) if cuts >> (i - 1) & 1), len(ordered)]
        parts = [ordered[start:end] for start, end in pairwise(edges)]
        if all(len(part) == 1 or len(part) * part[-1] <= cost.max_tokens for part in parts):
            best = min(best, sum(cost(len(part), part[-1]) for part in parts))
    return best
