"""Learning rate, checkpoints and end of a training with a wall-clock budget; it knows no model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override


class Schedule:
    """Factor of the learning rate: up over the first share of the budget, then down to 0 in a straight line.

    The budget is a number of steps, or seconds where they run out first. What is stored in a checkpoint is
    this object's fields, so that a resumed training goes on where it was.

    Parameters
    ----------
    steps : int
    warmup : float
        Share of the budget.
    seconds : float
        `inf` for no limit.
    """

    def __init__(self, steps: int, warmup: float, seconds: float = math.inf) -> None:
        self.steps = steps
        self.warmup = warmup
        self.seconds = seconds
        self.spent = 0.0

    def __call__(self, step: int) -> float:
        done = self.done(step)
        if done < self.warmup:
            # The first step has moved no clock and no counter, and would learn nothing.
            return min(1.0, max(done, 1 / self.steps) / self.warmup)
        return max(0.0, (1 - done) / (1 - self.warmup))

    def done(self, step: int) -> float:
        """Return which share of the budget is used up after so many steps, at most 1."""
        return min(1.0, max(step / self.steps, self.spent / self.seconds))


class Budget(TrainerCallback):
    """Counts the seconds of a schedule, saves in intervals, and ends training when they are used up.

    Parameters
    ----------
    schedule : Schedule
    checkpoint_seconds : float
        Between two checkpoints; there is one at the end in any case.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self, schedule: Schedule, checkpoint_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._schedule = schedule
        self._interval = checkpoint_seconds
        self._clock = clock
        self._last = 0.0
        self._saved = 0.0

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock; what earlier processes spent came with the checkpoint."""
        self._last = self._saved = self._clock()

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Spend the seconds of this step."""
        now = self._clock()
        self._schedule.spent += now - self._last
        self._last = now
        if self._schedule.done(state.global_step) >= 1:
            control.should_training_stop = True
        if control.should_training_stop or now - self._saved >= self._interval:
            control.should_save = True
            self._saved = now
