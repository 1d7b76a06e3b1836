"""After the outcomes no cluster straddles splits, and every dropped row is named for what it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.datasets import read
from train.data.clusters import Partition, partition
from train.data.dedup import Integers
from train.data.leakage import DEV, TEST, TRAIN, Conflicts, Reason, contradictory, leaked, outcomes, repeated

ROWS = st.lists(
    st.tuples(*[st.integers(0, 3)] * 3, st.sampled_from([TRAIN, TRAIN, TRAIN, DEV, TEST]), st.integers(0, 2)),
    max_size=30,
)
"""Text, tail of the near ones, tail of the related ones, split, label."""
CHOICES: list[Conflicts] = ["drop", "majority", "keep"]


def first(keys: list[tuple[int, ...]]) -> Integers:
    """Return for each key the index of the first equal one."""
    return np.array([keys.index(key) for key in keys], dtype=np.int64)


def made(rows: list[tuple[int, int, int, int, int]]) -> tuple[Partition, Integers, Integers]:
    """Return a partition, each rule wider than the last, the splits and the labels."""
    equal, near, related = (first([row[:size] for row in rows]) for size in (3, 2, 1))
    splits, labels = (np.array([row[at] for row in rows], dtype=np.int64) for at in (3, 4))
    return Partition(equal, equal, near, related, 0), splits, labels


@given(ROWS, st.sampled_from(CHOICES))
def test_no_cluster_straddles_splits_and_test_rows_all_stay(
    rows: list[tuple[int, int, int, int, int]], conflicts: Conflicts
) -> None:
    found, splits, labels = made(rows)
    reasons = outcomes(found, splits, labels, conflicts)
    where: dict[int, set[int]] = defaultdict(set)
    for cluster, split, reason in zip(found.related, splits, reasons, strict=True):
        if reason == Reason.KEPT:
            where[cluster].add(split)
    assert all(len(kinds) == 1 for kinds in where.values())
    assert (reasons[splits == TEST] == Reason.KEPT).all()
    assert set(reasons[splits == DEV].tolist()) <= {Reason.KEPT, Reason.IN_TEST}


@given(ROWS, st.sampled_from(CHOICES))
def test_a_row_is_dropped_for_a_reason_that_holds(
    rows: list[tuple[int, int, int, int, int]], conflicts: Conflicts
) -> None:
    found, splits, labels = made(rows)
    reasons = outcomes(found, splits, labels, conflicts)
    kept = {(found.near[at], labels[at]) for at in range(len(rows)) if reasons[at] == Reason.KEPT}
    texts: dict[int, Counter[int]] = defaultdict(Counter)
    for at in np.flatnonzero(splits == TRAIN):
        texts[found.equal[at]][labels[at]] += 1
    for at in range(len(rows)):
        in_test = splits[at] != TEST and (found.related[splits == TEST] == found.related[at]).any()
        in_dev = splits[at] == TRAIN and (found.related[splits == DEV] == found.related[at]).any()
        names = texts[found.equal[at]]
        most = [label for label, count in names.items() if count == max(names.values())]
        against = splits[at] == TRAIN and len(names) > 1 and conflicts != "keep"
        if conflicts == "majority":
            against &= most != [labels[at]]
        expected = Reason.KEPT
        if in_test:
            expected = Reason.IN_TEST
        elif in_dev:
            expected = Reason.IN_DEV
        elif against:
            expected = Reason.CONFLICT
        elif reasons[at] == Reason.DUPLICATE:
            expected = Reason.DUPLICATE
            assert (found.near[at], labels[at]) in kept
        assert reasons[at] == expected


@given(ROWS, st.sampled_from(CHOICES))
def test_of_the_training_rows_that_stay_no_two_are_near_with_one_label(
    rows: list[tuple[int, int, int, int, int]], conflicts: Conflicts
) -> None:
    found, splits, labels = made(rows)
    stays = (outcomes(found, splits, labels, conflicts) == Reason.KEPT) & (splits == TRAIN)
    pairs = list(zip(found.near[stays].tolist(), labels[stays].tolist(), strict=True))
    assert len(pairs) == len(set(pairs))


def test_conflicts_are_dropped_decided_or_kept() -> None:
    equal = first([(0,), (0,), (0,), (1,), (1,), (2,)])
    found = Partition(equal, equal, equal, equal, 0)
    labels = np.array([7, 7, 8, 7, 8, 7])
    splits = np.zeros(6, dtype=np.int64)
    kept, again, against = Reason.KEPT, Reason.DUPLICATE, Reason.CONFLICT
    expected = {
        "drop": [against, against, against, against, against, kept],
        "majority": [kept, again, against, against, against, kept],
        "keep": [kept, again, kept, kept, kept, kept],
    }
    for conflicts in CHOICES:
        assert outcomes(found, splits, labels, conflicts).tolist() == expected[conflicts]


def test_near_texts_with_two_labels_are_both_kept() -> None:
    texts = [
        "这家酒店的服务态度真的是非常好",
        "这家酒店的服务态度真的是非常坏",
        "这家酒店的服务态度真的是非常差",
    ]
    reasons = outcomes(partition(texts, 0.7), np.zeros(3, np.int64), np.array([1, 0, 0]), "drop")
    assert reasons.tolist() == [Reason.KEPT, Reason.KEPT, Reason.DUPLICATE]


def test_short_texts_one_character_apart_leak_but_do_not_repeat() -> None:
    texts = ["酒店的服务真的好", "酒店的服务真的坏", "酒店的服务真的差"]
    found = partition(texts, 0.7)
    labels = np.array([1, 0, 0])
    assert not outcomes(found, np.zeros(3, np.int64), labels, "drop").any()
    leaking = outcomes(found, np.array([TRAIN, TRAIN, TEST]), labels, "drop")
    assert leaking.tolist() == [Reason.IN_TEST, Reason.IN_TEST, Reason.KEPT]


def test_counts_are_of_rows_and_of_texts() -> None:
    clusters = first([(0,), (0,), (1,), (0,), (1,), (2,), (2,)])
    splits = np.array([TRAIN, TRAIN, TRAIN, TEST, DEV, TEST, TEST])
    labels = np.array([0, 1, 0, 0, 0, 1, 1])
    assert [leaked(clusters, splits, split) for split in (DEV, TEST)] == [1, 1]
    assert leaked(clusters, splits, TEST, DEV) == 0
    assert [repeated(clusters, splits, split) for split in (TRAIN, DEV, TEST)] == [1, 0, 1]
    assert contradictory(clusters, labels) == 1


def test_no_rows_have_no_outcomes_and_no_counts() -> None:
    none = np.empty(0, dtype=np.int64)
    assert outcomes(Partition(none, none, none, none, 0), none, none, "majority").shape == (0,)
    assert leaked(none, none, TEST) == repeated(none, none, TRAIN) == contradictory(none, none) == 0


def arrays(name: str, data: Path) -> tuple[list[str], Integers, Integers]:
    """Return texts, splits and labels of a public data set."""
    found = read(name, data)
    rows = [*found.train, *found.dev, *found.test]
    splits = np.repeat([TRAIN, DEV, TEST], [len(found.train), len(found.dev), len(found.test)])
    _, labels = np.unique([label for label, _ in rows], return_inverse=True)
    return [text for _, text in rows], splits, labels


@pytest.mark.shared_data
def test_what_is_known_of_chnsenticorp_is_found(shared_data: Path) -> None:
    """1,351 is of train alone; the 36 texts with two labels are of all splits together, 24 of train."""
    texts, splits, labels = arrays("chnsenticorp", shared_data)
    found = partition(texts, 0.7)
    train = splits == TRAIN
    assert leaked(found.verbatim, splits, TEST) == 331
    assert repeated(found.verbatim, splits, TRAIN) == 1351
    assert contradictory(found.verbatim, labels) == 36
    assert contradictory(found.verbatim[train], labels[train]) == 24
    assert [leaked(rule, splits, TEST) for rule in (found.equal, found.near, found.related)] == [
        335,
        338,
        338,
    ]
    assert found.capped == 0
    reasons = outcomes(found, splits, labels, "drop")
    assert Counter(reasons.tolist()) == {
        Reason.KEPT: 9870,
        Reason.DUPLICATE: 1322,
        Reason.IN_TEST: 396,
        Reason.IN_DEV: 357,
        Reason.CONFLICT: 55,
    }
    stays = reasons == Reason.KEPT
    after = partition([text for text, stay in zip(texts, stays, strict=True) if stay], 0.7)
    assert [leaked(after.related, splits[stays], split) for split in (DEV, TEST)] == [0, 0]


@pytest.mark.shared_data
def test_what_is_known_of_cold_is_found(shared_data: Path) -> None:
    texts, splits, _ = arrays("cold", shared_data)
    found = partition(texts, 0.7)
    rules = (found.verbatim, found.equal, found.near, found.related)
    assert [leaked(rule, splits, TEST) for rule in rules] == [39, 45, 53, 57]
