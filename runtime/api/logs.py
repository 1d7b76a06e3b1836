"""Keeps the texts of requests out of the log: exceptions are told by type and place, never by message."""

from __future__ import annotations

import logging
import traceback

from pydantic import ValidationError

_FRAMEWORK_LOGGER = "bentoml._internal.server.http_app"


def describe_without_message(error: BaseException) -> str:
    """Return the traceback of an exception and its causes without messages, which quote what was given."""
    parts = []
    seen: BaseException | None = error
    while seen is not None:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        parts.append(f"{frames}{type(seen).__module__}.{type(seen).__qualname__}")
        seen = seen.__cause__ or seen.__context__
    return "\ncaused by\n".join(parts)


def report(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log an error by type and place."""
    logger.error("%s:\n%s", what, describe_without_message(error))


class WithoutTexts(logging.Filter):
    """Drops what BentoML logs for a client's mistake and takes the messages out of the other tracebacks.

    BentoML logs every 4xx as an error with its traceback, and pydantic's messages quote the input: one
    client's typing errors would bury the log, and texts would stand in it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be logged, after taking the messages out of it."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        if isinstance(error, ValidationError) or getattr(error, "error_code", 500) < 500:
            return False
        record.exc_info = None
        record.exc_text = describe_without_message(error)
        return True


_FILTER = WithoutTexts()


def keep_texts_out_of_the_log() -> None:
    """Filter the logger through which BentoML reports exceptions of requests; twice is once."""
    logging.getLogger(_FRAMEWORK_LOGGER).addFilter(_FILTER)
