"""Draws throughput over latency, a line a contender over numbers of connections; it measures nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks.contenders import INFINITY, NAIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks import serving

_COLORS = {
    NAIVE: "#8c8c8c",
    INFINITY: "#5c5c5c",
    "torch fp32": "#9ecae1",
    "torch bf16": "#3182bd",
    "openvino bf16": "#fd8d3c",
    "openvino int8": "#d94801",
}
_OTHER_COLOR = "#31a354"
INK = "#333333"
STYLE = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK}
_NUMBER_WIDTH, _NUMBER_HEIGHT = 0.018, 0.03
"""The room of a number of connections, as shares of the axes."""
_LABEL_DISTANCE = 0.055
"""Least distance of two labels, as a share of the height of the axes."""


@dataclass(frozen=True, slots=True)
class Dot:
    """Medians over the rounds with so many connections."""

    connections: int
    latency_ms: float
    requests_per_second: float


def lines_of(rounds: Sequence[serving.Round]) -> dict[str, list[Dot]]:
    """Return the line of each contender: its medians by number of connections, in ascending order."""
    return {
        name: _line([point for one in rounds for point in one[name].points]) for name in (rounds or [{}])[0]
    }


def _line(points: Sequence[serving.Point]) -> list[Dot]:
    counts = sorted({point.connections for point in points})
    groups = {count: [point.load for point in points if point.connections == count] for count in counts}
    return [
        Dot(count, median(load.p50_ms for load in loads), median(load.requests_per_second for load in loads))
        for count, loads in groups.items()
    ]


def draw(lines: Mapping[str, Sequence[Dot]], path: Path, machine: str) -> Path | None:
    """Draw into a PNG and return its path; say what to install where matplotlib is missing."""
    plt = pyplot()
    if plt is None:
        return None
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9.5, 5.6), dpi=160)
        _frame(axes, lines)
        figure.subplots_adjust(left=0.085, right=0.80, top=0.85, bottom=0.11)
        taken: list[tuple[float, float]] = []
        for name, line in lines.items():
            _draw_line(axes, name, line, taken)
        _label(axes, lines)
        figure.text(0.065, 0.95, "Throughput over latency", fontsize=15, fontweight="bold")
        figure.text(
            0.065,
            0.88,
            f"{machine}\nnumbers: open connections; up and to the left is better",
            fontsize=9.5,
            color="#777777",
        )
        figure.savefig(path)
        plt.close(figure)
    return path


def _frame(axes: Axes, lines: Mapping[str, Sequence[Dot]]) -> None:
    dots = [dot for line in lines.values() for dot in line]
    for scale, limits, values in (
        (axes.set_xscale, axes.set_xlim, [dot.latency_ms for dot in dots]),
        (axes.set_yscale, axes.set_ylim, [dot.requests_per_second for dot in dots]),
    ):
        scale("log")
        limits(min(values) / 1.6, max(values) * 1.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        axis.set_minor_formatter(_minor_label)
    axes.tick_params(which="both", labelsize=9, color="#cccccc", labelcolor="#666666")
    axes.tick_params(which="minor", labelsize=7.5, length=2)
    axes.set_xlabel("median latency, ms (log scale)", color=INK, labelpad=6)
    axes.set_ylabel("requests per second (log scale)", color=INK, labelpad=6)
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.grid(which="minor", color="#f1f1f1", linewidth=0.6)
    recede(axes)


def pyplot() -> ModuleType | None:
    """Return matplotlib's pyplot, drawing into files; where it is missing, say what to install."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("no plot: matplotlib is not installed; run `pip install matplotlib`.", file=sys.stderr)
        return None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def recede(axes: Axes) -> None:
    """Keep the frame behind what it holds: two pale sides, the grid below the lines."""
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#cccccc")


def _minor_label(value: float, _: object) -> str:
    """Label 2 and 5 of each decade: more would run into each other."""
    return f"{value:,.6g}" if f"{value:e}"[0] in "25" else ""


def _draw_line(axes: Axes, name: str, line: Sequence[Dot], taken: list[tuple[float, float]]) -> None:
    """Draw a line, its dots, and their numbers of connections where no other number stands yet."""
    from matplotlib import patheffects

    x, y = [dot.latency_ms for dot in line], [dot.requests_per_second for dot in line]
    color = _COLORS.get(name, _OTHER_COLOR)
    axes.plot(x, y, color=color, linewidth=2, solid_capstyle="round", zorder=3)
    axes.scatter(x, y, s=[34] * len(x), color=color, edgecolor="white", linewidth=1, zorder=4)
    for dot in line:
        if _is_taken(axes, taken, dot):
            continue
        axes.annotate(
            str(dot.connections),
            (dot.latency_ms, dot.requests_per_second),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=color,
            path_effects=[patheffects.withStroke(linewidth=2.5, foreground="white")],
            zorder=6,
        )


def _is_taken(axes: Axes, taken: list[tuple[float, float]], dot: Dot) -> bool:
    """Say whether another number stands at this place already, and take it if not."""
    x, y = axes.transAxes.inverted().transform(
        axes.transData.transform((dot.latency_ms, dot.requests_per_second))
    )
    if any(abs(x - other) < _NUMBER_WIDTH and abs(y - height) < _NUMBER_HEIGHT for other, height in taken):
        return True
    taken.append((x, y))
    return False


def _label(axes: Axes, lines: Mapping[str, Sequence[Dot]]) -> None:
    """Write the names beside the right edge, at the height of the last dots or pushed apart."""
    inverse = axes.transAxes.inverted()
    ends = {
        name: inverse.transform(axes.transData.transform((line[-1].latency_ms, line[-1].requests_per_second)))
        for name, line in lines.items()
    }
    heights = spaced({name: float(end[1]) for name, end in ends.items()})
    for name, (x, y) in ends.items():
        color = _COLORS.get(name, _OTHER_COLOR)
        axes.annotate(
            name,
            (x, y),
            xycoords="axes fraction",
            xytext=(1.02, heights[name]),
            textcoords="axes fraction",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            color=color,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "alpha": 0.5, "shrinkB": 5},
            annotation_clip=False,
        )


def spaced(heights: Mapping[str, float], distance: float = _LABEL_DISTANCE) -> dict[str, float]:
    """Move labels up until each is `distance` above the next lower one, then all down by half of the most."""
    order = sorted(heights, key=lambda name: heights[name])
    placed: dict[str, float] = {}
    least = float("-inf")
    for name in order:
        placed[name] = max(heights[name], least)
        least = placed[name] + distance
    most = max((placed[name] - heights[name] for name in order), default=0.0)
    return {name: height - most / 2 for name, height in placed.items()}
