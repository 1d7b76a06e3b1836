"""Both dispatchers get the same phases in turn, and a comparison that is not fair is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import dispatcher
from benchmarks.arrivals import Job, Latencies
from benchmarks.clients import Load
from benchmarks.dispatcher import DISPATCHERS, HEADER, LINES, Bench, Found
from benchmarks.model import Variant
from benchmarks.texts import LONG, MIX, SHORT

QUIET = Latencies(requests=100, errors=0, mean_ms=20, p50_ms=18, p95_ms=40)
LOAD = Load(requests=100, errors=0, seconds=10, p50_ms=1, p95_ms=2)
FOUND = Found(
    idle=QUIET,
    after=replace(QUIET, mean_ms=25),
    calm=QUIET,
    beside=replace(QUIET, p95_ms=100),
    job=Job(10, 0, 16.0),
    job_texts=640,
    burst=LOAD,
    # Nine short texts take 0.9 s and a long one 1.1 s: ten in 2 s, of which it reaches 4 a second.
    closed={SHORT: LOAD, LONG: replace(LOAD, seconds=110.0), MIX: replace(LOAD, seconds=25.0)},
    probabilities=[0.5],
)


def test_the_table_says_how_much_worse_it_becomes() -> None:
    rows = {
        line.name: dict(zip(HEADER, line.row([dict.fromkeys(DISPATCHERS, FOUND)]), strict=True))
        for line in LINES
    }
    shown = {name: row["tokens"] for name, row in rows.items()}
    assert shown["  over idle"] == "1.25"
    assert shown["  over without"] == "2.50"
    assert shown["the job meanwhile, texts/s"] == "40.0"
    assert shown["  over the padding-free ideal"] == "0.80"
    assert [row["goal"] for row in rows.values() if row["goal"]] == [
        "at most 1.3",
        "at most 3",
        "at least 0.85",
    ]


def test_another_dispatcher_begins_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def measure(_: Bench, name: str, seed: int) -> Found:
        asked.append((name, seed))
        return FOUND

    monkeypatch.setattr(Bench, "measure", measure)
    bench = Bench(Path(), Path(), Variant("torch", "bf16"), [], None)  # type: ignore[arg-type]
    found = [bench.run_round(number) for number in range(2)]
    assert asked == [("tokens", 0), ("bentoml", 0), ("bentoml", 1), ("tokens", 1)]
    assert [set(one) for one in found] == [set(DISPATCHERS)] * 2


def test_failed_requests_of_any_phase_and_other_answers_are_flaws() -> None:
    variant = Variant("torch", "bf16")
    fair = dict.fromkeys(DISPATCHERS, FOUND)
    assert list(dispatcher.flaws_of(variant, [fair], [0.5])) == []
    failing = {
        "idle": replace(QUIET, errors=1),
        "job": replace(FOUND.job, errors=1),
        "burst": replace(LOAD, errors=1),
        "closed": {**FOUND.closed, MIX: replace(LOAD, errors=1)},
    }
    for phase, worse in failing.items():
        broken = {**fair, "tokens": replace(FOUND, **{phase: worse})}
        assert list(dispatcher.flaws_of(variant, [broken], [0.5])) == [
            "tokens, round 1: 1 requests failed; its figures do not count."
        ]
    assert len(list(dispatcher.flaws_of(variant, [fair], [0.9]))) == len(DISPATCHERS)


def test_an_unknown_model_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatcher.main(["--quick", "--model", "torch"]) == 2
    assert "write it as torch-bf16" in capsys.readouterr().err


@pytest.mark.slow
def test_all_phases_run_at_tiny_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatcher.main(["--quick", "--job-texts", "500", "--results", str(tmp_path)]) == 0
    assert "just after a saturating burst" in capsys.readouterr().out
    (path,) = tmp_path.iterdir()
    (only,) = json.loads(path.read_text(encoding="utf-8"))["rounds"]
    assert list(only) == list(DISPATCHERS)
    assert all(found["job_texts"] > 0 for found in only.values())
