from __future__ import annotations

from collections.abc import Sequence

import pytest

from runtime.errors import DataError
from train.data.labels import MOST_LABELS, check_known, label_names
from train.data.rows import Row


def rows(labels: Sequence[str], file: str = "train.csv") -> list[Row]:
    return [Row(f"text {i}", None, label, file, i + 2, i + 2) for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        (["10", "9", "2", "10"], ("2", "9", "10")),
        (["-1", "1", "0", "0"], ("-1", "0", "1")),
        (["10", "9", "x", "x"], ("10", "9", "x")),
        (["--1", "2", "2"], ("--1", "2")),
        (["9" * 5000, "2", "2"], ("2", "9" * 5000)),
        (["负面", "正面", "正面"], ("正面", "负面")),
    ],
)
def test_labels_are_sorted_whatever_the_order_of_rows(given: list[str], expected: tuple[str, ...]) -> None:
    assert label_names(rows(given), "label") == expected
    assert label_names(rows(given[::-1]), "label") == expected


@pytest.mark.parametrize("count", [2, 5, 20, 21, 1000])
def test_a_column_that_is_all_different_is_refused(count: int) -> None:
    with pytest.raises(DataError) as raised:
        label_names(rows([f"id {i}" for i in range(count)]), "id")
    message = str(raised.value)
    assert f"column 'id' has {count} different labels in {count} training rows" in message
    assert "train.csv row 2 has 'id 0'" in message
    assert "set data.label" in message


@pytest.mark.parametrize(
    ("total", "different", "refused"), [(22, 12, True), (22, 11, False), (20, 12, False)]
)
def test_more_labels_than_half_of_the_rows_are_refused_unless_rows_are_few(
    total: int, different: int, refused: bool
) -> None:
    given = rows([str(i % different) for i in range(total)])
    if refused:
        with pytest.raises(DataError, match=f"{different} different labels"):
            label_names(given, "label")
    else:
        assert len(label_names(given, "label")) == different


def test_a_single_label_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"all 3 training rows, train.csv row 2 the first, have the label 'x'"
    ):
        label_names(rows(["x", "x", "x"]), "label")


def test_an_unknown_label_names_its_row_and_the_nearest() -> None:
    with pytest.raises(DataError) as raised:
        check_known(rows(["正面", "正", "负面"], "dev.csv"), ("正面", "负面"))
    assert "dev.csv row 3 has the unknown label '正' (did you mean '正面'?)" in str(raised.value)


def test_many_unknown_labels_are_one_message() -> None:
    with pytest.raises(DataError, match="and 7 more; correct these labels"):
        check_known(rows(["other"] * 12, "dev.csv"), ("a", "b"))


def test_known_labels_pass() -> None:
    check_known(rows(["a", "b", "a"]), ("a", "b"))


def test_more_labels_than_a_classifier_has_are_refused() -> None:
    many = rows([str(number % (MOST_LABELS + 1)) for number in range(3 * MOST_LABELS + 3)])
    with pytest.raises(
        DataError, match=r"10,001 different labels \(train\.csv row 2 has '0'\), more than 10,000"
    ):
        label_names(many, "label")
