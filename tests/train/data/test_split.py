"""Splits keep groups whole and give every part its share of every label."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DataError
from train.data.dedup import Integers
from train.data.rows import Row
from train.data.split import grouped_split, stratified_split

NAMES = "abcdefgh"
FRACTIONS = st.sampled_from([(0.1,), (0.5,), (0.1, 0.1), (0.2, 0.3), (0.8, 0.1, 0.1), (0.25, 0.25, 0.25)])
SINGLE = st.lists(st.sampled_from("aaaaaaabbbbcccd"), min_size=1, max_size=200)
MANY = st.lists(
    st.tuples(st.frozensets(st.sampled_from(NAMES), max_size=3), st.integers(0, 30)), min_size=1, max_size=120
)


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


def shares(fractions: Sequence[float]) -> list[float]:
    """Return the share of every part."""
    rest = 1 - sum(fractions)
    return [*fractions, rest] if rest > 1e-9 else [*fractions]


def train_of(fractions: Sequence[float]) -> int:
    """Return the largest part, the last one of equal ones."""
    whole = [round(share, 9) for share in shares(fractions)]
    return max(range(len(whole)), key=lambda part: (whole[part], part))


def groups_with(
    labels: Sequence[frozenset[str]], groups: Integers, part: Integers
) -> dict[str, Counter[int]]:
    """Return for each label, "" where a row has none, how many groups of each part have it."""
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for names, group, where in zip(labels, groups.tolist(), part.tolist(), strict=True):
        for name in names or {""}:
            found[name].add((where, group))
    return {name: Counter(where for where, _ in pairs) for name, pairs in found.items()}


@given(SINGLE, FRACTIONS, st.integers(0, 99))
def test_each_label_has_its_share_of_rows_in_each_part(
    names: list[str], fractions: tuple[float, ...], seed: int
) -> None:
    labels = [frozenset(name) for name in names]
    part = grouped_split(labels, np.arange(len(labels)), fractions, seed)
    parts = range(len(shares(fractions)))
    train = train_of(fractions)
    for name, count in Counter(names).items():
        taken = Counter(int(where) for label, where in zip(names, part, strict=True) if label == name)
        assert taken[train] >= 1
        if count == 1:
            assert taken == {train: 1}
        if count >= len(parts):
            assert all(taken[where] for where in parts)
        for where in parts:
            # What smaller parts have for certain is missing in the larger ones.
            assert abs(taken[where] - shares(fractions)[where] * count) <= len(parts) - 1


@given(MANY, FRACTIONS, st.integers(0, 99))
def test_groups_stay_whole_and_train_has_every_label(
    rows: list[tuple[frozenset[str], int]], fractions: tuple[float, ...], seed: int
) -> None:
    labels, groups = [names for names, _ in rows], np.array([group for _, group in rows])
    part = grouped_split(labels, groups, fractions, seed)
    assert part.dtype == np.int64
    assert set(part.tolist()) <= set(range(len(shares(fractions))))
    assert len(set(zip(groups.tolist(), part.tolist(), strict=True))) == len(set(groups.tolist()))
    found = groups_with(labels, groups, part)
    assert all(places[train_of(fractions)] for places in found.values())


@given(MANY, FRACTIONS, st.integers(0, 99))
def test_a_part_lacks_a_label_only_where_train_would_lose_one(
    rows: list[tuple[frozenset[str], int]], fractions: tuple[float, ...], seed: int
) -> None:
    labels, groups = [names for names, _ in rows], np.array([group for _, group in rows])
    part = grouped_split(labels, groups, fractions, seed)
    found, train = groups_with(labels, groups, part), train_of(fractions)
    names_of: dict[int, set[str]] = defaultdict(set)
    for names, group, where in zip(labels, groups.tolist(), part.tolist(), strict=True):
        if where == train:
            names_of[group] |= names or {""}
    for name, places in found.items():
        for where in range(len(shares(fractions))):
            if not places[where] and places.total() >= len(shares(fractions)):
                holders = [names for names in names_of.values() if name in names]
                assert all(any(found[other][train] == 1 for other in names) for names in holders)


@pytest.mark.parametrize("fractions", [(0.1,), (0.1, 0.1), (0.8, 0.1, 0.1), (0.2,) * 4])
def test_groups_of_any_size_fill_the_parts_evenly(fractions: tuple[float, ...]) -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(3000), generator.geometric(0.2, size=3000))
    names = np.array(list(NAMES))[generator.choice(8, p=np.arange(1, 9) / 36, size=len(groups))]
    labels = [frozenset({str(name)}) for name in names]
    part = grouped_split(labels, groups, fractions, 3)
    largest = np.bincount(groups).max()
    for where, share in enumerate(shares(fractions)):
        assert abs((part == where).sum() - share * len(groups)) <= largest
        for name in NAMES:
            count = (names == name).sum()
            assert abs(((part == where) & (names == name)).sum() - share * count) <= largest


def test_several_labels_per_row_keep_their_shares() -> None:
    generator = np.random.default_rng(1)
    chosen = generator.random((5000, 8)) < np.linspace(0.02, 0.5, 8)
    labels = [frozenset(name for name, has in zip(NAMES, row, strict=True) if has) for row in chosen]
    part = grouped_split(labels, np.arange(5000), (0.1, 0.2), 5)
    for where, share in enumerate((0.1, 0.2, 0.7)):
        assert abs((part == where).sum() - share * 5000) <= 25
        of_part = chosen[part == where].sum(axis=0)
        assert (np.abs(of_part - share * chosen.sum(axis=0)) <= 2 + 0.02 * chosen.sum(axis=0)).all()
    assert len({labels[at] for at in range(5000)}) > 100


def test_rare_labels_go_to_the_largest_part_first() -> None:
    labels = [frozenset(name) for name in "a" * 40 + "bccddd"]
    part = grouped_split(labels, np.arange(46), (0.05, 0.1), 0).tolist()
    assert part[40] == 2
    assert sorted(part[41:43]) == [1, 2]
    assert sorted(part[43:]) == [0, 1, 2]


def test_one_huge_group_is_trained_on() -> None:
    groups = np.where(np.arange(100) < 70, -5, np.arange(100))
    part = grouped_split([frozenset("a")] * 100, groups, (0.1, 0.1), 0)
    assert set(part[:70].tolist()) == {2}
    assert np.bincount(part).tolist() == [10, 10, 80]


def test_the_seed_decides_which_groups_are_taken() -> None:
    labels = [frozenset(name) for name in "ab" * 200]
    one, again, other = (grouped_split(labels, np.arange(400) // 2, (0.2,), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_split_is_the_same_in_every_process(project_root: Path) -> None:
    code = (
        "import numpy as np; from train.data.split import grouped_split;"
        "labels = [frozenset(f'{i % 7}{i % 5}') | {'x', 'yz'} for i in range(300)];"
        "print(grouped_split(labels, np.arange(300) // 3, (.1, .2), 4).tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=project_root,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop()) > 600


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (-0.1,), (0.6, 0.5), (float("nan"),)])
def test_fractions_that_are_none_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="fractions="):
        grouped_split([frozenset("a")], np.zeros(1, np.int64), fractions, 0)


def test_no_rows_have_no_parts() -> None:
    assert grouped_split([], np.empty(0, np.int64), (0.1,), 0).shape == (0,)


def test_rows_without_labels_have_their_share_too() -> None:
    part = grouped_split([frozenset()] * 100, np.arange(100), (0.1, 0.2), 0)
    assert np.bincount(part).tolist() == [10, 20, 70]
