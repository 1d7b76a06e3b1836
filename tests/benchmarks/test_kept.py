"""What was measured is found again under all it depends on, also after a stop in the middle of a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.kept import Kept, digest

names = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none(), max_size=4)


@given(depends_on=names, other=names, figures=st.lists(names, max_size=3))
def test_figures_are_found_under_all_they_depend_on_and_nothing_else(
    depends_on: dict[str, object],
    other: dict[str, object],
    figures: list[dict[str, object]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    kept = Kept(tmp_path_factory.mktemp("kept") / "new" / "kept.jsonl")
    assert kept.find(depends_on) is None
    kept.add(depends_on, figures)
    assert Kept(kept.path).find(depends_on) == figures
    assert (kept.find(other) is None) == (other != depends_on)


def test_the_last_figures_count_and_tuples_are_lists(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    kept.add({"overrides": ("a", "b")}, [{"accuracy": 0.5}])
    kept.add({"overrides": ["a", "b"]}, [{"accuracy": 0.6}])
    assert kept.find({"overrides": ("a", "b")}) == [{"accuracy": 0.6}]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_an_unfinished_line_is_measured_again_and_harms_no_other(cut: int, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    kept.add({"seed": 1}, [{"accuracy": 0.5}])
    whole = (tmp_path / "kept.jsonl").read_bytes()
    kept.add({"seed": 2}, [{"accuracy": 0.6}])
    stopped = (tmp_path / "kept.jsonl").read_bytes()[: len(whole) + cut]
    (tmp_path / "kept.jsonl").write_bytes(stopped)
    assert kept.find({"seed": 1}) == [{"accuracy": 0.5}]
    assert kept.find({"seed": 2}) is None
    kept.add({"seed": 2}, [{"accuracy": 0.7}])
    assert kept.find({"seed": 2}) == [{"accuracy": 0.7}]


@pytest.mark.parametrize("line", ["[1]", '{"figures": []}', "7", "null"])
def test_lines_of_something_else_count_for_nothing(line: str, tmp_path: Path) -> None:
    (tmp_path / "kept.jsonl").write_text(f"{line}\n", encoding="utf-8")
    kept = Kept(tmp_path / "kept.jsonl")
    assert kept.find({"seed": 1}) is None
    kept.add({"seed": 1}, [{"accuracy": 0.5}])
    assert kept.find({"seed": 1}) == [{"accuracy": 0.5}]


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    figures = iter([0.5, 0.6])
    found = [kept.measured({"seed": seed}, lambda: [{"accuracy": next(figures)}]) for seed in (1, 1, 2)]
    assert found == [[{"accuracy": 0.5}], [{"accuracy": 0.5}], [{"accuracy": 0.6}]]


def test_without_a_path_nothing_is_kept() -> None:
    Kept().add({"seed": 1}, [{"accuracy": 0.5}])
    assert Kept().find({"seed": 1}) is None


def test_a_digest_tells_files_and_their_bounds_apart(tmp_path: Path) -> None:
    for name, content in {"a": "xy", "b": "z", "c": "x", "d": "yz"}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert digest([tmp_path / "a", tmp_path / "b"]) != digest([tmp_path / "c", tmp_path / "d"])
    assert digest([tmp_path / "a"]) == digest([tmp_path / "a"])
