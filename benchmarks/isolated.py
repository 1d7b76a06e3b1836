"""Runs a function in a process of its own: engines share neither threads nor memory; it knows no engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class IsolationError(RuntimeError):
    """The process ended before it had a result; the message is one sentence for the user."""


def isolated(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a function of a module in a new process and return its result, or raise what it raised.

    Raises
    ------
    IsolationError
        The process was killed.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments, **options).result()
        except BrokenProcessPool as error:
            raise IsolationError(
                "a measuring process was killed, as the kernel does where memory is short; "
                "choose fewer --texts or a smaller --shape."
            ) from error
