"""Masked language modelling with BERT: model, forward pass and figures; it knows no corpus and no loop.

The head and, after its attention, the last layer compute the hidden tokens and `[CLS]` alone; precision is
the matter of `train.half_precision`. What `[CLS]` has become also names the hidden words of its row in any
order: guessing words at their places never asks it to sum a text up. Near kin: the bag of words of RetroMAE-2
(Xiao et al., arXiv 2305.02564).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM

from train.half_precision import compute

if TYPE_CHECKING:
    from train.data.masking import MaskedBatch

Figures = dict[str, float]


def guess(model: BertForMaskedLM, batch: MaskedBatch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return what the model holds for the hidden tokens, computed in `dtype`.

    Returns
    -------
    logits : of shape (guesses, vocabulary)
        For each hidden token, from its place.
    row_logits : of shape (rows, vocabulary)
        For all hidden tokens of a row, from its `[CLS]`.
    """
    rows, length = batch["input_ids"].shape
    firsts = torch.arange(rows, device=batch["places"].device) * length
    logits = compute(_Guesser(model), dtype, batch["input_ids"], torch.cat([batch["places"], firsts]))
    return logits[:-rows], logits[-rows:]


def loss_and_hits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy in nats, and how many guesses are right."""
    return functional.cross_entropy(logits.float(), targets), (logits.argmax(dim=-1) == targets).sum()


def bag_of_words_loss(row_logits: Tensor, batch: MaskedBatch) -> Tensor:
    """Return the mean cross-entropy of the hidden tokens, each guessed by the `[CLS]` of its row, in nats."""
    rows = batch["places"] // batch["input_ids"].shape[1]
    return -row_logits.float().log_softmax(dim=-1)[rows, batch["targets"]].mean()


@torch.no_grad()
def evaluate(model: BertForMaskedLM, batches: Iterable[MaskedBatch], dtype: torch.dtype) -> Figures:
    """Return `loss` in nats per hidden token and `masked_accuracy` over all batches; 0 guesses give NaN."""
    was_training = model.training
    model.train(False)
    device = next(model.parameters()).device
    loss, hits, guesses = 0.0, 0, 0
    for batch in batches:
        on_device: MaskedBatch = {name: tensor.to(device) for name, tensor in batch.items()}  # type: ignore[assignment, attr-defined]
        mean, right = loss_and_hits(guess(model, on_device, dtype)[0], on_device["targets"])
        count = len(on_device["targets"])
        loss, hits, guesses = loss + float(mean) * count, hits + int(right), guesses + count
    model.train(was_training)
    return (
        {"loss": loss / guesses, "masked_accuracy": hits / guesses}
        if guesses
        else dict.fromkeys(("loss", "masked_accuracy"), float("nan"))
    )


def operations_per_token(config: BertConfig, row_length: float, masked: float) -> float:
    """Return the floating-point operations of forward and backward pass per token, products alone.

    Two per weight and multiplication forwards, twice that backwards; attention does 4 · row_length ·
    hidden_size per layer forwards; the head and the last layer after its attention compute the hidden share
    and a token per row.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    attention = 3 * width * width + 2 * row_length * width
    output = width * width + 2 * width * config.intermediate_size
    head = width * width + width * config.vocab_size
    read = masked + 1 / row_length
    return float(6 * (layers * attention + (layers - 1 + read) * output + read * head))


class _Guesser(nn.Module):
    """What `compute` calls."""

    def __init__(self, model: BertForMaskedLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, dtype: torch.dtype, input_ids: Tensor, places: Tensor) -> Tensor:
        hidden = self.model.bert.embeddings(input_ids=input_ids).to(dtype)
        *layers, last = self.model.bert.encoder.layer
        for layer in layers:
            hidden = layer(hidden)
        logits: Tensor = self.model.cls(_at(places, last, hidden))
        return logits


def _at(places: Tensor, layer: Any, hidden: Tensor) -> Tensor:  # noqa: ANN401 - a BertLayer
    """Compute an encoder layer, after its attention only where it is read: → (places, width)."""
    attended, _ = layer.attention.self(hidden)
    chosen, before = (values.flatten(0, 1).index_select(0, places) for values in (attended, hidden))
    found: Tensor = layer.feed_forward_chunk(layer.attention.output(chosen, before))
    return found
