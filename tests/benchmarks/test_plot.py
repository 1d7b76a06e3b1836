"""The plot has a line for each contender, medians over the rounds, and labels that do not overlap."""

from __future__ import annotations

import builtins
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import plot
from benchmarks.clients import Load
from benchmarks.plot import Dot
from benchmarks.serving import Found, Point

LINES = {
    "naive BentoML fp32": [Dot(1, 160, 6), Dot(32, 19_000, 1.6)],
    "openvino int8": [Dot(1, 25, 40), Dot(32, 420, 76)],
    "mine": [Dot(1, 25, 40), Dot(32, 421, 75)],
}


def load(requests: int, p50_ms: float) -> Load:
    return Load(requests, 0, 1.0, p50_ms, 2 * p50_ms)


def test_a_line_has_medians_by_number_of_connections() -> None:
    rounds = [
        {"a": Found([Point(1, load(5, 9), 1), Point(8, load(10, 70), 1)], 1, 1, [])},
        {"a": Found([Point(8, load(30, 50), 1)], 1, 1, [])},
        {"a": Found([Point(8, load(20, 90), 1)], 1, 1, [])},
    ]
    assert plot.lines_of(rounds) == {"a": [Dot(1, 9, 5), Dot(8, 70, 20)]}
    assert plot.lines_of([{}]) == {}


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    path = plot.draw(LINES, tmp_path / "plot.png", "a machine")
    assert path == tmp_path / "plot.png"
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.stat().st_size > 20_000


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=8))
def test_labels_keep_their_distance_and_order(heights: dict[str, float]) -> None:
    placed = plot.spaced(heights, distance=0.05)
    assert placed.keys() == heights.keys()
    order = sorted(placed, key=lambda name: placed[name])
    assert [heights[name] for name in order] == sorted(heights.values())
    gaps = [placed[above] - placed[below] for below, above in pairwise(order)]
    assert all(gap > 0.05 - 1e-9 for gap in gaps)


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert plot.spaced({"a": 0.1, "b": 0.5}) == {"a": 0.1, "b": 0.5}


def test_without_matplotlib_there_is_no_plot_but_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: object) -> object:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert plot.draw(LINES, tmp_path / "plot.png", "") is None
    assert "pip install matplotlib" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
