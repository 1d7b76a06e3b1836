from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import pytest

from runtime.errors import DataError
from train.data.labels import MOST_LABELS, check_known, label_names, shown
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


TEXT = "我的电话是13812340000请回电"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("正面", "'正面'"),
        (TEXT, "'我的电话是【手机号】请回电'"),
        ("13812345678", "'【手机号】'"),
        ("好" * 30, repr("好" * 30)),
        ("好" * 31, repr("好" * 30 + "…")),
        ("好" * 100_000, repr("好" * 30 + "…")),
        ("好" * 25 + "13812345678", repr("好" * 25 + "【手机号】")),
        ("a\nb", "'a\\nb'"),
    ],
)
def test_a_label_is_shown_cut_and_without_personal_data(label: str, message: str) -> None:
    assert shown(label) == message


def test_no_message_repeats_texts_that_were_taken_for_labels() -> None:
    long = TEXT + "好" * 100_000
    known = [*"ab", *(f"13812340000 {number}" for number in range(100))]
    messages = []
    for call in (
        lambda: label_names(rows([f"{TEXT}{number}" for number in range(60)]), "label"),
        lambda: label_names(rows([long] * 3), "label"),
        lambda: check_known(rows([long[:300], "13812340000"]), ["a", long]),
        lambda: check_known(rows([long, "13812340000"]), known),
    ):
        with pytest.raises(DataError) as raised:
            call()
        messages.append(str(raised.value))
    for message in messages:
        assert "1381234" not in message
        assert len(message) < 700
    assert (
        "60 different labels in 60 training rows (train.csv row 2 has '我的电话是【手机号】请回电0'"
        in messages[0]
    )
    assert "did you mean '我的电话是【手机号】请回电" in messages[2]
    assert "and 92 more)" in messages[3]


def test_labels_are_compared_for_the_rows_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = difflib.get_close_matches

    def close(label: str, *given: Any, **options: Any) -> list[str]:
        asked.append(label)
        return real(label, *given, **options)

    monkeypatch.setattr(difflib, "get_close_matches", close)
    with pytest.raises(DataError, match=r"did you mean 'label 7'\?.* and 1995 more"):
        check_known(rows(["labe 7"] * 2000), [f"label {number}" for number in range(9)])
    assert len(asked) == 5
