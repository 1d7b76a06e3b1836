"""Rows are made of the classes that need them, never twice, and never with the text of a dev or test row."""

from __future__ import annotations

from random import Random

import pytest

from train.data.augment import insert_punctuation, swap_characters
from train.data.augment_marks import MarkedText
from train.data.augment_rows import Augmented, augment_rows, budgets, growing
from train.data.loader import Splits
from train.data.preparation import AugmentSection
from train.data.rows import Row

LABELS = ["a"] * 10 + ["b"] * 4 + ["c"] * 3


def row(text: str, label: str, number: int = 1, pair: str | None = None) -> Row:
    return Row(text, pair, label, "train.csv", number, number)


def splits(train: list[Row], dev: tuple[str, ...] = (), test: tuple[str, ...] = ()) -> Splits:
    held = [[row(text, "a") for text in texts] for texts in (dev, test)]
    return Splits(train, *held, tuple(sorted({one.label for one in train})))


def made(given: Splits, wanted: dict[str, int], seed: int = 1) -> list[Augmented]:
    augmenters = {"punctuation": insert_punctuation, "swap": swap_characters}
    return augment_rows(given, wanted, augmenters, ("fold_fullwidth",), seed, lambda done, total: None)


REVIEWS = [
    row("房间很干净服务员热情早餐丰富", "正面", 1),
    row("排队一小时菜又咸又凉", "负面", 2),
    row("屏幕清晰电池耐用值得购买", "正面", 3),
]


@pytest.mark.parametrize(
    ("up_to", "per_class", "expected"),
    [
        ("median", 1.0, {"c": 1}),
        ("largest", 1.0, {"b": 4, "c": 3}),
        ("largest", 5.0, {"b": 6, "c": 7}),
        ("any", 0.5, {"a": 5, "b": 2, "c": 1}),
        ("any", 0.1, {"a": 1}),
    ],
)
def test_each_class_gets_what_it_lacks_and_no_more_than_its_own_share(
    up_to: str, per_class: float, expected: dict[str, int]
) -> None:
    assert budgets(LABELS, AugmentSection(up_to=up_to, per_class=per_class)) == expected


@pytest.mark.parametrize(
    ("up_to", "expected"), [("median", {"c"}), ("largest", {"b", "c"}), ("any", {"a", "b", "c"})]
)
def test_a_class_may_grow_though_its_share_gives_it_no_row(up_to: str, expected: set[str]) -> None:
    found = growing(LABELS, AugmentSection(up_to=up_to, per_class=0.01))
    assert found == {label: LABELS.count(label) for label in expected}


def test_rows_keep_label_and_place_and_are_as_many_as_wanted() -> None:
    found = made(splits(REVIEWS), {"正面": 5, "负面": 2})
    assert [one.row.label for one in found] == ["正面"] * 5 + ["负面"] * 2
    origin = {one.number: one for one in REVIEWS}
    for one in found:
        source = origin[one.row.number]
        assert (one.row.label, one.row.file) == (source.label, source.file)
        assert one.row.text != source.text
        assert one.method in ("punctuation", "swap")
    assert {one.row.number for one in found} == {1, 2, 3}


def test_no_two_rows_are_equal_and_the_seed_decides() -> None:
    found = made(splits(REVIEWS), {"正面": 30})
    assert len({one.row.text for one in found} | {one.text for one in REVIEWS}) == len(found) + 3
    assert found == made(splits(REVIEWS), {"正面": 30})
    assert found != made(splits(REVIEWS), {"正面": 30}, seed=2)
    assert made(splits(REVIEWS), {"正面": 3, "负面": 2})[3:] == made(splits(REVIEWS), {"负面": 2})


def test_where_texts_are_through_it_ends_with_fewer() -> None:
    found = made(splits([row("很好", "a")]), {"a": 50})
    assert 1 <= len(found) < 50


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_row_equals_a_held_out_one_not_even_without_punctuation(split: str) -> None:
    given = splits([row("很好吃", "a")])
    free = {one.row.text for one in made(given, {"a": 20})}
    assert "好很吃" in free
    held = splits([row("很好吃", "a")], **{split: ("好很吃。",)})
    assert "好很吃" not in {one.row.text for one in made(held, {"a": 20})}
    leaked = splits([row("很好吃", "a")], **{split: ("很好吃",)})
    assert all("很好吃" not in one.row.text.replace("，", "") for one in made(leaked, {"a": 20}))


def test_no_row_equals_a_training_row_after_the_normalizers() -> None:
    def fold(marked: MarkedText, generator: Random) -> str:
        return "Ａ" + marked.text[1:]

    given = splits([row("a好", "a"), row("A好", "a", 2)])
    for normalizers, expected in ((("fold_fullwidth",), 0), ((), 1)):
        found = augment_rows(given, {"a": 2}, {"fold": fold}, normalizers, 1, lambda done, total: None)
        assert len(found) == expected


def test_the_second_text_of_a_pair_stays() -> None:
    pair = row("房间很干净服务员热情", "a", pair="第二句")
    assert {one.row.text_pair for one in made(splits([pair]), {"a": 4})} == {"第二句"}


def test_progress_counts_to_the_whole() -> None:
    told: list[tuple[int, int]] = []
    augment_rows(
        splits(REVIEWS),
        {"正面": 3},
        {"swap": swap_characters},
        (),
        1,
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
