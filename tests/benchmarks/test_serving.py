"""A server is compared, warmed up, then loaded, with fewer connections only where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import servers, serving, texts
from benchmarks.clients import CLIENTS, Load
from benchmarks.model import REFERENCE
from benchmarks.servers import Running, Start
from benchmarks.serving import HEADER, Found, Plan, Point

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn

LOAD = Load(requests=100, errors=0, seconds=10, p50_ms=20.4, p95_ms=1_200)


@pytest.fixture
def loads(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Serve the stand-in, count nothing, and return the connections and seconds of each load."""
    asked: list[tuple[int, float]] = []

    @contextmanager
    def service(_: Start) -> Iterator[Running]:
        yield Running(stand_in.url, os.getpid(), texts.bodies, servers.our_answers)

    def client(_url: str, _bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
        asked.append((connections, seconds))
        return LOAD

    monkeypatch.setitem(servers.SERVERS, "service", service)
    monkeypatch.setitem(CLIENTS, "wrk", client)
    return asked


PLAN = Plan(
    texts=[f"第{number}条" for number in range(20)],
    texts_per_request=2,
    compared=["甲", "乙"],
    client="wrk",
    connections=8,
    sweep=(1, 4),
    sweep_seconds=2,
    seconds=5,
)


@pytest.mark.parametrize(("sweeps", "expected"), [(True, [(1, 2), (4, 2), (8, 5)]), (False, [(8, 5)])])
def test_the_last_load_has_all_connections(
    sweeps: bool, expected: list[tuple[int, float]], loads: list[tuple[int, float]], stand_in: StandIn
) -> None:
    found = serving.measure("service", Start(Path(), REFERENCE, Path()), PLAN, sweeps=sweeps)
    assert loads == expected
    assert [point.connections for point in found.points] == [connections for connections, _ in expected]
    assert found.probabilities == pytest.approx([0.1, 0.1])
    # Compared one by one, then warmed up with every text once, before the load.
    assert stand_in.asked[:2] == [["甲"], ["乙"]]
    assert sorted(text for asked in stand_in.asked[2:] for text in asked) == sorted(PLAN.texts)


def one(requests: int, errors: int = 0) -> Found:
    load = replace(LOAD, requests=requests, errors=errors)
    return Found([Point(1, replace(LOAD, errors=1), 1.0), Point(8, load, 4.0)], 2, 600.0, [0.25])


def test_a_row_has_medians_and_ranges_of_the_last_load() -> None:
    rounds = [{"a": one(40)}, {"a": one(60)}, {"a": one(50, errors=3)}]
    cells = dict(zip(HEADER, serving.row("a", rounds, 2, 0.01), strict=True))
    assert cells == {
        "service": "a",
        "requests/s": "5.0 (4.0-6.0)",
        "per core": "2.5",
        "per CPU second": "12.5",
        "p50 ms": "20",
        "p95 ms": "1,200",
        "MB": "600",
        "failed": "6",
        "answers apart": "0.0100",
    }


def test_a_text_is_not_a_request() -> None:
    assert (one(40).requests_per_second, one(40).texts_per_second) == (4.0, 8.0)
