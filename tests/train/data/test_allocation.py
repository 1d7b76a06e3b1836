from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RecipeError
from train.data.allocation import (
    STEPS,
    TEST_FRACTION,
    Cut,
    allocate,
    cuts,
    in_order,
    joined,
    label_sets,
    parts_of,
)
from train.data.clusters import Partition
from train.data.leakage import Reason
from train.data.preparation import PrepareSection
from train.data.prepared import SPLITS
from train.data.sections import DataSection
from train.section import Split

TRAIN, DEV, TEST = range(3)


def equal(*clusters: int) -> Partition:
    numbers = np.array(clusters, dtype=np.int64)
    return Partition(numbers, numbers, numbers, numbers, 0)


def rows(labels: str, groups: list[str | None] | None = None) -> pa.Table:
    return pa.table(
        {
            "label": pa.array(list(labels), pa.string()),
            "group": pa.array(groups or [None] * len(labels), pa.string()),
        }
    )


@pytest.mark.parametrize(
    ("dev", "test", "fraction", "expected"),
    [
        (None, None, None, {"dev": 0.2, "test": TEST_FRACTION}),
        (None, None, 0.3, {"dev": 0.2, "test": 0.3}),
        (None, None, 0.0, {"dev": 0.2}),
        (None, "x", None, {"dev": 0.2}),
        (None, "x", 0.3, {"dev": 0.2}),
        ("x", None, None, {}),
        ("x", None, 0.3, {"test": 0.3}),
        ("x", "x", 0.3, {}),
    ],
)
def test_only_what_is_missing_is_cut_and_a_test_beside_a_given_dev_only_if_asked(
    dev: str | None, test: str | None, fraction: float | None, expected: dict[Split, float]
) -> None:
    data = DataSection(train="x", dev=dev, test=test, dev_fraction=0.2)
    assert cuts(data, PrepareSection(test_fraction=fraction)) == expected


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RecipeError, match="leave nothing for train"):
        cuts(DataSection(train="x", dev_fraction=0.5), PrepareSection(test_fraction=0.5))


def test_a_dropped_row_points_at_the_row_it_was_dropped_for() -> None:
    # 0-1 repeat, 2 is in dev, 3 in test, 4-5 contradict each other; 7 is a dev row that is a test row.
    found = equal(0, 0, 2, 3, 4, 4, 2, 3, 3)
    counts: dict[Split, int] = {"train": 6, "dev": 2, "test": 1}
    made = allocate(rows("aaaaabaaa"), counts, found, {}, PrepareSection())
    assert made.reasons.tolist() == [
        Reason.KEPT,
        Reason.DUPLICATE,
        Reason.IN_DEV,
        Reason.IN_TEST,
        Reason.CONFLICT,
        Reason.CONFLICT,
        Reason.KEPT,
        Reason.IN_TEST,
        Reason.KEPT,
    ]
    assert made.other.tolist() == [-1, 0, 6, 8, 5, 4, -1, 8, -1]
    assert made.splits.tolist() == [TRAIN] * 6 + [DEV] * 2 + [TEST]


Labels = st.lists(st.sampled_from("ab"), min_size=1, max_size=30)


@given(Labels, st.data())
def test_clusters_and_groups_stay_whole_and_every_dropped_row_has_its_other(
    labels: list[str], data: st.DataObject
) -> None:
    clusters: list[int] = []
    for index in range(len(labels)):
        clusters.append(data.draw(st.sampled_from([*sorted(set(clusters)), index])))
    groups = data.draw(
        st.lists(st.sampled_from(["x", "y", "", None]), min_size=len(labels), max_size=len(labels))
    )
    sizes = sorted(data.draw(st.tuples(st.integers(0, len(labels)), st.integers(0, len(labels)))))
    counts: dict[Split, int] = {"train": sizes[0], "dev": sizes[1] - sizes[0], "test": len(labels) - sizes[1]}
    conflicts = data.draw(st.sampled_from(["drop", "majority", "keep"]))
    shares: dict[Split, float] = data.draw(st.sampled_from([{}, {"dev": 0.2}, {"dev": 0.2, "test": 0.3}]))
    table = rows("".join(labels), groups)
    made = allocate(table, counts, equal(*clusters), shares, PrepareSection(conflicts=conflicts))
    kept = np.flatnonzero(made.reasons == Reason.KEPT).tolist()
    for one in kept:
        for two in kept:
            if clusters[one] == clusters[two]:
                assert made.splits[one] == made.splits[two]
            both_from_train = max(one, two) < counts["train"]
            if groups[one] and groups[one] == groups[two] and both_from_train:
                assert made.splits[one] == made.splits[two]
    assert ((made.other >= 0) == (made.reasons != Reason.KEPT)).all()
    together = joined(np.array(clusters, dtype=np.int64), table.column("group"))
    for row in np.flatnonzero(made.other >= 0).tolist():
        assert together[row] == together[made.other[row]]
        assert made.other[row] != row


