"""Every row is judged once, by a model that saw neither it nor a duplicate, if others have its label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import DataError
from train import quick_models
from train.config import Recipe
from train.data.loader import Splits
from train.data.rows import Row
from train.out_of_fold import folds, out_of_fold
from train.quick_models import Predict, Probabilities

Make = Callable[..., Recipe]
TEXTS = [
    "房间很干净服务员也很热情早餐丰富",
    "排队一小时结果菜又咸又凉真失望",
    "屏幕清晰电池耐用值得购买推荐",
    "物流慢得离谱包装还破了没人管",
]


def rows_of(texts: Sequence[str], labels: str) -> list[Row]:
    return [
        Row(text, None, label, "a.csv", number, number)
        for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1)
    ]


def test_duplicates_and_near_duplicates_share_a_fold(make: Make) -> None:
    texts = [variant for text in TEXTS for variant in (text, f"{text}！", f"{text[:-1]}呀")]
    for seed in range(4):
        found = folds(make("noise.folds=2", f"noise.seed={seed}"), rows_of(texts, "aab" * 4))
        assert len(set(found.tolist())) == 2
        for start in range(0, 12, 3):
            assert len(set(found[start : start + 3].tolist())) == 1


def test_folds_have_every_label_in_proportion_and_depend_on_the_seed(make: Make) -> None:
    rows = rows_of([f"第{number}句话各有不同{number * 7919}" for number in range(60)], "ab" * 30)
    found = folds(make("noise.folds=3"), rows)
    for number in range(3):
        labels = [row.label for row, fold in zip(rows, found.tolist(), strict=True) if fold == number]
        assert 8 <= labels.count("a") <= 12
        assert 16 <= len(labels) <= 24
    assert found.tolist() == folds(make("noise.folds=3"), rows).tolist()
    assert found.tolist() != folds(make("noise.folds=3", "noise.seed=7"), rows).tolist()


def test_a_row_is_judged_once_by_a_model_of_the_others(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fit(recipe: Recipe, splits: Splits, folder: Path) -> Predict:
        folder.mkdir(parents=True)
        seen = {row.number for row in splits.train}

        def predict(rows: Sequence[Row]) -> Probabilities:
            assert seen.isdisjoint(row.number for row in rows)
            assert len(seen) + len(rows) == 9
            asked.extend(row.number for row in rows)
            return np.array([[row.number, 0, 0] for row in rows], dtype=np.float64)

        return predict

    monkeypatch.setitem(quick_models.QUICK_MODELS, "linear", fit)
    rows = rows_of([f"第{number}句话" for number in range(9)], "ababababc")
    probabilities, judged = out_of_fold(
        make("noise.folds=3"), Splits(rows, [], [], ("a", "b", "c")), tmp_path / "quick"
    )
    assert sorted(asked) == list(range(1, 10))
    assert probabilities[:, 0].tolist() == list(range(1, 10))
    assert judged.tolist() == [True] * 8 + [False]
    assert not (tmp_path / "quick").exists()


def test_labels_with_fewer_texts_than_folds_leave_no_row_unjudged(make: Make, tmp_path: Path) -> None:
    texts = [f"{label}的第{number}句话，说的是{label * 3}" for label in "甲乙丙丁戊己" for number in range(4)]
    rows = rows_of(texts, "".join(label * 4 for label in "甲乙丙丁戊己"))
    recipe = make("noise.folds=5", "prepare.near_duplicates=0")
    assert len(set(folds(recipe, rows).tolist())) < 5
    splits = Splits(rows, rows, [], tuple("甲乙丙丁戊己"))
    probabilities, judged = out_of_fold(recipe, splits, tmp_path / "quick")
    assert judged.all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_fewer_texts_than_folds_are_refused(make: Make) -> None:
    rows = rows_of(["一模一样", "一模一样！", "另一句"], "abb")
    with pytest.raises(
        DataError,
        match=r"3 training rows have 2 texts that differ, fewer than noise\.folds=3; .*near_duplicates=0",
    ):
        folds(make("noise.folds=3"), rows)


def test_rows_of_a_group_and_their_duplicates_share_a_fold(make: Make) -> None:
    texts = [f"第{number}句话各有不同{number * 7919}" for number in range(60)]
    texts[59] = texts[0]  # joins two groups
    rows = [replace(row, group=f"u{at // 6}") for at, row in enumerate(rows_of(texts, "ab" * 30))]
    for seed in range(3):
        found = folds(make("noise.folds=3", f"noise.seed={seed}", "data.group=user"), rows).tolist()
        assert set(found) == {0, 1, 2}
        for start in range(0, 60, 6):
            assert len(set(found[start : start + 6])) == 1
        assert found[0] == found[59]


def test_fewer_groups_than_folds_are_refused(make: Make) -> None:
    rows = [replace(row, group="u") for row in rows_of(TEXTS, "abab")]
    with pytest.raises(DataError, match=r"have 1 values of data\.group='user' .*fewer than noise\.folds=3"):
        folds(make("noise.folds=3", "data.group=user"), rows)
