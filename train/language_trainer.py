"""Trainer for masked language models with a wall-clock budget; it knows no files but its checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    BertForMaskedLM,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from typing_extensions import override

from runtime.errors import TrainingError
from train import language_model
from train.config import PretrainSection
from train.data.masking import MaskedBatch, MaskedBatches
from train.half_precision import prepare
from train.optimizer import MuonAndAdamW, adamw
from train.schedule import Budget, Schedule
from train.trainer import SealingTrainer

logger = logging.getLogger(__name__)

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_HELD_OUT = "held_out_"
_REPORTS = 50
"""Log entries of a whole training."""


class LanguageTrainer(SealingTrainer):
    """Trains on whole batches in the order of the dataset, and evaluates wherever it saves.

    Parameters
    ----------
    model : BertForMaskedLM
        In float32; trained in place.
    settings : PretrainSection
    batches : MaskedBatches
    held_out : list of MaskedBatch
        May be empty; then nothing is evaluated.
    folder : Path
        Of the checkpoints.
    precision : "bf16" or "fp32"
    """

    def __init__(
        self,
        model: BertForMaskedLM,
        settings: PretrainSection,
        batches: MaskedBatches,
        held_out: Sequence[MaskedBatch],
        folder: Path,
        precision: str,
    ) -> None:
        arguments = _arguments(settings, folder, len(batches))
        self.dtype = _DTYPES[precision]
        self.held_out = held_out
        self._model = prepare(model, arguments.device)
        seconds = math.inf if settings.max_minutes is None else 60 * settings.max_minutes
        self.schedule = Schedule(len(batches), settings.warmup_ratio, seconds)
        self._meter = _Meter()
        self._bag_of_words = settings.bag_of_words
        optimizer = _optimizer(model, settings)
        factors: list[Callable[[int], float]] = [self.schedule] * len(optimizer.param_groups)
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=batches,
            data_collator=_the_only_one,
            optimizers=(optimizer, LambdaLR(optimizer, factors)),
            callbacks=[Budget(self.schedule, 60 * settings.checkpoint_minutes), _Report(self)],
        )

    def fit(self, last: Path | None) -> dict[str, Any]:
        """Train to the end of the budget, from a checkpoint where there is one, and return what came of it.

        Raises
        ------
        TrainingError
            The loss is no number any more, or the memory does not hold a batch.
        """
        try:
            self.train(resume_from_checkpoint=str(last) if last else None)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"{self.args.device} has too little memory for a step; lower pretrain.batch_tokens."
            ) from error
        self._check_finite()
        history = [entry for entry in self.state.log_history if "tokens" in entry]
        return {
            "precision": "bf16" if self.dtype is torch.bfloat16 else "fp32",
            "device": str(self.args.device),
            "parameters": self._model.num_parameters(),
            "steps": self.state.global_step,
            "seconds": round(self.schedule.spent, 1),
            "held_out": {
                name.removeprefix(_HELD_OUT): value
                for name, value in history[-1].items()  # there was a checkpoint at the end
                if name.startswith(_HELD_OUT)
            },
            "history": history,
        }

    def figures(self) -> dict[str, float]:
        """Return loss and masked accuracy on the held-out text, in the precision of training."""
        found = language_model.evaluate(self._model, self.held_out, self.dtype) if self.held_out else {}
        return {name: round(value, 4) for name, value in found.items()}

    def meter(self) -> dict[str, float]:
        """Return loss and masked accuracy of the steps since the last call, and tokens per second."""
        seen, self._meter = self._meter.read(), _Meter()
        return seen

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of the hidden tokens of a batch, and the weighted one of its rows."""
        batch: MaskedBatch = inputs  # type: ignore[assignment]
        logits, row_logits = language_model.guess(self._model, batch, self.dtype)
        loss, hits = language_model.loss_and_hits(logits, batch["targets"])
        self._meter.add(loss.detach(), hits, len(batch["targets"]), batch["input_ids"].numel())
        return loss + self._bag_of_words * language_model.bag_of_words_loss(row_logits, batch)

    def _check_finite(self) -> None:
        losses = [entry["loss"] for entry in self.state.log_history if "tokens" in entry]
        if losses and not math.isfinite(losses[-1]):
            raise TrainingError(
                f"training has diverged by step {self.state.global_step}, its loss is not a finite number; "
                "lower the learning rates of pretrain and start over without --resume."
            )


