"""The baselines compute what the runtime computes: only then does a ratio of speeds say anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import answers, model
from benchmarks.contenders import LARGEST_DIFFERENCE
from benchmarks.engines import LOADERS, Options
from benchmarks.model import REFERENCE, Variant
from runtime.classifier import Classifier

TEXTS = ["房间很干净。", "太差了，不会再来！", "长" * 600]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny model in float32."""
    folder = tmp_path_factory.mktemp("tiny")
    model.write(folder, "tiny", REFERENCE)
    return folder


def test_the_naive_service_answers_as_the_classifier_does(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(directory))
    from benchmarks.naive import NaiveClassifier

    found = NaiveClassifier().classify(TEXTS)
    predictions = Classifier.load(directory).predict(TEXTS)
    assert [answer["label"] for answer in found] == [prediction.label for prediction in predictions]
    scores = [prediction.score for prediction in predictions]
    assert [answer["score"] for answer in found] == pytest.approx(scores, abs=1e-4)
    assert max(scores) - min(scores) > 0.01


@pytest.mark.parametrize("name", LOADERS)
def test_every_engine_gives_the_same_answers(name: str, directory: Path) -> None:
    engine = LOADERS[name](Options(directory, "fp32", "cpu", 1))
    found = engine(TEXTS)
    expected = [one.scores[model.LABELS[0]] for one in Classifier.load(directory).predict(TEXTS)]
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(found) - min(found) > 0.01


def test_the_reference_is_computed_in_a_process_of_its_own(directory: Path) -> None:
    found = answers.reference(directory, TEXTS)
    assert found == pytest.approx(
        LOADERS["classifier"](Options(directory, "fp32", "cpu", 1))(TEXTS), abs=1e-4
    )


@pytest.mark.parametrize(
    "variant",
    [
        Variant("torch", "bf16"),
        Variant("openvino", "bf16"),
        pytest.param(Variant("openvino", "int8"), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_variant_can_be_served_and_computes_the_same(
    variant: Variant, directory: Path, tmp_path: Path
) -> None:
    model.write(tmp_path, "tiny", variant)
    manifest = Classifier.load(tmp_path).manifest
    assert (manifest.backend, manifest.precision) == (variant.backend, variant.precision)
    assert (manifest.max_length, manifest.labels) == (model.MAX_LENGTH, model.LABELS)
    found, expected = (
        LOADERS["classifier"](Options(each, variant.precision, "cpu", 1))(TEXTS)
        for each in (tmp_path, directory)
    )
    assert answers.apart(found, expected) < LARGEST_DIFFERENCE[variant.precision]
    assert found != expected
