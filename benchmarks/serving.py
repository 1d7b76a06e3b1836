"""Contenders on HTTP: requests a second, latencies, processor time and memory; it knows no engine.

Every round starts each contender in turn, asks it for texts with known answers, warms it up, loads it and
stops it. In the first round it is loaded with fewer connections too: the line of the plot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.clients import CLIENTS, Load, whole_passes
from benchmarks.servers import SERVERS, Running, Start
from benchmarks.spread import Spread

HEADER = (
    *("service", "requests/s", "per core", "per CPU second", "p50 ms", "p95 ms", "MB", "failed"),
    "answers apart",
)
_DIGITS_BELOW = 100
_WARM_REQUESTS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """How every server is loaded; `sweep` are further numbers of connections, for the first round."""

    texts: Sequence[str]
    texts_per_request: int
    compared: Sequence[str]
    client: str
    connections: int
    sweep: Sequence[int]
    sweep_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Point:
    """One load with so many connections, and the processor seconds that the server spent on it."""

    connections: int
    load: Load
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one contender did in one round; the last point is the one that counts."""

    points: list[Point]
    texts_per_request: int
    resident_mb: float
    probabilities: list[float]

    @property
    def requests_per_second(self) -> float:
        """Answered requests a second with all connections."""
        return self.points[-1].load.requests_per_second

    @property
    def texts_per_second(self) -> float:
        """Classified texts a second with all connections."""
        return self.requests_per_second * self.texts_per_request

    @property
    def requests_per_cpu_second(self) -> float:
        """Answered requests for each second of processor time of the server, its client not counted."""
        return self.points[-1].load.requests / self.points[-1].cpu_seconds


Round = Mapping[str, Found]


def measure(server: str, start: Start, plan: Plan, *, sweeps: bool) -> Found:
    """Start a server, ask it for the compared texts, warm it up, load it, stop it."""
    with SERVERS[server](start) as running:
        probabilities = running.probabilities(plan.compared)
        bodies = running.bodies(plan.texts, plan.texts_per_request)
        whole_passes(running.url, bodies[:_WARM_REQUESTS], plan.connections, seconds=0)
        loads = [
            *((count, plan.sweep_seconds) for count in plan.sweep if sweeps),
            (plan.connections, plan.seconds),
        ]
        points = [_load(running, bodies, plan.client, *load) for load in loads]
        return Found(points, plan.texts_per_request, running.resident_mb(), probabilities)


def _load(running: Running, bodies: Sequence[bytes], client: str, connections: int, seconds: float) -> Point:
    before = running.cpu_seconds()
    load = CLIENTS[client](running.url, bodies, connections, seconds)
    return Point(connections, load, running.cpu_seconds() - before)


def row(name: str, rounds: Sequence[Round], cores: int, apart: float) -> tuple[str, ...]:
    """Return the cells under `HEADER`: medians, ranges of the rates, and how far answers are apart."""
    mine = [one[name] for one in rounds]
    rates = Spread.of(found.requests_per_second for found in mine)
    loads = [found.points[-1].load for found in mine]
    return (
        name,
        rates.cell(_digits(rates)),
        f"{rates.median / cores:,.{_digits(rates)}f}",
        f"{Spread.of(found.requests_per_cpu_second for found in mine).median:,.{_digits(rates)}f}",
        f"{Spread.of(load.p50_ms for load in loads).median:,.0f}",
        f"{Spread.of(load.p95_ms for load in loads).median:,.0f}",
        f"{Spread.of(found.resident_mb for found in mine).median:,.0f}",
        str(failed(name, rounds)),
        f"{apart:.4f}",
    )


def failed(name: str, rounds: Sequence[Round]) -> int:
    """Return how many requests of a contender failed, in all loads."""
    return sum(point.load.errors for one in rounds for point in one[name].points)


def _digits(rates: Spread) -> int:
    return 1 if rates.median < _DIGITS_BELOW else 0
