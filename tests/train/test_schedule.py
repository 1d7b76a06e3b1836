from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerControl, TrainerState, TrainingArguments

from train.schedule import Budget, Schedule


def after(schedule: Schedule, spent: float) -> Schedule:
    schedule.spent = spent
    return schedule


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    schedule = Schedule(100, 0.1)
    factors = [schedule(step) for step in range(101)]
    assert factors[0] > 0
    assert factors[10] == pytest.approx(1)
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == 0
    assert max(factors) == pytest.approx(1)


def test_without_warmup_the_rate_starts_at_its_peak() -> None:
    assert Schedule(10, 0.0)(0) == 1


@given(steps=st.integers(1, 50), seconds=st.floats(0.5, 50), step=st.integers(0, 60), spent=st.floats(0, 60))
def test_whichever_runs_out_first_ends_it(steps: int, seconds: float, step: int, spent: float) -> None:
    schedule = after(Schedule(steps, 0.1, seconds), spent)
    assert (schedule.done(step) >= 1) == (step >= steps or spent >= seconds)
    assert 0 <= schedule(step) <= 1


def test_seconds_shrink_the_schedule() -> None:
    assert after(Schedule(100, 0.0, 10.0), 5.0)(1) == pytest.approx(0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def stepped(budget: Budget, clock: Clock, tmp_path: Path, seconds: list[float]) -> list[tuple[bool, bool]]:
    """Return after each step whether to save and whether to stop."""
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    state = TrainerState()
    budget.on_train_begin(arguments, state, TrainerControl())
    found = []
    for number, passed in enumerate(seconds, start=1):
        clock.now += passed
        state.global_step = number
        control = TrainerControl()
        budget.on_step_end(arguments, state, control)
        found.append((control.should_save, control.should_training_stop))
    return found


def test_it_saves_in_intervals_and_at_the_end_of_the_seconds(tmp_path: Path) -> None:
    clock, schedule = Clock(), Schedule(100, 0.0, 10.0)
    found = stepped(Budget(schedule, 3.0, clock), clock, tmp_path, [2, 2, 2, 2, 3])
    assert found == [(False, False), (True, False), (False, False), (True, False), (True, True)]
    assert schedule.spent == 11


def test_it_saves_after_the_last_step(tmp_path: Path) -> None:
    clock = Clock()
    found = stepped(Budget(Schedule(3, 0.0), math.inf, clock), clock, tmp_path, [1, 1, 1])
    assert found == [(False, False), (False, False), (True, True)]


def test_seconds_of_an_earlier_process_count(tmp_path: Path) -> None:
    clock = Clock()
    schedule = after(Schedule(100, 0.0, 10.0), 9.5)
    assert stepped(Budget(schedule, math.inf, clock), clock, tmp_path, [1]) == [(True, True)]
