from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.data.checks.clean_rows import clean
from train.data.checks.finding import Finding
from train.data.checks.personal import Personal, masked
from train.doctor import diagnose

VALUES = ["13812345678", "zhang.san@example.com", "110101199003074258"]


def test_every_kind_is_counted_and_no_value_is_told(recipe_for: Callable[..., Any]) -> None:
    rows = clean()
    for at, value in enumerate(VALUES):
        rows[at] = (f"请联系{value}，谢谢", "正面")
    rows[7] = ("手机13812345678或者13912345678", "负面")
    diagnosis = diagnose(recipe_for(train=rows), [Personal])
    (finding,) = diagnosis["findings"]
    assert (finding["rows"], finding["count"]) == ([1, 2, 3, 8], 4)
    assert diagnosis["splits"]["train"]["personal"] == {"mobile": 3, "email": 1, "resident_id": 1}
    assert "mobile: 1**********" in finding["examples"]
    told = json.dumps(diagnosis, ensure_ascii=False)
    assert not [value for value in [*VALUES, "1391", "138", "zhang", "110101"] if value in told]


@pytest.mark.parametrize(
    ("mode", "fix", "setting"),
    [
        ("detect", 'privacy.mode="placeholder"', {"privacy.mode": "placeholder"}),
        ("drop", "prepare does what privacy.mode=drop says", {}),
    ],
)
def test_the_remedy_is_left_to_the_recipe_that_has_one(
    find: Callable[..., list[Finding]], mode: str, fix: str, setting: dict[str, str]
) -> None:
    (finding,) = find(Personal, f"privacy.mode={mode}", train=[*clean(), ("电话13812345678", "正面")])
    assert (finding["fix"], finding["settings"]) == (fix, setting)


@given(st.text(min_size=1))
def test_a_masked_value_keeps_its_first_character_and_its_signs(value: str) -> None:
    found = masked(value)
    assert len(found) == len(value)
    assert found[0] == value[0]
    assert not any(character.isalnum() for character in found[1:])
