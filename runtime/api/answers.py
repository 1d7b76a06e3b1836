"""Results of one request as its answer: predictions, or one error that names the texts without one."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from runtime.api.errors import MOST_DETAILS, ErrorResponse
from runtime.api.isolation import Failure
from runtime.api.schemas import PREDICTIONS, Prediction


def answer(results: Sequence[Prediction | Failure]) -> Response:
    """Return the predictions as JSON in UTF-8, or the gravest failure with the places of all."""
    failures = {place: found for place, found in enumerate(results) if isinstance(found, Failure)}
    if failures:
        return _failed(failures)
    predictions = [found for found in results if isinstance(found, Prediction)]
    return Response(PREDICTIONS.dump_json(predictions), media_type="application/json")


def _failed(failures: dict[int, Failure]) -> ErrorResponse:
    detail = [
        {"loc": ["texts", place], "msg": f"texts[{place}] {failure.sentence}"}
        for place, failure in failures.items()
    ]
    worst = max(failures, key=lambda place: failures[place].status)
    sentence = f"texts[{worst}] {failures[worst].sentence}"
    return ErrorResponse(failures[worst].status, sentence, detail[:MOST_DETAILS])
