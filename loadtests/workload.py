"""What one request asks, and whether its answer is right; it knows neither Locust nor the service's code."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from http import HTTPStatus

PATH = "/classify"
# Texts in one request, and how many requests in a hundred hold so many.
SIZES = {1: 90, 2: 4, 4: 3, 8: 3}
_SHOWN_CHARACTERS = 120


def draw(texts: Sequence[str], rng: random.Random) -> list[str]:
    """Draw the texts of one request."""
    (size,) = rng.choices(list(SIZES), weights=list(SIZES.values()))
    return rng.choices(texts, k=size)


def body(texts: Sequence[str]) -> bytes:
    """Return the JSON body that asks for `texts`."""
    return json.dumps({"texts": texts}, ensure_ascii=False).encode()


def row_name(size: int) -> str:
    """Return the name under which Locust counts requests with `size` texts."""
    return f"{PATH} {size} {'text' if size == 1 else 'texts'}"


ROW_SIZES = {row_name(size): size for size in SIZES}


def problem(status: int, content: bytes, count: int) -> str | None:
    """Say what is wrong with the answer to a request of `count` texts, or None when it is right."""
    try:
        answer = json.loads(content)
    except ValueError:
        return f"HTTP {status}, not JSON"
    if status != HTTPStatus.OK:
        error = answer.get("error") if isinstance(answer, dict) else answer
        return f"HTTP {status}: {str(error)[:_SHOWN_CHARACTERS]}"
    if not isinstance(answer, list):
        return f"a JSON {type(answer).__name__} instead of a list"
    if len(answer) != count:
        return f"{len(answer)} results for {count} texts"
    return next((flaw for result in answer if (flaw := _flaw(result))), None)


def _flaw(result: object) -> str | None:
    if not isinstance(result, dict):
        return f"a result that is a JSON {type(result).__name__} instead of an object"
    label, score = result.get("label"), result.get("score")
    if not isinstance(label, str) or not label:
        return "a result without a label"
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return "a result without a score between 0 and 1"
    return None
