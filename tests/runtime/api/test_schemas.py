"""A request body is taken or refused in sentences that name the place and never the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from runtime.api.schemas import PREDICTIONS, check_pairs, classify_request
from runtime.classifier import Prediction
from runtime.errors import InputError

REQUEST = classify_request(BaseModel, max_texts=3, max_characters=5)


def validated(body: object) -> list[Any]:
    texts: list[Any] = vars(REQUEST.model_validate_json(json.dumps(body)))["texts"]
    return texts


def problems(body: bytes | str) -> list[dict[str, Any]]:
    with pytest.raises(ValidationError) as caught:
        REQUEST.model_validate_json(body)
    # As BentoML takes them.
    return [dict(found) for found in caught.value.errors(include_context=False, include_input=False)]


def test_strings_and_objects_become_inputs_of_a_classifier() -> None:
    pair = {"text": "a", "text_pair": "b"}
    assert validated({"texts": ["甲", {"text": "乙"}, pair]}) == ["甲", "乙", ("a", "b")]


def test_limits_are_inclusive() -> None:
    assert validated({"texts": ["一二三四五"] * 3}) == ["一二三四五"] * 3


def test_a_text_keeps_its_blanks() -> None:
    assert validated({"texts": [" a\n"]}) == [" a\n"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"texts": ["a"]} x',
        b'{"texts": ["\xff"]}',
        b"\x00",
        b'{"texts": ["\\ud800"]}',
        b"[" * 10_000,
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert problems(body)[0]["type"] == "json_invalid"


def test_a_hostile_number_of_keys_makes_one_problem() -> None:
    keys = ",".join(f'"k{number}": 1' for number in range(100_000))
    assert [found["type"] for found in problems("{" + keys + "}")] == ["too_many_keys"]
    assert [found["type"] for found in problems('{"texts": [{' + keys + "}]}")] == ["text_type"]


def test_predictions_are_checked_on_their_way_out() -> None:
    found = PREDICTIONS.validate_python(
        [Prediction("正面", 0.75, {"正面": 0.75, "负面": 0.25}, truncated=True)]
    )
    expected = '[{"label":"正面","score":0.75,"scores":{"正面":0.75,"负面":0.25},"truncated":true}]'
    assert PREDICTIONS.dump_json(found).decode() == expected
    with pytest.raises(ValidationError):
        PREDICTIONS.validate_python([Prediction("正面", float("nan"), {"正面": 0.75}, truncated=False)])


@pytest.mark.parametrize("wanted", [True, False])
def test_pairs_only_for_a_model_of_pairs(wanted: bool) -> None:
    right, wrong = (("a", "b"), "a") if wanted else ("a", ("a", "b"))
    check_pairs([right, right], wanted=wanted)
    with pytest.raises(InputError, match="text_pair"):
        check_pairs([right, wrong], wanted=wanted)
