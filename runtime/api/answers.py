"""Results of one request as its answer: predictions, or one error that names the texts without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from runtime.api.errors import MOST_DETAILS, ErrorResponse
from runtime.api.schemas import ANSWERS, PREDICTIONS, Prediction, TextError
from runtime.isolation import Failure

_ONLY_THAT_TEXT = HTTPStatus.INTERNAL_SERVER_ERROR


def answer(results: Sequence[Prediction | Failure | None] | Failure) -> Response:
    """Return the answers of one request as JSON in UTF-8.

    Where the engine failed on some texts only, they have an error in place of a prediction. Every other
    failure, and one of all texts, is the answer to the whole request: the gravest, with the places of all.

    Parameters
    ----------
    results : sequence or Failure
        A prediction or a failure per text, None where another text's failure made it pointless; or one
        failure of the whole request.
    """
    if isinstance(results, Failure):
        return ErrorResponse(results.status, results.sentence, retry_after=results.retry_after)
    predictions = [found for found in results if isinstance(found, Prediction)]
    if len(predictions) == len(results):
        return Response(PREDICTIONS.dump_json(predictions), media_type="application/json")
    failures = {place: found for place, found in enumerate(results) if isinstance(found, Failure)}
    if not predictions or any(found.status != _ONLY_THAT_TEXT for found in failures.values()):
        return _failed(failures)
    items = [
        found if isinstance(found, Prediction) else TextError(error=_sentence(place, failures[place]))
        for place, found in enumerate(results)
    ]
    return Response(ANSWERS.dump_json(items), media_type="application/json")


def _failed(failures: Mapping[int, Failure]) -> ErrorResponse:
    detail = [
        {"loc": ["texts", place], "msg": _sentence(place, failure)} for place, failure in failures.items()
    ]
    worst = max(failures, key=lambda place: failures[place].status)
    found = failures[worst]
    return ErrorResponse(
        found.status, _sentence(worst, found), detail[:MOST_DETAILS], retry_after=found.retry_after
    )


def _sentence(place: int, failure: Failure) -> str:
    return f"texts[{place}] {failure.sentence}"
