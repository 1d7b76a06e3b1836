"""Results become predictions or one error, in JSON that people can read."""

from __future__ import annotations

import json

from runtime.api.answers import answer
from runtime.api.errors import MOST_DETAILS
from runtime.api.isolation import ALONE, DOWN, Failure
from runtime.api.schemas import Prediction

GOOD = Prediction(label="正面", score=0.75, scores={"负面": 0.25, "正面": 0.75}, truncated=False)
REFUSED = Failure(422, "cannot be classified.")


def test_predictions_are_readable_utf8() -> None:
    response = answer([GOOD])
    assert response.status_code == 200
    assert response.media_type == "application/json"
    assert '"label":"正面"' in bytes(response.body).decode()
    assert json.loads(bytes(response.body))[0]["scores"] == {"负面": 0.25, "正面": 0.75}


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
