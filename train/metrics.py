"""Figures of a classification from its confusion matrix; it knows no model and no text.

Every figure here is a function of the matrix, so the bootstrap resamples the matrix instead of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_RESAMPLES = 2_000


class ClassFigures(TypedDict):
    """Figures of one label."""

    precision: float
    recall: float
    f1: float
    support: int


def confusion_matrix(expected: npt.ArrayLike, predicted: npt.ArrayLike, num_labels: int) -> Counts:
    """Return counts of shape (num_labels, num_labels): row = expected label, column = predicted label."""
    matrix = np.zeros((num_labels, num_labels), dtype=np.int64)
    np.add.at(matrix, (np.asarray(expected, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
    return matrix


def accuracy(matrix: Counts) -> Values:
    """Return the share of rows on the diagonal; leading dimensions of `matrix` are kept."""
    return np.asarray(np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum(axis=(-2, -1)), dtype=np.float64)


def macro_f1(matrix: Counts) -> Values:
    """Return the mean F1 of the labels that were expected or predicted at all, as scikit-learn does."""
    f1 = _f1(matrix)
    seen = (matrix.sum(axis=-1) + matrix.sum(axis=-2)) > 0
    return np.asarray((f1 * seen).sum(axis=-1) / seen.sum(axis=-1), dtype=np.float64)


def class_figures(matrix: Counts) -> list[ClassFigures]:
    """Return precision, recall, F1 and support of every label; 0 where there is nothing to divide by."""
    hits = np.diagonal(matrix)
    precision = _ratio(hits, matrix.sum(axis=0))
    recall = _ratio(hits, matrix.sum(axis=1))
    rows = zip(precision, recall, _f1(matrix), matrix.sum(axis=1), strict=True)
    return [
        {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)} for p, r, f, n in rows
    ]


def interval(matrix: Counts, figure: Callable[[Counts], Values], seed: int) -> tuple[float, float]:
    """Return the bootstrap interval of a figure at `CONFIDENCE`.

    Drawing as many rows with replacement is drawing counts from the multinomial of the matrix.
    """
    total = int(matrix.sum())
    drawn = np.random.default_rng(seed).multinomial(total, matrix.ravel() / total, size=_RESAMPLES)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(figure(drawn.reshape(-1, *matrix.shape)), [tail, 1 - tail])
    return float(low), float(high)


def _f1(matrix: Counts) -> Values:
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return _ratio(2 * hits, matrix.sum(axis=-1) + matrix.sum(axis=-2))


def _ratio(part: Counts, whole: Counts) -> Values:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
