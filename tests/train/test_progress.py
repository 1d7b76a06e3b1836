from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.progress import Progress
from transformers import TrainerControl, TrainerState, TrainingArguments

from train.progress import BarProgress, LineProgress, epoch_line, training_progress

FIGURES = {"eval_loss": 0.5, "eval_accuracy": 0.75, "eval_macro_f1": 0.7}


@pytest.fixture
def state() -> TrainerState:
    return TrainerState(global_step=3, max_steps=12, num_train_epochs=4, epoch=1.0)


@pytest.fixture
def arguments(tmp_path_factory: pytest.TempPathFactory) -> TrainingArguments:
    return TrainingArguments(output_dir=str(tmp_path_factory.mktemp("out")), use_cpu=True, report_to="none")


def test_without_a_terminal_every_report_is_a_line(
    state: TrainerState, arguments: TrainingArguments, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with training_progress() as callback:
        assert isinstance(callback, LineProgress)
        callback.on_train_begin(arguments, state, TrainerControl())
        callback.on_log(arguments, state, TrainerControl(), logs={"loss": 0.25})
        callback.on_log(arguments, state, TrainerControl(), logs={"train_runtime": 3.0})
        callback.on_evaluate(arguments, state, TrainerControl(), metrics=FIGURES)
    assert caplog.messages == ["step 3 of 12, loss 0.2500, 0:00 left", epoch_line(state, FIGURES)]
    assert caplog.messages[1] == "epoch 1 of 4: dev loss 0.5000, accuracy 0.7500, macro-F1 0.7000"


def test_with_a_terminal_a_bar_moves_and_epochs_stay(
    state: TrainerState, arguments: TrainingArguments
) -> None:
    written = io.StringIO()
    with Progress(console=Console(file=written, force_terminal=True, width=100)) as bar:
        callback = BarProgress(bar)
        callback.on_train_begin(arguments, state, TrainerControl())
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (3, 12)
        state.global_step = 7
        callback.on_step_end(arguments, state, TrainerControl())
        assert bar.tasks[0].completed == 7
        callback.on_evaluate(arguments, state, TrainerControl(), metrics=FIGURES)
    assert "epoch 1 of 4" in written.getvalue()


def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with training_progress() as callback:
        assert isinstance(callback, BarProgress)
