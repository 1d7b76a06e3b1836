"""Shows how training goes: a bar with a terminal, plain lines without one; it changes nothing."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

logger = logging.getLogger(__name__)


@contextmanager
def training_progress() -> Iterator[TrainerCallback]:
    """Yield the callback that fits standard error, and give a terminal back in order at the end."""
    if not sys.stderr.isatty():
        yield LineProgress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield BarProgress(bar)


class LineProgress(TrainerCallback):
    """Logs a line for every report of the loss, ten per epoch, and one for every epoch."""

    def __init__(self) -> None:
        self._started = 0.0
        self._first_step = 0

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self._started, self._first_step = time.monotonic(), state.global_step

    @override
    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log the loss and the time left."""
        loss = kwargs["logs"].get("loss")
        if loss is not None:
            left = self._time_left(state)
            logger.info("step %d of %d, loss %.4f, %s left", state.global_step, state.max_steps, loss, left)

    @override
    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log the figures of an epoch."""
        logger.info("%s", epoch_line(state, kwargs["metrics"]))

    def _time_left(self, state: TrainerState) -> str:
        per_step = (time.monotonic() - self._started) / max(1, state.global_step - self._first_step)
        minutes, seconds = divmod(round(per_step * (state.max_steps - state.global_step)), 60)
        return f"{minutes}:{seconds:02d}"


class BarProgress(TrainerCallback):
    """Moves a bar with every optimizer step and prints a line above it for every epoch."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Draw the bar where a resumed training stands."""
        self._task = self._bar.add_task("training", total=state.max_steps, completed=state.global_step)

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move on by a step."""
        if self._task is not None:
            self._bar.update(self._task, completed=state.global_step)

    @override
    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Print the figures of an epoch."""
        self._bar.console.print(epoch_line(state, kwargs["metrics"]), highlight=False)


def epoch_line(state: TrainerState, figures: Mapping[str, float]) -> str:
    """Return the line of a finished epoch."""
    return (
        f"epoch {state.epoch or 0:.0f} of {state.num_train_epochs}: dev loss {figures['eval_loss']:.4f}, "
        f"accuracy {figures['eval_accuracy']:.4f}, macro-F1 {figures['eval_macro_f1']:.4f}"
    )
