"""Nothing that a client sent reaches the log through an exception."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from runtime.errors import ProbeError
from runtime.logs import _without_texts, describe_without_message, tidy_the_log

REQUESTS = logging.getLogger("bentoml._internal.server.http_app")
START = logging.getLogger("bentoml.serve")
SECRET = "机密"


class Counted(BaseModel):
    count: int


class RefusedError(Exception):
    error_code = 404


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Collect what both loggers would write."""
    written: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    tidy_the_log()
    collector = Collector()
    for logger in (REQUESTS, START):
        logger.addHandler(collector)
    yield written
    for logger in (REQUESTS, START):
        logger.removeHandler(collector)


def fail_with(error: Exception) -> Exception:
    """Return an error that was raised because of another."""
    with pytest.raises(type(error)) as caught:
        _raise_because_of_a_text(error)
    return caught.value


def _raise_because_of_a_text(error: Exception) -> None:
    try:
        int(SECRET)
    except ValueError as cause:
        raise error from cause


def test_clients_mistakes_are_not_logged(lines: list[str]) -> None:
    try:
        Counted.model_validate({"count": SECRET})
    except ValueError:
        REQUESTS.exception("on /classify")
    REQUESTS.error("on /classify", exc_info=fail_with(RefusedError(SECRET)))
    assert lines == []


def test_our_failures_are_logged_by_type_and_place(lines: list[str]) -> None:
    REQUESTS.error("on /classify", exc_info=fail_with(RuntimeError(SECRET)))
    assert len(lines) == 1
    assert SECRET not in lines[0]
    assert "builtins.RuntimeError" in lines[0]
    assert "caused by" in lines[0]
    assert "in _raise_because_of_a_text" in lines[0]


def test_no_handler_gets_an_exception_whose_message_it_could_write() -> None:
    error = fail_with(RuntimeError(SECRET))
    record = REQUESTS.makeRecord("x", logging.ERROR, "", 0, "", (), (RuntimeError, error, None))
    assert _without_texts(record)
    assert record.exc_info is None
    assert SECRET not in str(record.exc_text)


def test_overload_is_told_without_its_traceback(lines: list[str]) -> None:
    error = fail_with(RefusedError(SECRET))
    error.error_code = 503  # type: ignore[attr-defined]
    REQUESTS.error("on /classify", exc_info=error)
    assert lines == ["on /classify\nRefusedError"]


def test_lines_without_exception_pass(lines: list[str]) -> None:
    REQUESTS.error("hello")
    assert lines == ["hello"]


def test_tidying_twice_is_tidying_once(lines: list[str]) -> None:
    filters = len(REQUESTS.filters)
    tidy_the_log()
    assert len(REQUESTS.filters) == filters


def test_a_model_that_cannot_be_served_is_told_in_one_line(lines: list[str]) -> None:
    START.error("cannot start", exc_info=fail_with(ProbeError("the probes differ; save it again.")))
    assert lines == ["cannot start\nthe probes differ; save it again."]


def test_other_failures_of_the_start_keep_their_traceback(lines: list[str]) -> None:
    START.error("cannot start", exc_info=fail_with(RuntimeError("no memory")))
    assert "Traceback" in lines[0]
    assert "no memory" in lines[0]


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert describe_without_message(first).count("RuntimeError") == 2
