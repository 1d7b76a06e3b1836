"""Small BERT classifiers with seeded random weights, as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

VOCAB_SIZE = 97


def write_model(directory: Path, **changed: Any) -> BertForSequenceClassification:
    """Save a model of five labels, three layers and 32 positions; fields of its config may differ."""
    config = BertConfig(
        **{
            "vocab_size": VOCAB_SIZE,
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "intermediate_size": 40,
            "max_position_embeddings": 32,
            "num_labels": 5,
            "initializer_range": 0.3,
        }
        | changed
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = BertForSequenceClassification(config).eval()
    model.save_pretrained(directory)
    return model


def swap_labels(directory: Path) -> None:
    """Swap the labels of a saved model of two in its weights."""
    path = directory / "model.safetensors"
    weights = load_file(path)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, path, {"format": "pt"})
