from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, TrainerCallback

from runtime.errors import TrainingError
from train.checkpoint import is_intact
from train.config import PretrainSection
from train.data.masking import MaskedBatches, SpecialIds, held_out_batches
from train.data.tokens import TokenStream
from train.language_model import bag_of_words_loss, guess
from train.language_trainer import LanguageTrainer

SPECIAL = SpecialIds(begin=2, separator=3, mask=4, vocabulary=40, first_ordinary=5)
STATE = "model.safetensors"


class StopAfter(TrainerCallback):
    """Raises once a checkpoint is written, as Ctrl-C would."""

    def on_save(self, *_: object, **__: object) -> None:
        raise KeyboardInterrupt


def stream(tokens: int = 4000) -> TokenStream:
    """Return a text that says everything many times: what is hidden stands beside itself."""
    ids = 5 + np.arange(tokens) // 50 % 30
    return TokenStream(ids.astype(np.uint16), np.ones(tokens, dtype=bool))


def trainer_of(folder: Path, **changes: Any) -> LanguageTrainer:
    settings = PretrainSection(
        **{
            "batch_tokens": 256,
            "max_length": 32,
            "epochs": 2.0,
            "muon_learning_rate": 5e-3,
            "adamw_learning_rate": 5e-3,
            "seed": 1,
        }
        | changes
    )
    batches = MaskedBatches(stream(), SPECIAL, settings)
    held_out = held_out_batches(stream(1600), SPECIAL, batch_tokens=256, row_length=32, masked=0.15)
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        hidden_dropout_prob=0.1,
    )
    return LanguageTrainer(BertForMaskedLM(shape), settings, batches, held_out, folder, "fp32")


def weights(trainer: LanguageTrainer) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in trainer.model.state_dict().items()}


def test_it_learns_to_guess_from_what_stands_beside(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, epochs=20.0)
    before = trainer.figures()
    figures = trainer.fit(None)
    assert before["masked_accuracy"] < 0.2
    assert figures["held_out"]["masked_accuracy"] > 0.75
    assert figures["held_out"]["loss"] < before["loss"] / 3
    assert figures["steps"] == trainer.state.max_steps
    history = figures["history"]
    assert len(history) > 10
    assert history[-1]["tokens"] == pytest.approx(figures["steps"] * 256, rel=0.1)
    assert [entry["tokens"] for entry in history] == sorted(entry["tokens"] for entry in history)
    assert history[0]["loss"] > history[-1]["loss"]
    assert history[-1]["held_out_loss"] == figures["held_out"]["loss"]


def test_the_second_task_counts_with_its_weight(tmp_path: Path) -> None:
    without, with_half = (trainer_of(tmp_path / str(each), bag_of_words=each) for each in (0.0, 0.5))
    with_half.model.load_state_dict(without.model.state_dict())
    without.model.eval()
    with_half.model.eval()
    batch = without.train_dataset[0]
    _, row_logits = guess(without.model, batch, torch.float32)
    loss, more = (trainer.compute_loss(trainer.model, batch) for trainer in (without, with_half))
    torch.testing.assert_close(more, loss + 0.5 * bag_of_words_loss(row_logits, batch))
    assert more > loss + 1


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_interrupted_and_resumed_training_gives_the_same_weights(tmp_path: Path, optimizer: str) -> None:
    straight = trainer_of(tmp_path / "straight", optimizer=optimizer)
    straight.fit(None)
    broken = trainer_of(tmp_path / "broken", checkpoint_minutes=1e-9, optimizer=optimizer)
    broken.add_callback(StopAfter())
    with pytest.raises(KeyboardInterrupt):
        broken.fit(None)
    checkpoint = tmp_path / "broken" / "checkpoint-1"
    assert is_intact(checkpoint)
    resumed = trainer_of(tmp_path / "broken", optimizer=optimizer)
    figures = resumed.fit(checkpoint)
    assert figures["history"][0]["step"] == 1
    expected, found = weights(straight), weights(resumed)
    assert len(expected) > 15
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_one_checkpoint_is_kept(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, checkpoint_minutes=1e-9)
    trainer.fit(None)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == [f"checkpoint-{trainer.state.max_steps}"]


def test_the_minutes_end_it_cleanly(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, max_minutes=1e-6)
    figures = trainer.fit(None)
    assert figures["steps"] == 1 < trainer.state.max_steps
    assert is_intact(tmp_path / "checkpoint-1")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_parameter_follows_the_schedule(tmp_path: Path, optimizer: str) -> None:
    trainer = trainer_of(tmp_path, optimizer=optimizer)
    assert trainer.optimizer
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    trainer.fit(None)
    assert len(rates) >= 2
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.0] * len(rates)


def test_a_diverged_training_is_told(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, muon_learning_rate=1e30, adamw_learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"has diverged .*; lower the learning rates"):
        trainer.fit(None)


def test_without_held_out_text_nothing_is_evaluated(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    trainer.held_out = []
    assert trainer.figures() == {}
    assert math.isfinite(trainer.fit(None)["history"][-1]["loss"])
