"""What differs is counted, what shares a batch is noticed, and the limits are where they are said to be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.backends import BACKENDS
from runtime.classifier import Classifier
from runtime.errors import TrainingError
from runtime.tokenizer import Batch
from tests.bert_models import swap_labels
from train.config import Recipe
from train.data.loader import load_rows
from train.data.rows import Row
from train.parity import LIMITS, Parity, check, compare, neighbour_change
from train.run import RunDirectory


@pytest.fixture(scope="module")
def original(finished: Recipe) -> Classifier:
    return Classifier.load(RunDirectory.of(finished).model)


@pytest.fixture(scope="module")
def rows(finished: Recipe, original: Classifier) -> list[Row]:
    return load_rows(finished, "dev", original.manifest.labels)


def test_what_differs_is_counted(
    finished: Recipe, original: Classifier, rows: list[Row], tmp_path: Path
) -> None:
    shutil.copytree(RunDirectory.of(finished).model, tmp_path / "harmed")
    swap_labels(tmp_path / "harmed")
    found = compare(original, Classifier.load(tmp_path / "harmed", verify=False), rows)
    assert found.rows == len(rows)
    assert found.label_agreement == 0.0
    assert found.accuracy_drop == pytest.approx(100.0)
    assert found.max_probability_change > 0.1


def test_a_model_has_no_difference_to_itself(original: Classifier, rows: list[Row]) -> None:
    found = compare(original, original, rows)
    assert (found.label_agreement, found.accuracy_drop, found.max_probability_change) == (1.0, 0.0, 0.0)
    assert found.neighbour_change < 1e-5


class Leaking:
    """An engine whose logits depend on whether a text is alone."""

    compute = "leaking"

    def __init__(self, inner: Any, strength: float) -> None:
        self.inner, self.strength = inner, strength

    def logits(self, batch: Batch) -> Any:
        shift = np.zeros((1, 2), np.float32)
        shift[0, 0] = self.strength * (len(batch.input_ids) > 1)
        return self.inner.logits(batch) + shift


@pytest.mark.parametrize(("strength", "leaks"), [(20.0, True), (1e-6, False)])
def test_an_engine_whose_scores_depend_on_neighbours_is_noticed(
    original: Classifier, rows: list[Row], strength: float, leaks: bool
) -> None:
    engine = Leaking(original.backend, strength)
    leaking = Classifier(original.manifest, original.tokenizer, engine)
    assert (neighbour_change(leaking, rows) > LIMITS["int8"].neighbour_change) is leaks


@pytest.mark.parametrize(
    ("precision", "changed", "passes"),
    [
        ("fp32", {}, True),
        ("bf16", {"label_agreement": 0.995, "accuracy_drop": 0.5, "neighbour_change": 1e-2}, True),
        ("bf16", {"label_agreement": 0.994}, False),
        ("int8", {"label_agreement": 0.99, "accuracy_drop": 0.5, "neighbour_change": 1e-2}, True),
        ("int8", {"label_agreement": 0.989}, False),
        ("int8", {"accuracy_drop": 0.51}, False),
        ("bf16", {"accuracy_drop": -2.0}, True),
        ("bf16", {"neighbour_change": 0.011}, False),
        ("int8", {"neighbour_change": 0.011}, False),
        ("fp32", {"neighbour_change": 0.002}, False),
        ("int8", {"label_agreement": float("nan")}, False),
        ("int8", {"accuracy_drop": float("nan")}, False),
        ("int8", {"neighbour_change": float("nan")}, False),
    ],
)
def test_the_limits_are_where_they_are_said_to_be(
    precision: str, changed: dict[str, float], passes: bool
) -> None:
    same = {
        "label_agreement": 1.0,
        "accuracy_drop": 0.0,
        "max_probability_change": 0.1,
        "neighbour_change": 0.0,
    }
    parity = Parity(rows=1000, **{**same, **changed})
    if passes:
        assert "engine agrees with fp32 on" in check(parity, precision, "engine")
    else:
        with pytest.raises(TrainingError, match=r"set export\.precision=fp32"):
            check(parity, precision, "engine")


def test_every_precision_has_limits() -> None:
    assert set(LIMITS) == {precision for engine in BACKENDS.values() for precision in engine.precisions}
