"""Keeps the texts of requests out of the log: exceptions are told by type and place, never by message."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus

from pydantic import ValidationError

from runtime.errors import BentobertError


def describe_without_message(error: BaseException) -> str:
    """Return the traceback of an exception and its causes without messages, which quote what was given."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return "\ncaused by\n".join(
        f"{''.join(traceback.format_tb(seen.__traceback__))}{type(seen).__module__}.{type(seen).__qualname__}"
        for seen in chain
    )


def report(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log an error by type and place."""
    logger.error("%s:\n%s", what, describe_without_message(error))


def tidy_the_log() -> None:
    """Filter what BentoML logs of requests and of the start; twice is once."""
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_without_texts)
    logging.getLogger("bentoml.serve").addFilter(_in_one_line)


def _without_texts(record: logging.LogRecord) -> bool:
    """Drop what is logged for a client's mistake, and take the messages out of all other tracebacks.

    BentoML logs every 4xx as an error with its traceback, and pydantic's messages quote the input: one
    client's mistakes would bury the log, and texts would stand in it.
    """
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    if (
        isinstance(error, ValidationError)
        or getattr(error, "error_code", 500) < HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return False
    record.exc_info = None
    overloaded = getattr(error, "error_code", 500) == HTTPStatus.SERVICE_UNAVAILABLE
    record.exc_text = type(error).__name__ if overloaded else describe_without_message(error)
    return True


def _in_one_line(record: logging.LogRecord) -> bool:
    """Take the traceback away from an error whose message says everything: a model that cannot be served."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BentobertError):
        record.exc_info = None
        record.exc_text = str(error)
    return True
