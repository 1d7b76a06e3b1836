"""The figures of one run that thresholds are held against; it knows neither Locust nor files."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = ("scenario", "requests", "failures", "requests/s", "texts/s", "p50 ms", "p95 ms", "p99 ms", "max ms")


@dataclass(frozen=True, slots=True)
class Summary:
    """One run. Rates count answered requests only, since refusing is quick; latencies count all, in ms."""

    scenario: str
    requests: int
    failures: int
    requests_per_second: float
    texts_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def error_rate(self) -> float:
        """Share of the requests that failed; 1 where there was none."""
        return self.failures / self.requests if self.requests else 1.0

    def row(self) -> tuple[str, ...]:
        """Return the cells that stand under `HEADER`."""
        return (
            self.scenario,
            f"{self.requests:,}",
            f"{self.failures:,}",
            f"{self.requests_per_second:,.1f}",
            f"{self.texts_per_second:,.1f}",
            *(f"{value:,.0f}" for value in (self.p50_ms, self.p95_ms, self.p99_ms, self.max_ms)),
        )
