"""The baseline computes what the runtime computes: only then does a ratio of speeds say anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import model
from benchmarks.serving import CONTENDERS
from runtime.classifier import Classifier


def test_the_naive_service_answers_as_the_classifier_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.write(tmp_path, "tiny", "fp32")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path))
    from benchmarks.naive import NaiveClassifier

    texts = ["房间很干净。", "太差了，不会再来！", "长" * 600]
    answers = NaiveClassifier().classify(texts)
    predictions = Classifier.load(tmp_path).predict(texts)
    assert [answer["label"] for answer in answers] == [prediction.label for prediction in predictions]
    scores = [prediction.score for prediction in predictions]
    assert [answer["score"] for answer in answers] == pytest.approx(scores, abs=1e-4)
    assert max(scores) - min(scores) > 0.01


@pytest.mark.parametrize("precision", sorted({contender.precision for contender in CONTENDERS.values()}))
def test_a_model_of_each_measured_precision_can_be_served(precision: model.Precision, tmp_path: Path) -> None:
    model.write(tmp_path, "tiny", precision)
    manifest = Classifier.load(tmp_path).manifest
    assert manifest.precision == precision
    assert manifest.max_length == model.MAX_LENGTH
    assert manifest.labels == model.LABELS