def test_a_seed_decides_the_cut() -> None:
    labels = "ab" * 20
    made = [
        allocate(rows(labels), {"train": 40}, equal(*range(40)), {"dev": 0.25}, PrepareSection(seed=seed))
        for seed in (1, 1, 2)
    ]
    assert made[0].splits.tolist() == made[1].splits.tolist() != made[2].splits.tolist()
    assert (made[0].splits == DEV).sum() == 10


@pytest.mark.parametrize(
    ("label", "separator", "expected"),
    [("a|b", None, {"a|b"}), ("a|b", "|", {"a", "b"}), (" a | a|", "|", {"a"}), ("|", "|", set())],
)
def test_labels_are_taken_apart_only_by_a_separator(
    label: str, separator: str | None, expected: set[str]
) -> None:
    assert parts_of(label, separator) == expected


@given(st.lists(st.sampled_from(["a", "b ", " 好", ""]), max_size=4), st.data())
def test_one_set_of_labels_has_one_name(labels: list[str], data: st.DataObject) -> None:
    name = in_order("|".join(labels), "|")
    assert in_order("|".join(data.draw(st.permutations(labels))), "|") == name
    assert in_order(name, "|") == name
    assert parts_of(name, "|") == parts_of("|".join(labels), "|")


def test_what_has_no_label_keeps_its_name() -> None:
    assert in_order(" ||", "|") == " ||"


def test_sets_of_labels_are_equal_in_any_order() -> None:
    column = pa.chunked_array([["a|b", "c"], ["b|a"], []], pa.string())
    sets, numbers = label_sets(column, "|")
    assert [set(sets[number]) for number in numbers] == [{"a", "b"}, {"c"}, {"a", "b"}]
    assert label_sets(column, None)[1].tolist() == [0, 1, 2]


def test_groups_join_clusters_and_no_group_joins_none() -> None:
    clusters = np.array([0, 0, 2, 3, 4, 5], dtype=np.int64)
    groups = pa.chunked_array([["x", None], ["y", "x", "", ""]], pa.string())
    assert joined(clusters, groups).tolist() == [0, 0, 2, 0, 4, 5]


def test_every_reason_has_a_step_of_its_own() -> None:
    assert set(STEPS) == set(Reason) - {Reason.KEPT}
    assert len({step for step, _ in STEPS.values()}) == len(STEPS)
    assert SPLITS == ("train", "dev", "test")


def test_a_group_of_the_test_rows_has_no_training_row() -> None:
    table = rows("abababab", ["u", "v", "w", "", "u", "x", "v", ""])
    made = allocate(table, {"train": 4, "dev": 2, "test": 2}, equal(*range(8)), {}, PrepareSection())
    assert made.reasons.tolist() == [Reason.IN_DEV, Reason.IN_TEST, 0, 0, 0, 0, 0, 0]


def test_what_joins_a_row_to_the_other_is_told_and_the_closest_is_named() -> None:
    # 0 equals the test row 5 and is near 4; 1 is near 4; 2 is of the group of 6, and 3 is near 2.
    numbers = [np.array(one, dtype=np.int64) for one in ([0, 1, 2, 3, 4, 0, 6], [0, 0, 2, 2, 0, 0, 6])]
    found = Partition(numbers[0], numbers[0], numbers[1], numbers[1], 0)
    table = rows("abababa", [None, None, "u", None, None, None, "u"])
    made = allocate(table, {"train": 4, "test": 3}, found, {}, PrepareSection())
    assert made.other.tolist() == [5, 4, 6, 6, -1, -1, -1]
    words = STEPS[Reason.IN_TEST][1]
    assert made.steps(np.arange(4)) == [("in_test", words[link]) for link in (0, 1, 2, 2)]


def test_an_equal_training_row_is_named_before_one_that_is_nearly_so() -> None:
    numbers = [np.array(one, dtype=np.int64) for one in ([0, 1, 1], [0, 0, 0])]
    found = Partition(numbers[0], numbers[0], numbers[1], numbers[1], 0)
    made = allocate(rows("aaa"), {"train": 3}, found, {}, PrepareSection())
    assert made.other.tolist() == [-1, 0, 0]  # 1, which 2 equals, is gone
    made = allocate(rows("baa"), {"train": 3}, found, {}, PrepareSection())
    assert made.other.tolist() == [-1, -1, 1]
    assert made.steps(np.array([2])) == [("duplicate", STEPS[Reason.DUPLICATE][1][0])]


def test_what_was_cut_from_is_counted() -> None:
    table = rows("ababab", ["u", "u", None, None, None, None])
    made = allocate(
        table, {"train": 6}, equal(0, 1, 2, 3, 4, 4), {"dev": 0.2}, PrepareSection(conflicts="keep")
    )
    assert made.cut == Cut(rows=6, clusters=5, groups=4, largest=2)
    assert allocate(table, {"train": 6}, equal(*range(6)), {}, PrepareSection()).cut is None
