"""What a run must keep, and what it broke; it knows neither Locust nor the service."""

from __future__ import annotations

import difflib
import operator
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from loadtests.scenarios import SCENARIOS
from loadtests.summary import Summary

DEFAULT_PATH = Path(__file__).with_name("thresholds.toml")


class ThresholdsError(ValueError):
    """A file of thresholds cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of one scenario."""

    p95_ms: float
    max_error_rate: float
    min_requests_per_second: float


KEYS = tuple(field.name for field in fields(Thresholds))


def read(path: Path) -> dict[str, Thresholds]:
    """Read the limits by scenario.

    Raises
    ------
    ThresholdsError
        The file is missing or not TOML, or a scenario, key or value is not one of those allowed.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ThresholdsError(
            f"{path} cannot be read ({error.strerror}); name a file of thresholds."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ThresholdsError(f"{path} is not TOML ({error}); compare it with {DEFAULT_PATH}.") from error
    for name in sections:
        if name not in SCENARIOS:
            raise ThresholdsError(f"{path}: no scenario is called {name!r}; {nearest(name, SCENARIOS)}")
    return {name: _section(section, f"{path} [{name}]") for name, section in sections.items()}


def breaches(summary: Summary, thresholds: Thresholds) -> list[str]:
    """Return a sentence for each limit that the run broke."""
    return [
        f"{summary.scenario}: {key} is {limit(thresholds):g}, the run had {figure(summary):.4g}."
        for key, limit, figure, is_kept in _CHECKS
        if not is_kept(figure(summary), limit(thresholds))
    ]


_Check = tuple[str, Callable[[Thresholds], float], Callable[[Summary], float], Callable[[float, float], bool]]
_CHECKS: tuple[_Check, ...] = (
    ("p95_ms", lambda limits: limits.p95_ms, lambda run: run.p95_ms, operator.le),
    ("max_error_rate", lambda limits: limits.max_error_rate, lambda run: run.error_rate, operator.le),
    (
        "min_requests_per_second",
        lambda limits: limits.min_requests_per_second,
        lambda run: run.requests_per_second,
        operator.ge,
    ),
)


def _section(section: object, where: str) -> Thresholds:
    if not isinstance(section, Mapping):
        raise ThresholdsError(
            f"{where} is not a section; write its keys below a line with its name in brackets."
        )
    for key in section:
        if key not in KEYS:
            raise ThresholdsError(f"{where}: no threshold is called {key!r}; {nearest(key, KEYS)}")
    missing = [key for key in KEYS if key not in section]
    if missing:
        raise ThresholdsError(f"{where} lacks {', '.join(missing)}; every scenario sets {', '.join(KEYS)}.")
    values = {key: _number(section[key], f"{where} {key}") for key in KEYS}
    if values["max_error_rate"] > 1:
        raise ThresholdsError(
            f"{where} max_error_rate is {values['max_error_rate']:g}; it is a share from 0 to 1."
        )
    return Thresholds(**values)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ThresholdsError(f"{where} is {value!r}; it must be a number that is not negative.")
    return float(value)


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the closest allowed name, else the list of allowed names."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(names)}."
