"""How the number of users changes during a run; it knows neither Locust nor what the users do."""

from __future__ import annotations

from collections.abc import Callable

Scenario = Callable[[float], float]
"""From the share of the run that has passed, in [0, 1), to the share of the users present, in (0, 1]."""


def steady(_passed: float) -> float:
    """All users, all the time: what the service sustains."""
    return 1.0


def ramp(passed: float) -> float:
    """Ten equal steps up to all users: where latency starts to bend."""
    return (int(passed * 10) + 1) / 10


def spike(passed: float) -> float:
    """A fifth of the users, all of them in the middle third, a fifth again: whether the service recovers."""
    return 1.0 if 1 / 3 <= passed < 2 / 3 else 0.2


SCENARIOS: dict[str, Scenario] = {
    "steady": steady,
    "ramp": ramp,
    "spike": spike,
}


def users_at(scenario: str, seconds: float, *, run_seconds: float, users: int) -> int | None:
    """Return how many users are present `seconds` into a run, at least one; None when the run is over."""
    if seconds >= run_seconds:
        return None
    return max(1, round(users * SCENARIOS[scenario](seconds / run_seconds)))
