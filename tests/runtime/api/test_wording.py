"""What is wrong with a request is told in sentences that name the place, say what to do, and hold no text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from runtime.api.errors import MOST_DETAILS
from runtime.api.schemas import classify_request

REQUEST = classify_request(BaseModel, max_texts=3, max_characters=5)


def problems(body: str) -> list[dict[str, Any]]:
    with pytest.raises(ValidationError) as caught:
        REQUEST.model_validate_json(body)
    # As BentoML takes them.
    return [dict(found) for found in caught.value.errors(include_context=False, include_input=False)]


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
