from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DataError
from train.data.rows import Row
from train.data.split import stratified_split


def rows(labels: list[str]) -> list[Row]:
    return [Row(f"text {i}", None, label, "train.csv", i + 2, i + 2) for i, label in enumerate(labels)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from("aaaabbc"), min_size=8, max_size=80),
    st.floats(0.01, 0.99),
    st.integers(0, 1000),
)
def test_every_row_is_on_one_side_and_labels_keep_their_share(
    labels: list[str], fraction: float, seed: int
) -> None:
    whole = rows(labels)
    train, dev = stratified_split(whole, fraction, seed)
    assert sorted([*train, *dev], key=lambda row: row.number) == whole
    assert [row.number for row in train] == sorted(row.number for row in train)
    taken = Counter(row.label for row in dev)
    for label, count in Counter(labels).items():
        assert abs(taken[label] - fraction * count) <= 1
        if count > 1:
            assert 1 <= taken[label] < count
        else:
            assert taken[label] == 0


def test_the_seed_decides_which_rows_are_taken() -> None:
    whole = rows(["a", "b"] * 50)
    assert stratified_split(whole, 0.2, 1) == stratified_split(whole, 0.2, 1)
    assert stratified_split(whole, 0.2, 1) != stratified_split(whole, 0.2, 2)


def test_rows_that_leave_nothing_for_dev_are_refused() -> None:
    with pytest.raises(DataError, match=r"set data\.dev"):
        stratified_split(rows(["a", "b", "c"]), 0.1, 0)
