"""What the preparation benchmark plants, finds and calls a miss, and one tiny run of it."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import preparation
from benchmarks.preparation import (
    CHECKED,
    GOAL_ROWS,
    LABELS,
    RUNS,
    CommandError,
    Cost,
    Found,
    Planted,
    cost,
    growth,
    look_for,
    missed,
    rows,
    write,
)

NOWHERE = Path("nowhere")


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_what_is_planted_stands_where_it_is_said_to_be(tmp_path: Path) -> None:
    planted = write(tmp_path, 200, NOWHERE)
    table = {name: read(tmp_path / f"{name}.csv") for name in ("train", "dev", "test")}
    assert sum(map(len, table.values())) == 200 + 3
    assert {len(text) for text, _ in table["test"][1:]} == {50}
    train = {number: tuple(row) for number, row in enumerate(table["train"], start=1)}
    assert len(planted.equal) == len(planted.near) == len(planted.conflicts) == len(planted.leaks) == 4
    for one, two in planted.equal:
        assert one != two
        assert train[one] == train[two]
    for one, two in planted.near:
        assert train[one][0] != train[two][0]
        assert train[one][1] == train[two][1]
        assert abs(len(train[two][0]) - 50) <= 1
    for one, two in planted.conflicts:
        assert train[one][0] == train[two][0]
        assert train[one][1] != train[two][1]
    held_out = {tuple(row) for name in ("dev", "test") for row in table[name][1:]}
    assert all(train[number] in held_out for number in planted.leaks)
    assert {label for _, label in train.values()} == {"label", *LABELS}


def test_only_the_right_step_counts_as_found() -> None:
    planted = Planted([(2, 9)], [(3, 8)], [(4, 7)], [5, 6])
    steps = {9: "duplicate", 8: "duplicate", 4: "conflict", 7: "conflict", 5: "in_dev", 6: "in_test"}
    assert [one.found for one in look_for(planted, steps, 10)] == [1, 1, 1, 2]
    wrong = {9: "conflict", 3: "duplicate", 4: "conflict", 5: "duplicate"}
    assert [one.found for one in look_for(planted, wrong, 10)] == [0, 0, 0, 0]


GOOD = [Cost(GOAL_ROWS, CHECKED, 100.0, 90.0, 2000.0), Cost(2 * GOAL_ROWS, CHECKED, 210.0, 190.0, 3900.0)]
ALL_FOUND = [Found(10, "equal", 100, 100), Found(10, "near", 100, 99)]


def test_goals_that_are_met_say_nothing() -> None:
    assert missed(GOOD, ALL_FOUND) == []


@pytest.mark.parametrize(
    ("at", "change", "sentence"),
    [
        (0, {"seconds": 721.0}, "1,000,000 rows took 721 s, more than 720."),
        (0, {"peak_mb": 5000.0}, "1,000,000 rows took 5,000 MB, more than 4,096."),
        (1, {"seconds": 230.0}, "2,000,000 rows took 2.30 times half of them, more than 2.2."),
    ],
)
def test_a_missed_goal_is_a_sentence(at: int, change: dict[str, float], sentence: str) -> None:
    costs = list(GOOD)
    costs[at] = replace(costs[at], **change)  # type: ignore[arg-type]
    assert missed(costs, []) == [sentence]
    assert missed([replace(one, name="doctor") for one in costs], []) == []


@pytest.mark.parametrize("kind", ["equal", "near"])
def test_what_is_planted_and_not_found_is_a_sentence(kind: str) -> None:
    assert missed([], [Found(10, kind, 100, 98)]) == [f"10 rows: 98 of 100 found of the kind {kind}."]


def test_growth_is_against_half_the_rows_of_the_same_command() -> None:
    costs = [Cost(5, "a", 1.0, 1.0, 1.0), Cost(5, "b", 2.0, 1.0, 1.0), Cost(10, "b", 5.0, 1.0, 1.0)]
    assert [growth(one, costs) for one in costs] == [None, None, 2.5]
    assert [cells[4] for cells in rows(costs)] == ["", "", "2.50"]


def test_time_and_memory_are_those_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    work = "import time\nheld = bytearray(b'x') * (300 * 2**20)\ntime.sleep(0.5)\n"
    program.write_text(f"#!{sys.executable}\n{work}", encoding="utf-8")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    found = cost("x", 7, [])
    assert found.seconds >= 0.5
    assert 300 < found.peak_mb < 400


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"ended with 2: error: recipe .*none\.toml does not exist"):
        cost("prepare", 1, ["prepare", str(tmp_path / "none.toml")])


@pytest.mark.slow
def test_a_tiny_run_finds_what_is_planted_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--rows", "400", "--rows", "800", "--data", str(NOWHERE), "--results", str(tmp_path)]
    assert preparation.main(arguments) == 0, capsys.readouterr().err
    content = json.loads(next(tmp_path.glob("*-preparation.json")).read_text(encoding="utf-8"))
    assert [(one["rows"], one["name"]) for one in content["costs"]] == [
        (size, name) for size in (400, 800) for name in RUNS
    ]
    assert all(one["peak_mb"] > 50 and one["cpu_seconds"] > 0.5 for one in content["costs"])
    assert [one["planted"] for one in content["planted"]] == [8] * 4 + [16] * 4
    assert content["texts"] == "sample"
    assert "prepare, equal texts only" in capsys.readouterr().out
