"""Contenders are measured in turn and on equal terms, and a comparison that is not fair is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import serving
from benchmarks.clients import ClientError, Load
from benchmarks.serving import BASELINE, CONTENDERS, HEADER, Bench, Measurement, Round
from benchmarks.texts import bodies

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn

LOAD = Load(requests=100, errors=0, seconds=10, p50_ms=20.4, p95_ms=1_200)


def rounds(*rates: dict[str, int]) -> list[Round]:
    return [
        {name: Measurement(replace(LOAD, requests=rate), [0.25]) for name, rate in one.items()}
        for one in rates
    ]


@pytest.fixture
def started(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace real servers by the stand-in and return what was asked for, in order."""
    calls: list[dict[str, Any]] = []

    @contextmanager
    def server(service: str, **options: object) -> Iterator[SimpleNamespace]:
        calls.append({"service": service, **options})
        yield SimpleNamespace(url=stand_in.url)

    monkeypatch.setattr(serving, "bentoml_server", server)
    return calls


def bench(tmp_path: Path) -> Bench:
    def client(_url: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
        return replace(LOAD, requests=len(bodies) * connections, seconds=seconds)

    models = {"fp32": tmp_path / "fp32", "bf16": tmp_path / "bf16"}
    return Bench(tmp_path, models, bodies(["好", "坏"], 1), client, connections=2, seconds=5)


def test_each_contender_is_started_with_its_model(
    started: list[dict[str, Any]], tmp_path: Path, stand_in: StandIn
) -> None:
    found = bench(tmp_path).run_round(0)
    assert list(found) == list(CONTENDERS)
    assert all(measurement.load.requests == 4 for measurement in found.values())
    assert all(measurement.probabilities == pytest.approx([0.1, 0.1]) for measurement in found.values())
    assert [call["env"] for call in started] == [{"MODEL_PATH": str(tmp_path / "fp32")}, {}, {}]
    assert [call["model"] for call in started] == [None, "bert-classifier:fp32", "bert-classifier:bf16"]
    # Compared one by one, then warmed up all at once, before the client's own load.
    assert len(stand_in.asked) == len(CONTENDERS) * 4


@pytest.mark.usefixtures("started")
def test_another_contender_begins_in_each_round(tmp_path: Path) -> None:
    beginners = [next(iter(bench(tmp_path).run_round(number))) for number in range(len(CONTENDERS) + 1)]
    assert beginners == [*CONTENDERS, BASELINE]


def test_a_row_has_medians_ranges_and_ratios_within_rounds() -> None:
    found = rounds(
        {BASELINE: 10, "service fp32": 40},
        {BASELINE: 20, "service fp32": 60},
        {BASELINE: 30, "service fp32": 60},
    )
    cells = serving.row("service fp32", found, texts_per_request=2)
    assert cells == (
        *("service fp32", "6.00", "4.00-6.00", "12.00", "20", "1,200", "3.00", "2.00-4.00", "0", "0.0000"),
    )
    assert len(cells) == len(HEADER)


def test_failed_requests_and_other_answers_are_flaws() -> None:
    (fair,) = rounds({BASELINE: 10, "service fp32": 10, "service bf16": 10})
    assert [flaw for name in CONTENDERS for flaw in serving.flaws_of(name, [fair])] == []
    failed = {**fair, BASELINE: Measurement(replace(LOAD, errors=3), [0.25])}
    assert list(serving.flaws_of(BASELINE, [fair, failed])) == [
        "naive fp32: 3 requests failed; its figures do not count."
    ]
    other = {**fair, "service fp32": Measurement(LOAD, [0.26]), "service bf16": Measurement(LOAD, [0.26])}
    assert list(serving.flaws_of("service fp32", [other])) == [
        "service fp32: answers differ from those of naive fp32 by 0.0100, 0.001 is allowed."
    ]
    assert list(serving.flaws_of("service bf16", [other])) == []


def test_probabilities_are_those_of_the_first_label(stand_in: StandIn) -> None:
    stand_in.result = {"label": "负面", "score": 0.75}
    assert serving.probabilities_of(stand_in.url, bodies(["a", "b", "c"], 2)) == [0.75] * 3
    stand_in.result = {"label": "正面", "score": 0.75}
    assert serving.probabilities_of(stand_in.url, bodies(["a"], 1)) == [0.25]


def test_a_refused_warm_up_ends_the_benchmark(stand_in: StandIn) -> None:
    stand_in.status = 503
    with pytest.raises(ClientError, match="answered 503"):
        serving.probabilities_of(stand_in.url, bodies(["a"], 1))


def test_a_wrong_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        serving.main(["--rounds", "0"])
    assert caught.value.code == 2
    assert "0 is not a positive number" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_benchmark_runs_at_tiny_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--shape", "tiny", "--rounds", "1", "--seconds", "0", "--texts", "8", "--connections", "4"]
    assert serving.main([*options, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in CONTENDERS)
    (path,) = tmp_path.iterdir()
    written = json.loads(path.read_text(encoding="utf-8"))
    (only,) = written["rounds"]
    assert {name: found["load"]["requests"] for name, found in only.items()} == dict.fromkeys(CONTENDERS, 8)
