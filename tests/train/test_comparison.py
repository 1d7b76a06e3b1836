"""A difference counts where it exceeds what other seeds and other dev rows would change in it."""

from __future__ import annotations

import numpy as np
import pytest

from train.comparison import Comparison, Trial
from train.quick_models import Integers

ROWS = 400


def answered(expected: Integers, share: float, seed: int) -> Integers:
    """Return answers of which a share is right."""
    wrong = np.random.default_rng(seed).random(len(expected)) >= share
    return np.where(wrong, 1 - expected, expected)


def comparison(without: list[float], augmented: list[float], rows: int = ROWS) -> Comparison:
    """Return trials in which so large shares of the answers are right, of two labels."""
    expected = np.arange(rows) % 2
    trials = [
        Trial(seed, 7, answered(expected, before, 2 * seed), answered(expected, after, 2 * seed + 1))
        for seed, (before, after) in enumerate(zip(without, augmented, strict=True))
    ]
    return Comparison(expected, 2, trials)


def test_a_clear_gain_is_one_and_a_loss_or_nothing_is_none() -> None:
    assert comparison([0.7] * 3, [0.9] * 3).is_gain
    assert not comparison([0.9] * 3, [0.7] * 3).is_gain
    assert not comparison([1.0] * 3, [1.0] * 3).is_gain


def test_what_a_few_rows_say_is_no_gain() -> None:
    expected = np.arange(20) % 2
    before, after = expected.copy(), expected.copy()
    before[:2] ^= 1
    after[5] ^= 1
    few = Comparison(expected, 2, [Trial(1, 1, before, after)])
    assert 0 < few.difference <= few.standard_error
    assert not few.is_gain


def test_the_difference_is_the_mean_of_the_seeds() -> None:
    found = comparison([0.7, 0.8], [0.9, 0.6])
    each = [trial["augmented"]["macro_f1"] - trial["without"]["macro_f1"] for trial in found.figures]
    assert found.difference == pytest.approx(np.mean(each))
    assert [trial["made"] for trial in found.figures] == [7, 7]
    assert each[0] > 0 > each[1]


def test_the_error_shrinks_with_rows_and_repeats_itself() -> None:
    few, many = (comparison([0.7] * 3, [0.8] * 3, rows).standard_error for rows in (100, 1_600))
    assert 2.5 < few / many < 6
    assert comparison([0.7] * 3, [0.8] * 3, 100).standard_error == few


def test_the_error_of_one_row_in_many_is_that_of_a_share() -> None:
    found = comparison([0.5], [0.8], rows=2_000)
    assert found.standard_error == pytest.approx(np.sqrt((0.25 + 0.16) / 2_000), rel=0.15)
