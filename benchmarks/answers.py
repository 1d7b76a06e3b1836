"""Whether contenders compute the same: a speed without that means nothing; it takes no time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import LARGEST_DIFFERENCE
from benchmarks.engines import silence
from benchmarks.isolated import isolated
from benchmarks.model import Precision
from benchmarks.seed_loop import SeedLoop
from benchmarks.texts import LONG_TOKENS, SHORT_TOKENS, uniform

_REVIEWS = 8


def compared(reviews: Sequence[str]) -> list[str]:
    """Return the texts whose answers are compared: some reviews, a short text and a long one."""
    return [*reviews[:_REVIEWS], *uniform(1, SHORT_TOKENS), *uniform(1, LONG_TOKENS)]


def reference(directory: Path, texts: Sequence[str]) -> list[float]:
    """Return the probability of the first label for each text: float32, alone, by transformers."""
    return isolated(_reference, directory, texts)


def apart(found: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest difference of two answers; not a number where one of them is none."""
    differences = [abs(here - there) for here, there in zip(found, expected, strict=True)]
    return next((value for value in differences if value != value), max(differences))  # noqa: PLR0124 - NaN


def flaw(name: str, precision: Precision, found: Sequence[float], expected: Sequence[float]) -> str | None:
    """Say by how much answers lie apart where that is too much.

    Another label is thereby seen too, unless float32 itself is undecided between the two.
    """
    allowed, difference = LARGEST_DIFFERENCE[precision], apart(found, expected)
    if difference <= allowed:
        return None
    return f"{name}: answers differ from those of float32 by {difference:.4f}, {allowed} is allowed."


def _reference(directory: Path, texts: Sequence[str]) -> list[float]:
    silence()
    return SeedLoop(directory)(texts)
