"""Components hold whatever is connected, in whatever order it is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from train.data.components import Components, merged

PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


def smallest_reachable(size: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Return the smallest number that each is connected to, found by going from one to the next."""
    found = []
    for start in range(size):
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            new = {other for pair in pairs if here in pair for other in pair} - seen
            seen |= new
            waiting += new
        found.append(min(seen))
    return found


@given(PAIRS, st.integers(0, 30))
def test_each_number_has_the_smallest_one_that_it_is_connected_to(
    pairs: list[tuple[int, int]], cut: int
) -> None:
    components = Components(20)
    for some in (pairs[:cut], pairs[cut:]):
        left, right = np.array(some, dtype=np.int64).reshape(-1, 2).T
        components.join(left, right)
    assert components.of.tolist() == smallest_reachable(20, pairs)


def test_a_long_chain_is_one_component() -> None:
    components = Components(50_000)
    assert components.apart(np.array([0]), np.array([49_999])).all()
    order = np.random.default_rng(0).permutation(49_999)
    components.join(order, order + 1)
    assert not components.of.any()


@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=12),
)
def test_merged_partitions_keep_together_what_either_keeps_together(rows: list[tuple[int, int, int]]) -> None:
    pairs = [
        (one, two)
        for one in range(len(rows))
        for two in range(len(rows))
        if any(left == right for left, right in zip(rows[one], rows[two], strict=True))
    ]
    assert merged(*np.array(rows).T).tolist() == smallest_reachable(len(rows), pairs)
