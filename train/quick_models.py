"""Models that judge rows on behalf of other commands, named in one table; they know no command."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from runtime.normalize import normalize_input
from train import metrics
from train.config import Recipe
from train.data.loader import Splits
from train.data.rows import Row
from train.phases import phase

Probabilities = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Predict = Callable[[Sequence[Row]], Probabilities]
"""Rows → the probability of each label, of shape (rows, num_labels)."""

Fit = Callable[[Recipe, Splits, Path], Predict]
"""Recipe, rows and a folder for whatever the training leaves → the trained model."""

_LONGEST_GRAM = 3
_LEAST_WEIGHT = 3.0
_WEIGHT_OF_ALL = 30_000.0
"""Of the loss beside the penalty. Below 10,000 rows it is shared among them: with a weight for each, twice
the rows would be half the penalty, and any rows added to few would seem a gain (13 classes, 500 rows:
macro-F1 0.14 with weight 3, 0.27 with 60)."""

_MOST_STEPS = 200
_RARE_GRAMS_FROM = 1_000
"""From so many rows on, n-grams that stand in one row only go: nine of ten do, and the figures stay."""


class Score(TypedDict):
    """Figures of a model on some rows."""

    accuracy: float
    macro_f1: float


def fit_linear(recipe: Recipe, splits: Splits, folder: Path) -> Predict:  # noqa: ARG001 - the signature of all
    """Fit a logistic regression to the training rows, on character 1- to 3-grams weighed by tf-idf."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    width = len(splits.labels)
    expected = positions(splits.train, splits.labels)
    known = np.unique(expected)
    if len(known) == 1:
        return lambda rows: np.tile(np.eye(width)[known[0]], (len(rows), 1))
    weights = TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, _LONGEST_GRAM),
        sublinear_tf=True,
        min_df=2 if len(splits.train) >= _RARE_GRAMS_FROM else 1,
        dtype=np.float32,
    )
    model = LogisticRegression(
        C=max(_LEAST_WEIGHT, _WEIGHT_OF_ALL / len(splits.train)), max_iter=_MOST_STEPS, tol=1e-3
    )
    with warnings.catch_warnings():
        # Its last digits do not matter here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(weights.fit_transform(_texts(recipe, splits.train)), expected)

    def predict(rows: Sequence[Row]) -> Probabilities:
        found = np.zeros((len(rows), width))
        found[:, known] = model.predict_proba(weights.transform(_texts(recipe, rows)))
        return _shares(found)

    return predict


def fit_encoder(recipe: Recipe, splits: Splits, folder: Path) -> Predict:
    """Fine-tune the base model of the recipe as `finetune` does; dev rows choose the epoch.

    With `--resume`, what an interrupted command left in the folder is continued or, if finished, taken.
    """
    from runtime.classifier import Classifier
    from train import finetune
    from train.pretrained import read_config
    from train.run import RunDirectory

    classifier = Classifier.load(
        finetune.fit(recipe, RunDirectory(folder), read_config(recipe), splits), device="auto"
    )

    def predict(rows: Sequence[Row]) -> Probabilities:
        inputs = [row.input for row in rows]
        parts = [np.empty((0, len(splits.labels)))]
        with phase("classifying") as report:
            for start in range(0, len(rows), recipe.evaluate.batch_size):
                chunk = inputs[start : start + recipe.evaluate.batch_size]
                parts.append(np.asarray(classifier.predict_proba(chunk), dtype=np.float64))
                report(start + len(chunk), len(rows))
        return _shares(np.concatenate(parts))

    return predict


QUICK_MODELS: dict[str, Fit] = {"linear": fit_linear, "encoder": fit_encoder}
"""Name in a recipe → how it is trained."""


def score(predict: Predict, rows: Sequence[Row], labels: Sequence[str]) -> Score:
    """Measure a model on rows."""
    return figures(positions(rows, labels), answers(predict, rows), len(labels))


def answers(predict: Predict, rows: Sequence[Row]) -> Integers:
    """Return the number of the likeliest label of each row."""
    found: Integers = predict(rows).argmax(axis=1)
    return found


def figures(expected: Integers, predicted: Integers, num_labels: int) -> Score:
    """Return the figures of numbers of labels, both of shape (rows,)."""
    matrix = metrics.confusion_matrix(expected, predicted, num_labels)
    return {"accuracy": float(metrics.accuracy(matrix)), "macro_f1": float(metrics.macro_f1(matrix))}


def positions(rows: Sequence[Row], labels: Sequence[str]) -> Integers:
    """Return the number of each row's label."""
    position = {label: index for index, label in enumerate(labels)}
    return np.array([position[row.label] for row in rows], dtype=np.int64)


def _shares(found: Probabilities) -> Probabilities:
    """Return rows that sum to 1 in float64 too: models computed them in float32."""
    shares: Probabilities = found / found.sum(axis=1, keepdims=True)
    return shares


def _texts(recipe: Recipe, rows: Sequence[Row]) -> list[str]:
    """Return what the model would be given, the texts of a pair on two lines."""
    normalizers = recipe.labelled().normalizers
    given = (normalize_input(row.input, normalizers) for row in rows)
    return [text if isinstance(text, str) else "\n".join(text) for text in given]
