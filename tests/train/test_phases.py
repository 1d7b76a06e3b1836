from __future__ import annotations

import io
import logging
import sys

import pytest

from train import phases
from train.phases import phase


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "train")
    return caplog


def test_what_ends_soon_writes_nothing(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with phase("reading", clock) as report:
        clock.now += 1.9
        report(5, 10)
    assert lines.messages == []


def test_what_takes_long_writes_a_line_now_and_then_and_one_at_the_end(
    lines: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    with phase("reading", clock) as report:
        for done in range(0, 25_000, 1_000):
            report(done, 25_000)
            clock.now += 1
    assert lines.messages == [
        "reading: 2,000 of 25,000",
        "reading: 12,000 of 25,000",
        "reading: 22,000 of 25,000",
        "reading: done in 25 s",
    ]


def test_without_a_total_only_what_is_done_is_told(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with phase("reading", clock) as report:
        clock.now += 3
        report(1_234, 0)
    assert lines.messages == ["reading: 1,234", "reading: done in 3 s"]


def test_a_phase_that_fails_is_not_done(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def fail() -> None:
        with phase("reading", clock):
            clock.now += 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert lines.messages == []


def test_a_terminal_gets_a_bar_and_no_lines(
    monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(phases, "SILENT_SECONDS", 0)
    with phase("reading") as report:
        report(1, 0)
        report(7, 10)
    assert "reading" in terminal.getvalue()
    assert "7/10" in terminal.getvalue()
    assert lines.messages == []
