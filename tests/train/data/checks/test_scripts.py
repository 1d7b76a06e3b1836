from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.train.data.checks.clean_rows import clean
from train.data.checks.scripts import Scripts
from train.doctor import diagnose


def test_every_character_is_counted_once(recipe_for: Callable[..., Any]) -> None:
    rows = [("国家abc かな 한 ж 12。👍", "a"), ("國家，國", "b"), ("山水", "a")]
    figures = diagnose(recipe_for(train=rows), [Scripts])["splits"]["train"]["scripts"]
    assert figures == {
        "characters": {
            "han": 7,
            "latin": 3,
            "kana": 2,
            "hangul": 1,
            "other": 1,
            "digit": 2,
            "emoji": 1,
            "sign": 6,
        },
        "simplified_rows": 1,
        "traditional_rows": 1,
        "emoji_rows": 1,
    }
    assert sum(figures["characters"].values()) == sum(len(text) for text, _ in rows)


def test_a_few_traditional_rows_among_simplified_ones_are_told_of(recipe_for: Callable[..., Any]) -> None:
    traditional = [("這個國家發動產種對", "正面")] * 3
    named = ("我们这边说“國家”", "负面")
    findings = [
        diagnose(recipe_for(train=rows), [Scripts])["findings"]
        for rows in ([*clean(), *traditional, named], traditional, clean())
    ]
    assert [[one["check"] for one in found] for found in findings] == [["mixed_orthography"], [], []]
    assert findings[0][0]["rows"] == [41, 42, 43]
