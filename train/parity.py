"""How far an exported model is from the fp32 original, and whether that is near enough to serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.classifier import Classifier
from runtime.errors import TrainingError
from runtime.probes import softmax
from runtime.tokenizer import Encoding, pad
from train.artifact import probe_rows
from train.data.rows import Row

Scores = npt.NDArray[np.float32]

_NEIGHBOUR_ROWS = 24
_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export may differ: least share of equal labels, most points of accuracy lost, and the largest
    change of a probability by what else is in the batch."""

    label_agreement: float
    accuracy_drop: float
    neighbour_change: float


LIMITS: dict[str, Limits] = {
    "fp32": Limits(label_agreement=0.995, accuracy_drop=0.5, neighbour_change=1e-3),
    "bf16": Limits(label_agreement=0.995, accuracy_drop=0.5, neighbour_change=1e-2),
    "int8": Limits(label_agreement=0.99, accuracy_drop=0.5, neighbour_change=1e-2),
}
"""By precision."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export compares with the fp32 original on development rows; `accuracy_drop` in points.

    `neighbour_change` is the largest change of a probability of the export between a text alone, with short
    and with long neighbours.
    """

    rows: int
    label_agreement: float
    accuracy_drop: float
    max_probability_change: float
    neighbour_change: float


def compare(original: Classifier, exported: Classifier, rows: Sequence[Row]) -> Parity:
    """Classify the same rows with both and return the differences."""
    texts = [row.input for row in rows]
    before, after = original.predict_proba(texts), exported.predict_proba(texts)
    labels = original.manifest.labels
    return Parity(
        rows=len(rows),
        label_agreement=float(np.mean(before.argmax(axis=1) == after.argmax(axis=1))),
        accuracy_drop=100 * (_accuracy(before, rows, labels) - _accuracy(after, rows, labels)),
        max_probability_change=float(np.abs(before - after).max()),
        neighbour_change=neighbour_change(exported, rows),
    )


def neighbour_change(classifier: Classifier, rows: Sequence[Row]) -> float:
    """Return the largest change of a probability by what shares the forward pass with a text.

    Two dozen rows spread over labels and lengths run alone, before and behind the shortest rows, before and
    behind the longest, and between both.
    """
    ordered = sorted(classifier.encode([row.input for row in rows]), key=len)
    texts = classifier.encode([row.input for row in probe_rows(rows, _NEIGHBOUR_ROWS)])
    short, long = ordered[:_NEIGHBOURS], ordered[-_NEIGHBOURS:]
    seats: list[tuple[list[Encoding], int]] = [([], 0), (short, 0), (short, len(short)), (long, 0)]
    seats += [(long, len(long)), ([*short, *long], len(short))]
    found = np.stack(
        [
            [_one(classifier, others[:middle], text, others[middle:]) for text in texts]
            for others, middle in seats
        ]
    )
    return float((found.max(axis=0) - found.min(axis=0)).max())


def check(parity: Parity, precision: str, name: str) -> str:
    """Return what was found in a sentence.

    Raises
    ------
    TrainingError
        The export differs by more than `LIMITS` allow for its precision.
    """
    limits = LIMITS[precision]
    found = (
        f"{name} agrees with fp32 on {parity.label_agreement:.2%} of {parity.rows} dev rows and loses "
        f"{parity.accuracy_drop:.2f} points of accuracy, probabilities change by up to "
        f"{parity.max_probability_change:.4f}, and by {parity.neighbour_change:.1e} with the neighbours in a "
        "batch"
    )
    is_near = (
        parity.label_agreement >= limits.label_agreement
        and parity.accuracy_drop <= limits.accuracy_drop
        and parity.neighbour_change <= limits.neighbour_change
    )
    if not is_near:  # nor where a figure is not a number
        raise TrainingError(
            f"{found}; at least {limits.label_agreement:.1%}, at most {limits.accuracy_drop} points and "
            f"{limits.neighbour_change:g} by neighbours are allowed: set export.precision=fp32, or train "
            "longer."
        )
    return found


def _one(
    classifier: Classifier, before: Sequence[Encoding], text: Encoding, behind: Sequence[Encoding]
) -> Scores:
    """Return the probabilities of one of the texts that share a forward pass."""
    batch = pad([*before, text, *behind], classifier.tokenizer.pad_token_id)
    return np.asarray(softmax(classifier.backend.logits(batch))[len(before)])


def _accuracy(scores: Scores, rows: Sequence[Row], labels: Sequence[str]) -> float:
    best = scores.argmax(axis=1).tolist()
    return float(np.mean([labels[index] == row.label for index, row in zip(best, rows, strict=True)]))
