"""The loop that users start from: one text at a time, float32, no batching; it knows nothing of `runtime`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class SeedLoop:
    """Loads a model as the documentation of transformers shows it.

    Parameters
    ----------
    directory : Path
        What `from_pretrained` reads.
    """

    def __init__(self, directory: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(directory)
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    def scores(self, text: str) -> list[float]:
        """Return the probability of every label for one text."""
        import torch

        inputs = self._tokenizer(text, return_tensors="pt", padding=True, truncation=True, max_length=512)
        with torch.no_grad():
            logits = self._model(**inputs).logits
        scores: list[float] = logits.softmax(dim=-1)[0].tolist()
        return scores

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Return the probability of the first label for each text."""
        return [self.scores(text)[0] for text in texts]
