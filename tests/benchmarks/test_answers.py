"""A contender that computes something else is seen, and rounding is not."""

from __future__ import annotations

import math

import pytest

from benchmarks import answers
from benchmarks.contenders import LARGEST_DIFFERENCE


@pytest.mark.parametrize("precision", LARGEST_DIFFERENCE)
def test_as_much_as_the_precision_explains_is_allowed(precision: answers.Precision) -> None:
    allowed = LARGEST_DIFFERENCE[precision]
    assert answers.flaw("x", precision, [0.5, 0.5], [0.5, 0.5 + 0.9 * allowed]) is None
    told = answers.flaw("x", precision, [0.5, 0.5], [0.5, 0.5 + 1.1 * allowed])
    assert told == (f"x: answers differ from those of float32 by {1.1 * allowed:.4f}, {allowed} is allowed.")


@pytest.mark.parametrize("found", [[0.1, math.nan], [math.nan, 0.1]])
def test_not_a_number_is_a_flaw(found: list[float]) -> None:
    assert answers.flaw("x", "int8", found, [0.1, 0.1]) is not None


def test_a_missing_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        answers.apart([0.1], [0.1, 0.2])


def test_texts_of_every_length_are_compared() -> None:
    found = answers.compared([f"第{number}条" for number in range(20)])
    assert len(found) == 10
    assert max(map(len, found)) == 510
