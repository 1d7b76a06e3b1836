"""The table of synonyms is sound by itself, and only whole words are replaced."""

from __future__ import annotations

from random import Random

import pytest

from train.data.augment_marks import is_hanzi, is_negation, mark
from train.data.augment_synonyms import OTHERS, SYNONYMS, replace_synonyms

VERDICTS = "好坏差优劣美丑爱恨喜厌贵便宜快慢棒烂脏净"


@pytest.mark.parametrize("group", SYNONYMS, ids="/".join)
def test_a_group_has_words_that_neither_negate_nor_judge(group: tuple[str, ...]) -> None:
    assert len(set(group)) == len(group) >= 2
    assert all(is_hanzi(word) and len(word) > 1 for word in group)
    assert not any(is_negation(word) for word in group)
    assert set(VERDICTS).isdisjoint("".join(group))


def test_no_word_stands_in_two_groups() -> None:
    words = [word for group in SYNONYMS for word in group]
    assert len(words) == len(set(words)) > 150
    assert all(word not in OTHERS[word] for word in words)


def test_words_are_replaced_whole_and_by_their_own_group() -> None:
    texts = {replace_synonyms(mark("但是我觉得"), Random(seed)) for seed in range(30)}
    assert texts == {"可是我觉得", "然而我觉得", "但是我感觉"}


def test_a_text_without_such_words_gives_none() -> None:
    assert replace_synonyms(mark("房间很干净"), Random(1)) is None
    assert replace_synonyms(mark("酒店", ["酒店"]), Random(1)) is None
