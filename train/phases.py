"""Shows how far a phase of a command is: a bar with a terminal, lines without one; it changes nothing."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

Report = Callable[[int, int], None]
"""Takes how many are done and how many there are, 0 where nobody knows."""

SILENT_SECONDS = 2.0
"""What ends sooner needs no line."""

_SECONDS_BETWEEN = 10.0


@contextmanager
def phase(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """Yield a function to call with (done, total) as often as one likes.

    Parameters
    ----------
    name : str
        What is done, in a word or two.
    clock : callable
        Tells the time in seconds.
    """
    if sys.stderr.isatty():
        with _bar(name) as report:
            yield report
        return
    lines = _Lines(name, clock)
    yield lines.report
    lines.finish()


class _Lines:
    """Logs a line after two seconds, one every ten seconds then, and one at the end of all that."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name, self._clock = name, clock
        self._started = clock()
        self._next = self._started + SILENT_SECONDS

    def report(self, done: int, total: int) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN
            logger.info("%s: %s", self._name, f"{done:,} of {total:,}" if total else f"{done:,}")

    def finish(self) -> None:
        seconds = self._clock() - self._started
        if seconds >= SILENT_SECONDS:
            logger.info("%s: done in %.0f s", self._name, seconds)


@contextmanager
def _bar(name: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)
