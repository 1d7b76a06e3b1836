"""Floors: what counting characters reaches in seconds, and what a trained model must exceed to be of use."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline

Row = tuple[str, str]

FLOORS: dict[str, type[CountVectorizer]] = {
    "naive Bayes, counts": CountVectorizer,
    "naive Bayes, tf-idf": TfidfVectorizer,
}
"""Name → how single characters and pairs of them are weighed."""


def fit(name: str, rows: Sequence[Row]) -> Pipeline:
    """Fit the named floor on rows of label and text."""
    labels, texts = zip(*rows, strict=True)
    weights = FLOORS[name](analyzer="char", ngram_range=(1, 2))
    return make_pipeline(weights, MultinomialNB()).fit(texts, labels)


def figures(model: Pipeline, rows: Sequence[Row]) -> dict[str, float]:
    """Return accuracy and macro-F1 of a fitted floor."""
    labels, texts = zip(*rows, strict=True)
    predicted = model.predict(texts)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, average="macro")),
    }
