from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EvalPrediction,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from typing_extensions import override

from runtime.errors import RecipeError
from runtime.tokenizer import Tokenizer
from train import trainer as module
from train.config import FinetuneSection
from train.data.encoded import EncodedRows
from train.data.rows import Row
from train.dropout import TokenDropout
from train.trainer import (
    ClassifierTrainer,
    choose_precision,
    cross_entropy,
    dev_figures,
    early_stopping,
    training_arguments,
)

LABELS = ("a", "b")
STATE = "model.safetensors"
TRAININGS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "muon": {"precision": "fp32", "optimizer": "muon"},
    "token dropout": {"token_dropout": TokenDropout(0.3, mask_id=4, special_ids=(0, 2, 3))},
}


class StopAfter(TrainerCallback):
    """Raises once an epoch's checkpoint is written, as Ctrl-C would."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    @override
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if round(state.epoch or 0) == self._epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def rows(tiny_model_dir: Path) -> EncodedRows:
    tokenizer = Tokenizer.load(tiny_model_dir, 16)
    return encode(tokenizer, 12)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, rows: EncodedRows) -> dict[str, ClassifierTrainer]:
    """Return an uninterrupted training of each kind."""
    trained = {}
    for name, settings in TRAININGS.items():
        trained[name] = build(tmp_path_factory.mktemp(name), rows, **settings)
        trained[name].train()
    return trained


def encode(tokenizer: Tokenizer, count: int) -> EncodedRows:
    texts = [("好" if i % 2 else "差") * (1 + i % 9) for i in range(count)]
    given = [Row(text, None, LABELS[i % 2], "train.csv", i, i) for i, text in enumerate(texts)]
    return EncodedRows(given, LABELS, tokenizer, ())


def build(
    folder: Path,
    rows: EncodedRows,
    *callbacks: TrainerCallback,
    precision: str = "fp32",
    loss: Callable[..., torch.Tensor] = cross_entropy,
    dropout: float = 0.1,
    token_dropout: TokenDropout | None = None,
    **settings: object,
) -> ClassifierTrainer:
    chosen = FinetuneSection.model_validate(
        {"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "weight_decay": 0.1, "metric": "accuracy"}
        | settings
    )
    torch.manual_seed(chosen.seed)
    config = BertConfig(
        vocab_size=8000,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    arguments = training_arguments(chosen, folder, precision, len(rows))
    return ClassifierTrainer(
        BertForSequenceClassification(config),
        arguments,
        (rows, rows),
        settings=chosen,
        callbacks=list(callbacks),
        loss=loss,
        token_dropout=token_dropout,
    )


def weights(trainer: ClassifierTrainer) -> dict[str, torch.Tensor]:
    assert trainer.model is not None
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


def last(folder: Path) -> Path:
    return max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def losses(trainer: ClassifierTrainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("kind", TRAININGS)
@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(
    tmp_path: Path, rows: EncodedRows, whole: dict[str, ClassifierTrainer], kind: str, stop: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, rows, StopAfter(stop), **TRAININGS[kind]).train()
    resumed = build(tmp_path, rows, **TRAININGS[kind])
    torch.manual_seed(999)
    resumed.train(resume_from_checkpoint=str(last(tmp_path)))
    assert losses(resumed) == losses(whole[kind])
    assert len(losses(resumed)) >= 3
    uninterrupted = last(Path(str(whole[kind].args.output_dir)))
    assert (last(tmp_path) / STATE).read_bytes() == (uninterrupted / STATE).read_bytes()


def test_patience_counts_on_after_a_resume(tmp_path: Path, rows: EncodedRows) -> None:
    settings = FinetuneSection(early_stopping_patience=2)
    unchanging: dict[str, Any] = {
        "epochs": 6,
        "learning_rate": 1e-12,
        "loss": lambda logits, labels, rows: 0 * logits.sum(),
    }
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, rows, StopAfter(2), early_stopping(settings), **unchanging).train()
    resumed = build(tmp_path, rows, early_stopping(settings), **unchanging)
    resumed.train(resume_from_checkpoint=str(last(tmp_path)))
    assert resumed.state.epoch == 3


def test_the_seed_decides_what_is_trained(tmp_path: Path, rows: EncodedRows) -> None:
    found = []
    for run, seed in enumerate((1, 1, 2)):
        trainer = build(tmp_path / str(run), rows, epochs=1, seed=seed)
        trainer.train()
        found.append(weights(trainer)["classifier.weight"])
    first, again, other = found
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_half_batches_equal_one_whole_batch(tmp_path: Path, rows: EncodedRows) -> None:
    found = []
    for name, size, steps in (("whole", 8, 1), ("halves", 4, 2)):
        trainer = build(
            tmp_path / name, rows, batch_size=size, gradient_accumulation=steps, epochs=1, dropout=0.0
        )
        trainer.train()
        found.append(weights(trainer))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-5, rtol=1e-4)


def test_biases_and_layer_norms_do_not_decay(tmp_path: Path, rows: EncodedRows) -> None:
    trainer = build(tmp_path, rows)
    trainer.create_optimizer()
    assert trainer.model is not None
    names = {id(value): name for name, value in trainer.model.named_parameters()}
    assert trainer.optimizer is not None
    decayed, free = (
        {names[id(value)] for value in group["params"]}
        for group in sorted(trainer.optimizer.param_groups, key=lambda group: -group["weight_decay"])
    )
    assert all(name.endswith("bias") or "LayerNorm" in name for name in free)
    assert not any(name.endswith("bias") or "LayerNorm" in name for name in decayed)
    assert len(free) + len(decayed) == len(names)


def test_the_rate_rises_then_falls_to_zero(tmp_path: Path, rows: EncodedRows) -> None:
    trainer = build(tmp_path, rows, warmup_ratio=0.4, batch_size=2)
    trainer.train()
    rates = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(1e-3, rel=0.2)
    assert peak == pytest.approx(0.4 * len(rates), abs=1.5)


def test_muon_has_a_rate_of_its_own_for_the_matrices_of_the_encoder(
    tmp_path: Path, rows: EncodedRows
) -> None:
    trainer = build(tmp_path, rows, optimizer="muon", muon_learning_rate=3e-3, warmup_ratio=0.0)
    trainer.create_optimizer_and_scheduler(num_training_steps=10)
    assert trainer.model is not None
    assert trainer.optimizer is not None
    peaks = {
        id(weight): group["initial_lr"]
        for group in trainer.optimizer.param_groups
        for weight in group["params"]
    }
    for name, weight in trainer.model.named_parameters():
        of_muon = ".encoder." in name and weight.dim() == 2
        assert peaks[id(weight)] == (3e-3 if of_muon else 1e-3), name
    assert trainer.optimizer.param_groups[0]["ns_steps"] == 3
    trainer.train()
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.0] * 3


def test_tokens_are_hidden_in_training_alone(
    tmp_path: Path, rows: EncodedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[bool, set[int]] = {True: set(), False: set()}
    compute = module.compute

    def watched(task: Any, dtype: torch.dtype, *arguments: torch.Tensor) -> torch.Tensor:
        seen[task.model.training] |= set(arguments[0].unique().tolist())
        return compute(task, dtype, *arguments)

    monkeypatch.setattr(module, "compute", watched)
    build(tmp_path, rows, epochs=1, token_dropout=TokenDropout(0.5, 7, (0, 2, 3))).train()
    tokens = {token for number in range(len(rows)) for token in rows[number]["input_ids"]} | {0}
    assert seen == {True: tokens | {7}, False: tokens}


def test_texts_of_like_length_share_a_batch(tmp_path: Path, tiny_model_dir: Path) -> None:
    rows = encode(Tokenizer.load(tiny_model_dir, 16), 200)
    trainer = build(tmp_path, rows)
    shapes = [batch["input_ids"].shape for batch in trainer.get_train_dataloader()]
    padded = sum(rows_ * length for rows_, length in shapes)
    tokens = sum(len(rows[i]["input_ids"]) for i in range(len(rows)))
    assert sum(rows_ for rows_, _ in shapes) == len(rows)
    assert tokens <= padded < 1.1 * tokens


def test_another_loss_trains_another_model(tmp_path: Path, rows: EncodedRows) -> None:
    seen: list[tuple[torch.Size, torch.Size, int]] = []

    def smoothed(logits: torch.Tensor, labels: torch.Tensor, rows_in_step: torch.Tensor) -> torch.Tensor:
        seen.append((logits.shape, labels.shape, int(rows_in_step)))
        return cross_entropy(logits, 1 - labels, rows_in_step)

    trainers = [build(tmp_path / "a", rows, epochs=1), build(tmp_path / "b", rows, epochs=1, loss=smoothed)]
    for trainer in trainers:
        trainer.train()
    assert seen[0] == ((4, 2), (4,), 4)
    assert not torch.equal(*(weights(trainer)["classifier.weight"] for trainer in trainers))


def test_training_prints_nothing_to_standard_output(
    tmp_path: Path, rows: EncodedRows, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, rows, epochs=1).train()
    assert capsys.readouterr().out == ""


def test_ties_of_the_metric_go_to_the_lower_loss() -> None:
    def rank(logits: list[list[float]]) -> float:
        figures = dev_figures("accuracy")
        return figures(EvalPrediction(np.array(logits, dtype=np.float32), np.array([0, 1])))["rank"]

    unsure, sure, wrong = [[0.1, 0.0], [0.0, 0.1]], [[3.0, 0.0], [0.0, 3.0]], [[9.0, 0.0], [9.0, 0.0]]
    assert rank(sure) > rank(unsure) > rank(wrong)
    assert rank(unsure) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_chosen_metric_ranks(metric: str) -> None:
    prediction = EvalPrediction(np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]], np.array([0, 0, 0, 0, 2]))
    found = dev_figures(metric)(prediction)
    assert found["accuracy"] != pytest.approx(found["macro_f1"], abs=1e-3)
    assert found["rank"] == pytest.approx(found[metric], abs=1e-5)


@pytest.mark.parametrize(
    ("wanted", "gpu", "has_bf16", "chosen"),
    [
        ("auto", True, True, "bf16"),
        ("auto", True, False, "fp32"),
        ("auto", False, True, "bf16"),
        ("auto", False, False, "fp32"),
        ("fp32", True, True, "fp32"),
        ("bf16", True, True, "bf16"),
        ("bf16", False, False, "bf16"),
    ],
)
def test_precision_follows_the_wish_and_the_hardware(
    monkeypatch: pytest.MonkeyPatch, wanted: str, gpu: bool, has_bf16: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    monkeypatch.setattr(module, "_cpu_has_bf16", lambda: has_bf16)
    assert choose_precision(wanted) == chosen


def test_bf16_on_a_gpu_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an old GPU")
    with pytest.raises(RecipeError, match="does not work on an old GPU"):
        choose_precision("bf16")


@pytest.mark.parametrize(
    ("capability", "expected"), [("amx_bf16", True), ("avx512_bf16", True), ("avx512_f", False)]
)
def test_the_cpu_is_asked_for_bf16(monkeypatch: pytest.MonkeyPatch, capability: str, expected: bool) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    assert module._cpu_has_bf16() == expected


def test_several_gpus_do_not_multiply_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 4))
    arguments = training_arguments(FinetuneSection(batch_size=8), tmp_path, "fp32", 100)
    assert arguments._n_gpu == 1


def test_weight_decay_is_that_of_the_recipe(tmp_path: Path) -> None:
    settings = FinetuneSection(batch_size=8, weight_decay=0.07)
    assert training_arguments(settings, tmp_path, "fp32", 100).weight_decay == 0.07
