"""Homophones sound alike where they stand, are frequent, and never negate."""

from __future__ import annotations

from random import Random

import pytest
from pypinyin import Style, pinyin

from train.data.augment_homophones import homophones, replace_homophones
from train.data.augment_marks import is_negation, mark

SENTENCE = "银行的服务员热情周到，房间干净整洁，价格也便宜。"


def sounds(text: str) -> list[str]:
    return [found[0] for found in pinyin(text, style=Style.TONE3, errors=list)]


def test_the_table_has_the_frequent_characters_by_syllable_and_tone() -> None:
    table = homophones()
    assert sum(map(len, table.values())) > 3_700
    assert {"是", "事", "市"} <= set(table["shi4"])
    assert not any(is_negation(character) for characters in table.values() for character in characters)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_replaced_is_another_character_that_is_among_those_of_its_sound(seed: int) -> None:
    text = replace_homophones(mark(SENTENCE), Random(seed))
    assert text is not None
    changed = [
        (old, new, sound)
        for old, new, sound in zip(SENTENCE, text, sounds(SENTENCE), strict=True)
        if old != new
    ]
    assert 1 <= len(changed) <= 3
    assert all(new in homophones()[sound] for _, new, sound in changed)


def test_a_character_is_read_as_in_its_word() -> None:
    found = {(replace_homophones(mark("银行"), Random(seed)) or "")[1] for seed in range(60)}
    assert "航" in found
    assert found.isdisjoint("形型刑")
