from __future__ import annotations

import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from benchmarks import curves

LINES = {
    "one": [(100, [0.7, 0.72]), (500, [0.8, 0.81])],
    "another": [(100, [0.75, 0.76]), (500, [0.81, 0.82])],
}


def test_a_picture_is_drawn_that_changes_with_its_lines(tmp_path: Path) -> None:
    first = curves.draw(LINES, tmp_path / "first.png")
    second = curves.draw({"one": LINES["one"]}, tmp_path / "second.png")
    assert first is not None
    assert second is not None
    pictures = [imread(path) for path in (first, second)]
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert curves.draw(LINES, tmp_path / "plot.png") is None
    assert "pip install matplotlib" in capsys.readouterr().err
