"""Results become predictions or one error, in JSON that people can read."""

from __future__ import annotations

import json

from runtime.api.answers import answer
from runtime.api.errors import MOST_DETAILS
from runtime.api.schemas import Prediction
from runtime.isolation import ALONE, DOWN, Failure

GOOD = Prediction(label="正面", score=0.75, scores={"负面": 0.25, "正面": 0.75}, truncated=False)
REFUSED = Failure(422, "cannot be classified.")


def test_predictions_are_readable_utf8() -> None:
    response = answer([GOOD])
    assert response.status_code == 200
    assert response.media_type == "application/json"
    assert '"label":"正面"' in bytes(response.body).decode()
    assert json.loads(bytes(response.body))[0]["scores"] == {"负面": 0.25, "正面": 0.75}


def test_a_text_that_made_the_engine_fail_has_an_error_in_its_place() -> None:
    response = answer([GOOD, ALONE, GOOD])
    assert response.status_code == 200
    items = json.loads(bytes(response.body))
    assert [items[0], items[2]] == [json.loads(GOOD.model_dump_json())] * 2
    assert items[1] == {"error": f"texts[1] {ALONE.sentence}"}


def test_a_failure_of_the_whole_request_is_told_as_it_is() -> None:
    response = answer(Failure(429, "Too much is queued; come back.", retry_after=7))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert json.loads(bytes(response.body)) == {"error": "Too much is queued; come back."}


def test_what_was_not_computed_is_no_failure() -> None:
    response = answer([None, REFUSED])
    assert response.status_code == 422
    assert len(json.loads(bytes(response.body))["detail"]) == 1


def test_failures_are_placed() -> None:
    response = answer([GOOD, REFUSED, GOOD])
    assert response.status_code == 422
    assert json.loads(bytes(response.body)) == {
        "error": "texts[1] cannot be classified.",
        "detail": [{"loc": ["texts", 1], "msg": "texts[1] cannot be classified."}],
    }


def test_the_gravest_failure_gives_the_status() -> None:
    assert answer([REFUSED, ALONE]).status_code == 500
    response = answer([ALONE, DOWN, REFUSED])
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert json.loads(bytes(response.body))["error"].startswith("texts[1] ")
    assert len(json.loads(bytes(response.body))["detail"]) == 3


def test_the_detail_is_bounded() -> None:
    assert len(json.loads(bytes(answer([DOWN] * 64).body))["detail"]) == MOST_DETAILS
