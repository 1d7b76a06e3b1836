"""Medians come with their range, ratios are taken within rounds, and nobody always begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.spread import Spread, ratios, rotated

VALUES = st.lists(st.floats(min_value=0.1, max_value=1e6), min_size=1, max_size=9)


@given(VALUES)
def test_the_median_lies_within_the_range(values: list[float]) -> None:
    found = Spread.of(values)
    assert found.least <= found.median <= found.largest
    assert {found.least, found.largest} <= set(values)


def test_a_cell_shows_the_range_where_there_is_one() -> None:
    assert Spread.of([1000.0, 3000.0, 2500.0]).cell() == "2,500 (1,000-3,000)"
    assert Spread.of([1.234]).cell(2) == "1.23"


def test_a_ratio_is_that_of_one_round() -> None:
    # The machine became ten times slower in the second round; who is twice as fast stays so.
    assert ratios([20.0, 2.0], [10.0, 1.0]) == Spread(2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


@given(st.lists(st.integers(), min_size=1, max_size=8, unique=True))
def test_everyone_begins_once_in_as_many_rounds(names: list[int]) -> None:
    rounds = [rotated(names, number) for number in range(len(names))]
    assert [one[0] for one in rounds] == names
    assert all(sorted(one) == sorted(names) for one in rounds)
