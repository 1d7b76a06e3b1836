"""The one training loop: Hugging Face `Trainer` with a loss handed in and checkpoints that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from typing_extensions import override

from runtime.errors import RecipeError
from train import metrics
from train.checkpoint import prune, seal
from train.config import FinetuneSection
from train.data.encoded import Collator, EncodedRows
from train.dropout import TokenDropout
from train.half_precision import Classify, compute, prepare
from train.optimizer import MuonAndAdamW

RANK = "rank"
_MUON_ITERATIONS = 3
"""Two fewer than in pre-training: a fifth less time on short texts, figures apart as those of seeds are."""
_TIE = 1e-6
"""Less than one row changes a metric of a million rows by."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""logits (rows, num_labels), labels (rows,) and rows of the optimizer step → share of that step's loss."""


def cross_entropy(logits: Tensor, labels: Tensor, rows_in_step: Tensor) -> Tensor:
    """Return the cross-entropy summed over these rows and divided by all rows of the optimizer step.

    Dividing by the step's rows makes two half batches with accumulation equal to one whole batch.
    """
    return functional.cross_entropy(logits.float(), labels, reduction="sum") / rows_in_step


class SealingTrainer(Trainer):
    """`Trainer` that seals a checkpoint once it is complete, and leaves standard output to the result."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - those of Trainer
        super().__init__(**arguments)
        self.remove_callback(PrinterCallback)  # it prints to standard output, which is for the result

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(str(self.args.output_dir))
        seal(folder / f"checkpoint-{self.state.global_step}")
        # Only now may older ones go: there is always one that can be resumed, and the best so far.
        prune(folder, keep={self.state.global_step, self.state.best_global_step or 0})


class ClassifierTrainer(SealingTrainer):
    """`Trainer` for classifiers.

    Parameters
    ----------
    model : PreTrainedModel
        Gives logits of shape (rows, num_labels); its configuration names the token that pads.
    arguments : TrainingArguments
        From `training_arguments`.
    rows : tuple of EncodedRows
        Training and development rows.
    settings : FinetuneSection
        The metric that chooses the best epoch, and the optimizer.
    callbacks : list of TrainerCallback
    loss : Loss
    token_dropout : TokenDropout or None
        What hides tokens in training.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        arguments: TrainingArguments,
        rows: tuple[EncodedRows, EncodedRows],
        *,
        settings: FinetuneSection,
        callbacks: list[TrainerCallback],
        loss: Loss = cross_entropy,
        token_dropout: TokenDropout | None = None,
    ) -> None:
        def loss_of_outputs(
            outputs: Mapping[str, Tensor], labels: Tensor, num_items_in_batch: Tensor
        ) -> Tensor:
            return loss(outputs["logits"], labels, num_items_in_batch)

        self._loss_of_outputs = loss_of_outputs
        self._token_dropout = token_dropout
        self._cpu_dtype: torch.dtype | None = None
        if arguments.device.type == "cpu":  # where autocast is the slower way to bf16
            self._cpu_dtype = torch.bfloat16 if arguments.bf16 else torch.float32
            arguments.bf16 = False
            prepare(model, arguments.device)
        super().__init__(
            model=model,
            args=arguments,
            optimizers=(
                _muon(model, settings, arguments.device) if settings.optimizer == "muon" else None,
                None,
            ),
            train_dataset=rows[0],
            eval_dataset=rows[1],
            data_collator=Collator(model.config.pad_token_id or 0),
            compute_loss_func=loss_of_outputs,
            compute_metrics=dev_figures(settings.metric),
            callbacks=callbacks,
        )

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss, and with `return_outputs` a mapping with the logits too."""
        if self._token_dropout and model.training:
            inputs = {**inputs, "input_ids": self._token_dropout(inputs["input_ids"])}
        if self._cpu_dtype is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        arguments = (inputs[name] for name in ("input_ids", "token_type_ids", "attention_mask"))
        logits = compute(Classify(cast("PreTrainedModel", self.model)), self._cpu_dtype, *arguments)
        rows = torch.as_tensor(len(labels) if num_items_in_batch is None else num_items_in_batch)
        loss = self._loss_of_outputs({"logits": logits}, labels, rows)
        return (loss, {"logits": logits.float()}) if return_outputs else loss


def _muon(model: PreTrainedModel, settings: FinetuneSection, device: torch.device) -> Optimizer:
    """Return Muon and AdamW; Trainer's schedule takes each from its own peak."""
    model.to(device)  # type: ignore[arg-type] # first: an optimizer keeps the tensors that it is given
    return MuonAndAdamW(
        model,
        matrix_rate=settings.muon_learning_rate,
        other_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        iterations=_MUON_ITERATIONS,
    )


def training_arguments(
    settings: FinetuneSection, folder: Path, precision: str, rows: int
) -> TrainingArguments:
    """Translate the recipe into Trainer's terms; `rows` is the number of training rows."""
    steps = -(-rows // (settings.batch_size * settings.gradient_accumulation))
    arguments = TrainingArguments(
        output_dir=str(folder.absolute()),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=2 * settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        optim="adamw_torch_fused",  # a fifth less time per step of a small BERT on a CPU
        seed=settings.seed,
        bf16=precision == "bf16",
        use_cpu=not torch.accelerator.is_available(),
        dataloader_pin_memory=torch.accelerator.is_available(),
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=RANK,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps // 10),
        disable_tqdm=True,
        report_to="none",
    )
    # With several GPUs Trainer would split every batch over them and multiply its size by their number.
    arguments._n_gpu = min(1, arguments.n_gpu)  # noqa: SLF001 - there is no public way
    return arguments


def early_stopping(settings: FinetuneSection) -> TrainerCallback:
    """Stop after so many epochs without a better metric."""
    return EarlyStoppingCallback(early_stopping_patience=settings.early_stopping_patience)


def dev_figures(metric: str) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return what computes accuracy, macro-F1 and `rank`, by which the best epoch is chosen.

    `rank` is the chosen metric, ties broken by the lower loss: on a small dev set many epochs tie.
    """

    def figures(prediction: EvalPrediction) -> dict[str, float]:
        logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        matrix = metrics.confusion_matrix(labels.tolist(), logits.argmax(axis=1).tolist(), logits.shape[1])
        found = {"accuracy": float(metrics.accuracy(matrix)), "macro_f1": float(metrics.macro_f1(matrix))}
        loss = float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)))
        return {**found, RANK: found[metric] - _TIE * min(loss, 1.0)}

    return figures


def choose_precision(wanted: str) -> str:
    """Return "bf16" or "fp32": what was asked for, or for "auto" bf16 where the hardware multiplies in it.

    Raises
    ------
    RecipeError
        bf16 was asked for on a GPU that cannot.
    """
    has_bf16 = _cuda_has_bf16() if torch.cuda.is_available() else _cpu_has_bf16()
    if wanted == "auto":
        return "bf16" if has_bf16 else "fp32"
    if wanted == "bf16" and torch.cuda.is_available() and not has_bf16:
        name = torch.cuda.get_device_name()
        raise RecipeError(f"finetune.precision='bf16' does not work on {name}; set it to 'auto' or 'fp32'.")
    return wanted


def _cuda_has_bf16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _cpu_has_bf16() -> bool:
    if torch.accelerator.is_available():
        return False  # Apple's GPU: training runs there, and autocast to bf16 is no gain
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "sve_bf16"))
