"""A function in a process of its own returns, raises, or says that it was killed."""

from __future__ import annotations

import os

import pytest

from benchmarks.isolated import IsolationError, isolated


def test_another_process_computes() -> None:
    assert isolated(os.getpid) != os.getpid()
    assert isolated(divmod, 7, 2) == (3, 1)


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        isolated(divmod, 1, 0)


def test_a_killed_process_is_told_in_a_sentence() -> None:
    with pytest.raises(IsolationError, match="was killed"):
        isolated(os._exit, 9)
