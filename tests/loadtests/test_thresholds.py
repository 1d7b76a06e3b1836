"""Thresholds are read strictly, and each one that a run breaks is named with its figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import thresholds
from loadtests.scenarios import SCENARIOS
from loadtests.summary import HEADER, Summary
from loadtests.thresholds import Thresholds, ThresholdsError

LIMITS = Thresholds(p95_ms=100, max_error_rate=0.01, min_requests_per_second=50)
RUN = Summary(
    scenario="steady",
    requests=1_000,
    failures=10,
    requests_per_second=50,
    texts_per_second=70.5,
    p50_ms=20,
    p95_ms=100,
    p99_ms=1_500,
    max_ms=2_000.4,
)


def write(folder: Path, content: str) -> Path:
    path = folder / "thresholds.toml"
    path.write_text(content, encoding="utf-8")
    return path


def section(**changes: object) -> str:
    values = {"p95_ms": 100, "max_error_rate": 0.01, "min_requests_per_second": 50} | changes
    return "[steady]\n" + "\n".join(f"{key} = {value}" for key, value in values.items() if value is not None)


def test_the_shipped_file_sets_every_scenario() -> None:
    assert set(thresholds.read(thresholds.DEFAULT_PATH)) == set(SCENARIOS)


def test_a_file_gives_its_limits(tmp_path: Path) -> None:
    assert thresholds.read(write(tmp_path, section())) == {"steady": LIMITS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (section(p95_sm=3), "no threshold is called 'p95_sm'; did you mean 'p95_ms'?"),
        ("[stedy]", "no scenario is called 'stedy'; did you mean 'steady'?"),
        (section(p95_ms=None), "lacks p95_ms; every scenario sets p95_ms, max_error_rate,"),
        (section(p95_ms="'fast'"), "p95_ms is 'fast'; it must be a number that is not negative"),
        (section(p95_ms="true"), "p95_ms is True; it must be a number"),
        (section(p95_ms=-1), "p95_ms is -1; it must be a number"),
        (section(p95_ms="nan"), "p95_ms is nan; it must be a number"),
        (section(max_error_rate=5), "max_error_rate is 5; it is a share from 0 to 1"),
        ("steady = 3", "is not a section"),
        ("steady", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ThresholdsError) as caught:
        thresholds.read(write(tmp_path, content))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThresholdsError, match="cannot be read"):
        thresholds.read(tmp_path / "none.toml")


def test_a_run_at_its_limits_keeps_them() -> None:
    assert thresholds.breaches(RUN, LIMITS) == []


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (replace(RUN, p95_ms=101), "steady: p95_ms is 100, the run had 101."),
        (replace(RUN, failures=11), "steady: max_error_rate is 0.01, the run had 0.011."),
        (
            replace(RUN, requests_per_second=49.5),
            "steady: min_requests_per_second is 50, the run had 49.5.",
        ),
    ],
)
def test_each_threshold_can_be_broken(run: Summary, sentence: str) -> None:
    assert thresholds.breaches(run, LIMITS) == [sentence]


def test_a_run_without_requests_keeps_nothing() -> None:
    run = replace(RUN, requests=0, failures=0, requests_per_second=0)
    assert len(thresholds.breaches(run, LIMITS)) == 2


def test_a_summary_fills_the_columns_of_its_header() -> None:
    cells = dict(zip(HEADER, RUN.row(), strict=True))
    assert cells["requests"] == "1,000"
    assert cells["texts/s"] == "70.5"
    assert cells["max ms"] == "2,000"
