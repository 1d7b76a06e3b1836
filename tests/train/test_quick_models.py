"""Quick models learn what rows say and give every label its column; the encoder is that of finetune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from runtime.classifier import Classifier
from train import finetune
from train.config import Recipe
from train.data.loader import Splits, load_splits
from train.data.preparation import AugmentSection, Judge, NoiseSection
from train.data.rows import Row
from train.quick_models import QUICK_MODELS, fit_encoder, fit_linear, score
from train.run import RunDirectory

Make = Callable[..., Recipe]


def row(text: str, label: str, pair: str | None = None) -> Row:
    return Row(text, pair, label, "a.csv", 1, 1)


def splits(rows: list[Row], labels: tuple[str, ...] = ("a", "b", "c")) -> Splits:
    return Splits(rows, rows, [], labels)


def test_recipes_can_name_exactly_the_models_of_the_table() -> None:
    assert set(get_args(Judge)) == set(QUICK_MODELS)
    assert (
        NoiseSection.model_fields["model"].annotation
        == AugmentSection.model_fields["judge"].annotation
        == Judge
    )


@pytest.mark.parametrize("name", QUICK_MODELS)
def test_a_model_learns_its_rows_and_gives_probabilities(name: str, make: Make, tmp_path: Path) -> None:
    recipe = make()
    given = load_splits(recipe)
    predict = QUICK_MODELS[name](recipe, given, tmp_path / "quick")
    found = predict(given.dev)
    assert found.shape == (24, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert score(predict, given.dev, given.labels) == {"accuracy": 1.0, "macro_f1": 1.0}


def test_the_linear_model_gives_an_unseen_label_a_column_of_zeros(make: Make, tmp_path: Path) -> None:
    predict = fit_linear(make(), splits([row("很好吃", "a"), row("太差了", "c")]), tmp_path)
    found = predict([row("很好", "a"), row("差", "c")])
    assert found.argmax(axis=1).tolist() == [0, 2]
    assert found[:, 1].tolist() == [0, 0]
    only = fit_linear(make(), splits([row("很好吃", "b")]), tmp_path)
    assert only([row("x", "a")] * 2).tolist() == [[0, 1, 0]] * 2


def test_the_linear_model_reads_normalised_texts_and_both_of_a_pair(make: Make, tmp_path: Path) -> None:
    rows = [row("Ａ", "a", "一"), row("Ａ", "b", "二")]
    predict = fit_linear(make(), splits(rows, ("a", "b")), tmp_path)
    assert predict([row("A", "a", "一"), row("A", "b", "二")]).argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_array_equal(predict(rows), predict([replace(one, text="A") for one in rows]))


def test_few_rows_given_twice_are_no_more_than_once(make: Make, tmp_path: Path) -> None:
    rows = [
        row(text, label) for text, label in (("很好吃", "a"), ("太差", "b"), ("还行吧", "a"), ("难吃", "b"))
    ]
    once, twice = (
        fit_linear(make(), splits(given, ("a", "b")), tmp_path)(rows) for given in (rows, rows * 2)
    )
    np.testing.assert_allclose(once, twice, atol=0.02)
    assert once.max() > 0.98


def test_many_rows_learn_by_what_two_of_them_share(make: Make, tmp_path: Path) -> None:
    rows = [row(f"{'好' if i % 2 else '差'}第{i}条", "ab"[i % 2]) for i in range(1_000)]
    predict = fit_linear(make(), splits(rows, ("a", "b")), tmp_path)
    assert score(predict, [row("好", "b"), row("差", "a")], ("a", "b"))["accuracy"] == 1.0


def test_the_encoder_is_the_model_that_finetune_makes(make: Make, finished: Recipe, tmp_path: Path) -> None:
    given = load_splits(finished)
    predict = fit_encoder(finished, given, tmp_path / "quick")
    served = Classifier.load(RunDirectory.of(finished).model)
    expected = served.predict_proba([one.input for one in given.dev])
    np.testing.assert_allclose(predict(given.dev), expected, atol=1e-6)


def test_a_finished_encoder_is_taken_when_resumed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("finetune.epochs=1",)
    given = load_splits(make())
    first = fit_encoder(make(*settings), given, tmp_path / "quick")(given.dev)
    monkeypatch.setattr(finetune, "_train", lambda *_: pytest.fail("it was trained once more"))
    again = fit_encoder(make(*settings, resume=True), given, tmp_path / "quick")(given.dev)
    np.testing.assert_array_equal(first, again)


def test_figures_are_those_of_the_rows(make: Make) -> None:
    def always_first(rows: object) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.tile([1.0, 0.0], (4, 1))

    found = score(always_first, [row("x", label) for label in "aaab"], ("a", "b"))
    assert found == {"accuracy": 0.75, "macro_f1": pytest.approx(3 / 7)}
