from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import DataError
from tests.train.data.checks.clean_rows import clean, sentences
from train.data.checks.finding import Finding
from train.data.checks.labels import SHOWN_LABELS, Labels
from train.data.labels import label_names
from train.data.rows import read_rows
from train.doctor import diagnose

Find = Callable[..., list[Finding]]
REFUSED = {"one_label", "too_many_labels", "swapped_columns"}
REUSED = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@REUSED
@given(st.lists(st.sampled_from([f"类{at}" for at in range(30)]), min_size=1, max_size=40))
def test_what_training_refuses_is_an_error_and_nothing_else(
    recipe_for: Callable[..., Any], labels: list[str]
) -> None:
    recipe = recipe_for(
        train=[(text, label) for text, label in zip(sentences(len(labels)), labels, strict=True)]
    )
    found = {one["check"] for one in diagnose(recipe, [Labels])["findings"]}
    try:
        label_names(read_rows(recipe.labelled(), "train"), "label")
    except DataError:
        assert found & REFUSED
    else:
        assert not found & REFUSED


@REUSED
@given(st.integers(21, 60), st.integers(2, 9), st.integers(0, 99))
def test_swapped_columns_are_told_from_right_ones(find: Find, rows: int, labels: int, seed: int) -> None:
    right = [(text, f"类{at % labels}") for at, text in enumerate(sentences(rows, seed))]
    assert not REFUSED & {one["check"] for one in find(Labels, train=right)}
    (finding,) = find(Labels, train=[(label, text) for text, label in right])
    assert finding["check"] == "swapped_columns"
    assert finding["fix"] == 'data.text="label" data.label="text"'


def test_a_column_of_identifiers_is_not_taken_for_texts(find: Find) -> None:
    (finding,) = find(Labels, train=[(text, f"id{at}") for at, text in enumerate(sentences(30))])
    assert finding["check"] == "too_many_labels"
    assert "30 different labels in 30 training rows" in finding["what"]


def test_more_labels_than_classes_are_refused(find: Find) -> None:
    (finding,) = find(Labels, train=[("好", f"类{at // 3}") for at in range(30_003)])
    assert (finding["check"], finding["rows"]) == ("too_many_labels", [1, 2])
    assert "10,001 different labels in 30,003 training rows, more than 10,000" in finding["what"]


def test_an_unknown_label_comes_with_its_rows_and_the_nearest_one(find: Find) -> None:
    dev = [*clean(12, 1), ("好吃", "正 面"), ("难吃", "负"), ("好吃", "正 面")]
    found = [one for one in find(Labels, train=clean(), dev=dev) if one["check"] == "unknown_label"]
    assert [(one["split"], one["rows"], one["count"]) for one in found] == [("dev", [13, 14, 15], 3)]
    assert found[0]["examples"][0] == "'正 面', 2 rows; did you mean '正面'?"


@pytest.mark.parametrize(
    ("metric", "fix"), [("accuracy", 'finetune.metric="macro_f1"'), ("macro_f1", "add rows")]
)
def test_imbalance_asks_for_a_metric_that_minds_it(find: Find, metric: str, fix: str) -> None:
    rows = [(text, "多" if at < 400 else "少") for at, text in enumerate(sentences(420))]
    (finding,) = find(Labels, f"finetune.metric={metric}", train=rows)
    assert (finding["check"], finding["rows"]) == ("imbalance", [401])
    assert "20 times as many" in finding["what"]
    assert finding["fix"].startswith(fix)
    assert find(Labels, train=rows[:-1] + rows[:1]) != [] == find(Labels, train=rows[20:])


def test_a_slip_of_the_pen_is_named_and_is_no_class_of_its_own(find: Find) -> None:
    train = [(text, ("正面", "负面")[at % 2]) for at, text in enumerate(sentences(80))]
    found = find(Labels, train=[*train, ("好吃极了", "正 面")], test=clean(seed=1))
    assert [one["check"] for one in found] == ["similar_labels"]
    assert found[0]["what"].endswith(": '正 面' (1 row) beside '正面' (40)")
    assert found[0]["examples"] == []
    rare = find(Labels, train=[*train, ("好吃极了", "正 面"), ("还行吧", "中性")], test=clean(seed=1))
    assert {one["check"] for one in rare} == {"similar_labels", "rare_labels", "imbalance", "absent_labels"}
    texts = {one["check"]: f"{one['what']} {one['examples']}" for one in rare}
    assert "1 of 3 labels with fewer than 10 training rows" in texts["rare_labels"]
    assert "1 of 3 labels without a row in test" in texts["absent_labels"]
    for name in ("rare_labels", "imbalance", "absent_labels"):
        assert "'中性'" in texts[name]
        assert "正 面" not in texts[name]


def test_of_many_similar_labels_some_are_named(find: Find) -> None:
    names = [f"类{chr(0x4E00 + at)}" for at in range(7)]
    rows = [(text, names[at % 7]) for at, text in enumerate(sentences(140))]
    (finding,) = find(Labels, train=[*rows, *(("好", f"{name[0]} {name[1]}") for name in names)])
    assert finding["what"].startswith("7 pairs of labels")
    assert finding["what"].endswith(" and 2 more")


def test_figures_count_every_label_and_show_the_most_frequent(recipe_for: Callable[..., Any]) -> None:
    rows = [(text, f"类{at % 300}") for at, text in enumerate(sentences(6001))]
    figures = diagnose(recipe_for(train=rows), [Labels])["splits"]["train"]
    assert figures["labels"] == 300
    assert len(figures["label_counts"]) == SHOWN_LABELS
    assert figures["label_counts"]["类0"] == Counter(label for _, label in rows)["类0"] == 21
