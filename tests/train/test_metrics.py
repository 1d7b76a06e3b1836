from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from train import metrics

LABELS = 5
PAIRS = st.lists(st.tuples(st.integers(0, LABELS - 1), st.integers(0, LABELS - 1)), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    expected, predicted = zip(*pairs, strict=True)
    matrix = metrics.confusion_matrix(expected, predicted, LABELS)
    everything = range(LABELS)
    np.testing.assert_array_equal(matrix, confusion_matrix(expected, predicted, labels=everything))
    assert metrics.accuracy(matrix) == pytest.approx(accuracy_score(expected, predicted))
    assert metrics.macro_f1(matrix) == pytest.approx(
        f1_score(expected, predicted, average="macro", zero_division=0)
    )
    figures = precision_recall_fscore_support(expected, predicted, labels=everything, zero_division=0)
    for label, found in enumerate(metrics.class_figures(matrix)):
        assert list(found.values()) == pytest.approx([column[label] for column in figures])


def test_a_stack_of_matrices_gives_a_stack_of_figures() -> None:
    matrices = np.random.default_rng(0).integers(0, 5, (7, 3, 3))
    for figure in (metrics.accuracy, metrics.macro_f1):
        assert figure(matrices).tolist() == pytest.approx([float(figure(matrix)) for matrix in matrices])


def test_the_interval_is_that_of_resampled_rows() -> None:
    generator = np.random.default_rng(1)
    expected = generator.integers(0, 3, 200)
    predicted = np.where(generator.random(200) < 0.8, expected, generator.integers(0, 3, 200))
    matrix = metrics.confusion_matrix(expected.tolist(), predicted.tolist(), 3)
    drawn = generator.integers(0, 200, (2_000, 200))
    for figure in (metrics.accuracy, metrics.macro_f1):
        resampled = [
            float(figure(metrics.confusion_matrix(expected[rows].tolist(), predicted[rows].tolist(), 3)))
            for rows in drawn
        ]
        low, high = np.quantile(resampled, [0.025, 0.975])
        assert metrics.interval(matrix, figure, seed=0) == pytest.approx((low, high), abs=0.01)


def test_the_seed_of_the_interval_decides_it() -> None:
    matrix = np.array([[30, 7], [4, 20]])
    first, again, other = (metrics.interval(matrix, metrics.macro_f1, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_more_rows_make_the_interval_narrower() -> None:
    matrix = np.array([[30, 7], [4, 20]])
    widths = [
        high - low for low, high in (metrics.interval(matrix * n, metrics.accuracy, 0) for n in (1, 100))
    ]
    assert widths[1] < widths[0] / 5
