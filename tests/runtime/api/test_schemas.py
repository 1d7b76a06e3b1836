"""A request body is taken or refused in sentences that name the place and never the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from runtime.api.errors import MOST_DETAILS
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
    ("body", "loc", "sentence"),
    [
        ("[]", [], 'The body is a list; send {"texts": ["…"]}.'),
        ("null", [], 'The body is null; send {"texts": ["…"]}.'),
        ("{}", ["texts"], 'texts is missing; send {"texts": ["…"]}.'),
        ('{"text": ["a"]}', ["text"], "text is unknown; did you mean 'texts'?"),
        ('{"texts": "a"}', ["texts"], 'texts is a string; send {"texts": ["…"]}.'),
        ('{"texts": null}', ["texts"], 'texts is null; send {"texts": ["…"]}.'),
        ('{"texts": []}', ["texts"], "texts is empty; send at least one text."),
        (
            '{"texts": ["a", "b", "c", "d"]}',
            ["texts"],
            "texts has 4 texts, at most 3 are allowed; send several requests.",
        ),
        (
            '{"texts": ["a", 1]}',
            ["texts", 1],
            'texts[1] is a number; each text is a string or {"text": "…", "text_pair": "…"}.',
        ),
        (
            '{"texts": [["a"]]}',
            ["texts", 0],
            'texts[0] is a list; each text is a string or {"text": "…", "text_pair": "…"}.',
        ),
        (
            '{"texts": [{"text": "a", "b": 1, "c": 2}]}',
            ["texts", 0],
            'texts[0] is an object of other keys; each text is a string or {"text": "…", "text_pair": "…"}.',
        ),
        ('{"texts": [{"txt": "a"}]}', ["texts", 0, "txt"], "texts[0].txt is unknown; did you mean 'text'?"),
        ('{"texts": [{"text": 1}]}', ["texts", 0, "text"], "texts[0].text is a number; send a string."),
        (
            '{"texts": [{"text": "a", "text_pair": true}]}',
            ["texts", 0, "text_pair"],
            "texts[0].text_pair is true or false; send a string.",
        ),
        ('{"texts": [""]}', ["texts", 0], "texts[0] is empty; send text or leave it out."),
        ('{"texts": [" \u3000\\n"]}', ["texts", 0], "texts[0] is blank; send text or leave it out."),
        ('{"texts": ["a\\u0000b"]}', ["texts", 0], "texts[0] holds a NUL character; remove it."),
        (
            '{"texts": ["秘密的一句话"]}',
            ["texts", 0],
            "texts[0] has 6 characters, at most 5 are allowed; split it.",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(body: str, loc: list[str | int], sentence: str) -> None:
    first = problems(body)[0]
    assert list(first["loc"]) == loc
    assert first["msg"] == sentence


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


def test_only_the_first_problems_are_told() -> None:
    many = classify_request(BaseModel, max_texts=100, max_characters=5)
    with pytest.raises(ValidationError) as caught:
        many.model_validate_json(json.dumps({"texts": [1] * 100}))
    assert caught.value.error_count() == MOST_DETAILS


def test_a_long_key_is_cut() -> None:
    found = problems(json.dumps({"texts": ["a"], "长" * 10_000: 1}))[0]
    assert len(found["msg"]) < 300
    assert len(found["loc"][0]) < 100


def test_problems_do_not_hold_the_text() -> None:
    secret = "机密的一句话"
    for body in ({"texts": [secret]}, {"texts": [{"text": secret}]}, {"texts": secret}, secret, [secret]):
        assert secret not in json.dumps(problems(json.dumps(body)), ensure_ascii=False)


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
