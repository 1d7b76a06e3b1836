from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from train.data.checks.label_names import is_slip, similar_names

LETTERS = st.text(st.sampled_from("abcdefgh天地玄黄"), min_size=1, max_size=8)
CHANGES: list[Callable[[str], str]] = [
    str.upper,
    lambda name: f"{name[:1]} {name[1:]}",
    lambda name: "".join(chr(ord(letter) + 0xFEE0) if letter.isascii() else letter for letter in name),
    lambda name: f"{name[:1]}_{name[1:]}",
]


@given(LETTERS, st.sampled_from(CHANGES), st.integers(1, 100), st.integers(1, 100))
def test_case_width_and_blanks_make_no_other_label(
    name: str, change: Callable[[str], str], many: int, few: int
) -> None:
    other = change(name)
    assume(other not in (name, f"{name} ", f"{name}_"))
    (pair,) = similar_names({name: many, other: few})
    assert set(pair) == {name, other}
    assert pair[0] == (name if many > few else other if few > many else min(name, other))


@pytest.mark.parametrize(
    "counts",
    [
        {"正面": 100, "负面": 1},
        {"体育": 100, "教育": 1},
        {"class_1": 100, "class_2": 1, "class_12": 1},
        {"level①": 100, "level②": 1},
        {"positive": 100, "negative": 1},
        {"sports": 100, "spirts": 60},
        {"abc": 100, "abd": 1},
        {"": 3, "_": 4},
    ],
)
def test_labels_that_mean_different_things_stay_apart(counts: dict[str, int]) -> None:
    assert similar_names(counts) == []


@pytest.mark.parametrize("slip", ["positve", "possitive", "pozitive", "ositive", "Positve"])
def test_a_rare_slip_of_the_pen_is_found(slip: str) -> None:
    assert similar_names({"positive": 100, slip: 2, "other": 5}) == [("positive", slip)]
    assert similar_names({"positive": 100, slip: 20}) == []


@given(LETTERS, LETTERS)
def test_a_slip_is_one_edit(one: str, two: str) -> None:
    edits = {one[:at] + one[at + 1 :] for at in range(len(one))}
    edits |= {one[:at] + letter + one[at:] for at in range(len(one) + 1) for letter in set(two)}
    edits |= {one[:at] + letter + one[at + 1 :] for at in range(len(one)) for letter in set(two)}
    assert is_slip(one, two) == is_slip(two, one) == (two in edits and one != two)


def test_ten_thousand_labels_are_compared_in_no_time() -> None:
    counts = {f"类别{chr(0x4E00 + at // 100)}{chr(0x5E00 + at % 100)}名": 100 for at in range(10_000)}
    assert similar_names(counts) == []
    assert len(similar_names(counts | {"类别一帀名称": 1})) == 1
