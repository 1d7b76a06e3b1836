"""Medians, ranges and ratios within rounds; it knows nothing of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the least and the largest of them."""

    median: float
    least: float
    largest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise at least one value."""
        found = list(values)
        return cls(median(found), min(found), max(found))

    def cell(self, digits: int = 0) -> str:
        """Return `median (least-largest)`, the range only where there is one."""
        middle, least, largest = (f"{value:,.{digits}f}" for value in (self.median, self.least, self.largest))
        return middle if least == largest else f"{middle} ({least}-{largest})"


def ratios(values: Sequence[float], beside: Sequence[float]) -> Spread:
    """Divide round by round, because machines drift, and summarise the quotients."""
    return Spread.of(value / other for value, other in zip(values, beside, strict=True))


def rotated(names: Sequence[T], number: int) -> list[T]:
    """Return the names with another one first in each round."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
