"""Draws learning curves: accuracy over labelled rows, a line a model; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from benchmarks.plot import INK, STYLE, pyplot, recede, spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = Sequence[tuple[int, Sequence[float]]]
"""Labelled rows, and the accuracies that training on so many gave."""

_COLORS = ("#3182bd", "#d94801", "#8c8c8c", "#31a354")


def draw(lines: Mapping[str, Line], path: Path) -> Path | None:
    """Draw means, and bands from the lowest to the highest, into a PNG; return its path.

    Where matplotlib is missing, say what to install and return None.
    """
    plt = pyplot()
    if plt is None:
        return None
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8.2, 4.8), dpi=160)
        figure.subplots_adjust(left=0.085, right=0.74, top=0.85, bottom=0.12)
        for color, (name, line) in zip(_COLORS, lines.items(), strict=False):
            _draw_line(axes, color, name, line)
        _frame(axes, lines)
        _label(axes, lines)
        figure.text(0.065, 0.94, "Accuracy over labelled rows", fontsize=14, fontweight="bold")
        seeds = len(next(iter(lines.values()))[0][1])
        figure.text(
            0.065,
            0.885,
            f"ChnSentiCorp, test rows that do not stand in train; mean and range of {seeds} draws",
            fontsize=9.5,
            color="#777777",
        )
        figure.savefig(path)
        plt.close(figure)
    return path


def _draw_line(axes: Axes, color: str, name: str, line: Line) -> None:
    counts = [count for count, _ in line]
    axes.fill_between(
        counts,
        [100 * min(found) for _, found in line],
        [100 * max(found) for _, found in line],
        color=color,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        counts, [100 * mean(found) for _, found in line], color=color, linewidth=2, marker="o", label=name
    )


def _frame(axes: Axes, lines: Mapping[str, Line]) -> None:
    counts = [count for count, _ in next(iter(lines.values()))]
    axes.set_xscale("log")
    axes.set_xticks(counts, labels=[f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("labelled training rows (log scale)", color=INK)
    axes.set_ylabel("accuracy, %", color=INK)
    axes.tick_params(labelsize=9, color="#cccccc", labelcolor="#666666")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    recede(axes)


def _label(axes: Axes, lines: Mapping[str, Line]) -> None:
    """Write the names beside the last dots, pushed apart where they would touch."""
    inverse = axes.transAxes.inverted()
    heights = {
        name: float(inverse.transform(axes.transData.transform((line[-1][0], 100 * mean(line[-1][1]))))[1])
        for name, line in lines.items()
    }
    colors = dict(zip(lines, _COLORS, strict=False))
    for name, height in spaced(heights).items():
        axes.annotate(
            name,
            (1.01, height),
            xycoords="axes fraction",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            color=colors[name],
            annotation_clip=False,
        )
