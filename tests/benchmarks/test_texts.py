"""The posted texts are real where they can be, the same every time, and asked for exactly once a pass."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import texts


def test_reviews_come_from_the_file_in_a_fixed_order(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("label\ttext_a\n1\t好\n0\t坏 了\n1\t行\n", encoding="utf-8")
    source, found = texts.load(5, path)
    assert source == str(path)
    assert set(found) == {"好", "坏 了", "行"}
    assert found == texts.load(5, path)[1]
    assert found[3:] == found[:2]


def test_without_the_file_they_are_generated(tmp_path: Path) -> None:
    source, found = texts.load(5, tmp_path / "none.tsv")
    assert source == "generated reviews"
    assert len(set(found)) == 5
    assert found == texts.load(5, tmp_path / "none.tsv")[1]


def test_bodies_ask_for_every_text_once() -> None:
    asked = [json.loads(body)["texts"] for body in texts.bodies(["a", "b", "c"], 2)]
    assert asked == [["a", "b"], ["c"]]