class _Meter:
    """Adds up what steps gave, on their device, and reads it off rarely: reading waits for a GPU."""

    def __init__(self) -> None:
        self._loss: Tensor | float = 0.0
        self._hits: Tensor | float = 0.0
        self._guesses = 0
        self._tokens = 0
        self._started = time.monotonic()

    def add(self, loss: Tensor, hits: Tensor, guesses: int, tokens: int) -> None:
        self._loss = self._loss + loss * guesses
        self._hits = self._hits + hits
        self._guesses += guesses
        self._tokens += tokens

    def read(self) -> dict[str, float]:
        seconds = max(1e-9, time.monotonic() - self._started)
        return {
            "loss": float(self._loss) / max(1, self._guesses),
            "masked_accuracy": float(self._hits) / max(1, self._guesses),
            "tokens_per_second": self._tokens / seconds,
            "tokens": float(self._tokens),
        }


class _Report(TrainerCallback):
    """Writes a line of figures now and then, and those of the held-out text before every checkpoint."""

    def __init__(self, trainer: LanguageTrainer) -> None:
        self._trainer = trainer
        self._tokens = 0.0
        self._reported = 0.0

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Go on counting tokens where a checkpoint stood."""
        counted = [entry["tokens"] for entry in state.log_history if "tokens" in entry]
        self._tokens = counted[-1] if counted else 0.0
        self._reported = self._trainer.schedule.done(state.global_step)
        self._trainer.meter()

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report after every fiftieth part of the budget, and where a checkpoint is due."""
        done = self._trainer.schedule.done(state.global_step)
        if control.should_save or done - self._reported >= 1 / _REPORTS:
            self._reported = done
            self._report(state, done, is_checkpoint=control.should_save)

    def _report(self, state: TrainerState, done: float, *, is_checkpoint: bool) -> None:
        seen = self._trainer.meter()
        self._tokens += seen["tokens"]
        held_out = self._trainer.figures() if is_checkpoint else {}
        entry = {
            "step": state.global_step,
            "tokens": self._tokens,
            "seconds": round(self._trainer.schedule.spent, 1),
            **{name: round(seen[name], 4) for name in ("loss", "masked_accuracy", "tokens_per_second")},
            **{f"{_HELD_OUT}{name}": value for name, value in held_out.items()},
        }
        state.log_history.append(entry)
        logger.info("%s", _line(entry, done))


def _line(entry: Mapping[str, float], done: float) -> str:
    text = (
        f"{done:4.0%}, step {entry['step']:,}, {entry['tokens'] / 1e6:,.1f} M tokens at "
        f"{entry['tokens_per_second']:,.0f} tokens/s, loss {entry['loss']:.3f}, "
        f"masked accuracy {entry['masked_accuracy']:.3f}"
    )
    if "held_out_loss" not in entry:
        return text
    return f"{text}; held out {entry['held_out_loss']:.3f}, {entry['held_out_masked_accuracy']:.3f}"


def _arguments(settings: PretrainSection, folder: Path, steps: int) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder.absolute()),
        max_steps=steps,
        per_device_train_batch_size=1,  # of whole batches
        train_sampling_strategy="sequential",  # the dataset shuffles by itself, the same way when resumed
        seed=settings.seed,
        use_cpu=not torch.accelerator.is_available(),
        dataloader_pin_memory=torch.accelerator.is_available(),
        save_strategy="no",  # `Budget` says when
        logging_strategy="no",
        remove_unused_columns=False,
        max_grad_norm=1.0,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # noqa: SLF001 - several would share every batch
    return arguments


def _optimizer(model: nn.Module, settings: PretrainSection) -> Optimizer:
    if settings.optimizer == "adamw":
        return adamw(model, rate=settings.adamw_learning_rate, weight_decay=settings.weight_decay)
    return MuonAndAdamW(
        model,
        matrix_rate=settings.muon_learning_rate,
        other_rate=settings.adamw_learning_rate,
        weight_decay=settings.weight_decay,
    )


def _the_only_one(batches: Sequence[MaskedBatch]) -> MaskedBatch:
    return batches[0]
