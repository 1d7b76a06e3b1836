"""Loads each contender without HTTP, as texts in and probabilities out; it takes no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.model import LABELS, MAX_LENGTH, Precision

BATCH_SIZE = 32
Engine = Callable[[Sequence[str]], list[float]]
"""Texts, however many → the probability of the first label for each."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an engine is loaded from and for."""

    directory: Path
    precision: Precision
    device: str
    threads: int


def seed_loop(options: Options) -> Engine:
    """Return the loop over single texts in float32."""
    from benchmarks.seed_loop import SeedLoop

    _prepare(options)
    return SeedLoop(options.directory)


def pipeline(options: Options) -> Engine:
    """Return Hugging Face's pipeline with padded batches in order of arrival."""
    import torch
    import transformers

    _prepare(options)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    classify: Any = transformers.pipeline(
        "text-classification", model=str(options.directory), device=options.device, dtype=dtype
    )

    def probabilities(texts: Sequence[str]) -> list[float]:
        answers = classify(list(texts), batch_size=BATCH_SIZE, truncation=True, max_length=MAX_LENGTH)
        return [first_probability(answer["label"], answer["score"]) for answer in answers]

    return probabilities


def classifier(options: Options) -> Engine:
    """Return the project's own classifier, warm."""
    from runtime.classifier import Classifier

    loaded = Classifier.load(options.directory, threads=options.threads, device=options.device)
    loaded.warm_up()
    return lambda texts: [prediction.scores[LABELS[0]] for prediction in loaded.predict(texts)]


LOADERS: dict[str, Callable[[Options], Engine]] = {
    "seed": seed_loop,
    "pipeline": pipeline,
    "classifier": classifier,
}
"""What a contender names → how it is loaded."""


def first_probability(label: str, score: float) -> float:
    """Return the probability of the first of two labels, whichever an answer names."""
    return score if label == LABELS[0] else 1 - score


def silence() -> None:
    """Keep the progress bars of transformers out of the report."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _prepare(options: Options) -> None:
    import torch

    silence()
    torch.set_num_threads(options.threads)
