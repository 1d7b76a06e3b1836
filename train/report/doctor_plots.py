"""The plots of the doctor's page as numbers: where bars stand and how long they are; it writes no markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from train.data.checks.lengths import BARS, Distribution
from train.data.checks.scripts import ScriptFigures

WIDTH, HEIGHT = 640.0, 150.0
"""Of the area in which the bars of a histogram stand; a page may scale it."""

MOST_LABELS = 30
_NAMES = {"han": "Han", "latin": "Latin", "kana": "kana", "hangul": "hangul", "other": "other letters"}
_OTHERS = {"digit": "digits", "sign": "signs and blanks", "emoji": "emoji"}
_TICKS = (1, 2, 5)
_MOST_TICKS = 8
_ROOM = 70.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram, in units of the plot; `cut` where it lies beyond the limit."""

    x: float
    y: float
    width: float
    height: float
    cut: bool
    title: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars, places of the numbers below, the place of the limit if it lies within.

    `has_longer` tells that the last bar stands for everything from its beginning on.
    """

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    limit: float | None
    has_longer: bool


@dataclass(frozen=True, slots=True)
class LabelBars:
    """A label with its rows in each split, and their share of the longest bar of that split, in percent."""

    name: str
    rows: dict[str, int]
    lengths: dict[str, float]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar that stands for a whole: name, key for its colour, percent, characters."""

    name: str
    key: str
    percent: float
    count: int


def histogram(distribution: Distribution, limit: int | None, rows: int) -> Histogram:
    """Return the bars of a distribution over `WIDTH` and `HEIGHT`."""
    counts, width = distribution["counts"], distribution["width"]
    last = max((at for at, count in enumerate(counts) if count), default=0)
    shown = max(last + 1, min(BARS, -(-limit // width) + 1) if limit else 0)
    unit, highest = WIDTH / shown, max(counts, default=0) or 1
    bars = []
    for at, count in enumerate(counts):
        height = HEIGHT * count / highest
        end = f"{(at + 1) * width - 1:,}" if at + 1 < BARS else "more"
        share = f"{count / max(1, rows):.1%}"
        title = f"{at * width:,} to {end}: {count:,} rows ({share})"
        cut = limit is not None and at * width > limit
        bars.append(Bar(at * unit, HEIGHT - height, max(unit - 1, 1), height, cut, title))
    step = next(step for step in _steps() if shown * width / step <= _MOST_TICKS)
    has_longer = len(counts) == BARS
    most = WIDTH - _ROOM if has_longer else WIDTH
    ticks = [
        (unit * at / width, f"{at:,}") for at in range(0, shown * width, step) if unit * at / width < most
    ]
    place = None if limit is None or limit > shown * width else unit * limit / width
    return Histogram(bars, ticks, place, has_longer)


def label_bars(counts: Mapping[str, Mapping[str, int]]) -> list[LabelBars]:
    """Return the labels with most training rows; each split has its own scale, so that splits compare."""
    first = next(iter(counts.values()), {})
    names = list(dict.fromkeys([*first, *(name for found in counts.values() for name in found)]))
    longest = {split: max(found.values(), default=0) or 1 for split, found in counts.items()}
    return [
        LabelBars(
            name,
            {split: found.get(name, 0) for split, found in counts.items()},
            {split: 100 * found.get(name, 0) / longest[split] for split, found in counts.items()},
        )
        for name in names[:MOST_LABELS]
    ]


def script_bars(figures: Mapping[str, ScriptFigures]) -> dict[str, list[Part]]:
    """Return for each split what its characters are, as parts of a whole."""
    found = {}
    for split, scripts in figures.items():
        total = max(1, sum(scripts["characters"].values()))
        found[split] = [
            Part(name, key, 100 * scripts["characters"][key] / total, scripts["characters"][key])
            for key, name in (_NAMES | _OTHERS).items()
            if scripts["characters"].get(key)
        ]
    return found


def _steps() -> list[int]:
    return [tick * 10**power for power in range(9) for tick in _TICKS]
