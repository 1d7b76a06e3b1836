"""The ratios that speed claims are made of, within rounds where both sides drift; it measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import ceiling, contenders, engine, serving
from benchmarks.contenders import Contender
from benchmarks.spread import Spread, ratios
from benchmarks.texts import MIX, REVIEWS

HEADER = ("figure", "median (range)", "goal")
BF16_WAYS = (ceiling.GPU_BF16, ceiling.BF16)


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio; `goal` is the least that it should be, where there is one."""

    name: str
    spread: Spread
    goal: float | None = None

    def row(self) -> tuple[str, ...]:
        """Return the cells under `HEADER`."""
        return self.name, self.spread.cell(2), "" if self.goal is None else f"{self.goal:g}"


@dataclass(frozen=True, slots=True)
class Measured:
    """The rounds of each part; mean tokens of a text by workload."""

    contenders: Mapping[str, Contender]
    ceilings: Sequence[Mapping[str, ceiling.Found]]
    engines: Sequence[engine.Round]
    served: Sequence[serving.Round]
    tokens: Mapping[str, float]

    def texts_per_second(self, name: str, call: str) -> list[float]:
        """Return the rate of an engine in each round."""
        return [one[name].texts_per_second[call] for one in self.engines]

    def requests_per_second(self, name: str) -> list[float]:
        """Return the rate of a server in each round."""
        return [one[name].requests_per_second for one in self.served]

    def engine_names(self, precision: str | None = None) -> list[str]:
        """Return our own contenders that ran as engines, of one precision if it is given."""
        return [name for name in self._ours(precision) if self.engines and name in self.engines[0]]

    def server_names(self, precision: str | None = None) -> list[str]:
        """Return our own contenders that were served, of one precision if it is given."""
        return [name for name in self._ours(precision) if self.served and name in self.served[0]]

    def _ours(self, precision: str | None) -> Iterator[str]:
        for name, contender in self.contenders.items():
            if contender.is_ours and precision in (None, contender.precision):
                yield name


def figures(measured: Measured) -> list[Figure]:
    """Return every ratio that the measured parts allow."""
    return [figure for part in FIGURES for figure in part(measured)]


def of_ceiling(measured: Measured) -> Iterator[Figure]:
    """Yield tokens/s in bulk over those of the bf16 matrix products: their best of all rounds."""
    best = max(
        (one[way].tokens_per_second for one in measured.ceilings for way in BF16_WAYS if way in one),
        default=None,
    )
    if best is None:
        return
    for name in measured.engine_names("bf16"):
        rates = measured.texts_per_second(name, engine.REVIEWS_BULK)
        found = Spread.of(rate * measured.tokens[REVIEWS] / best for rate in rates)
        yield Figure(f"engine {name} over the bf16 ceiling", found, 0.60)


def int8_over_bf16(measured: Measured) -> Iterator[Figure]:
    """Yield the rate of int8 over that of the fastest bf16 engine, not of the same one."""
    bf16 = _fastest(
        measured.engine_names("bf16"), lambda name: measured.texts_per_second(name, engine.REVIEWS_BULK)
    )
    for name in measured.engine_names("int8"):
        if bf16:
            found, beside = (measured.texts_per_second(each, engine.REVIEWS_BULK) for each in (name, bf16))
            yield Figure(f"engine {name} over {bf16}", ratios(found, beside), 1.5)


def over_baselines(measured: Measured) -> Iterator[Figure]:
    """Yield the rates of our engines over those of the seed loop and of the pipeline."""
    for baseline in (contenders.SEED_LOOP, contenders.PIPELINE, contenders.GPU_PIPELINE):
        if baseline in measured.contenders and measured.engines and baseline in measured.engines[0]:
            beside = measured.texts_per_second(baseline, engine.REVIEWS_ARRIVING)
            for name in measured.engine_names():
                found = measured.texts_per_second(name, engine.REVIEWS_BULK)
                yield Figure(f"engine {name} over {baseline}", ratios(found, beside))


def mix_over_ideal(measured: Measured) -> Iterator[Figure]:
    """Yield the rate of the mix over the padding-free ideal, as texts arrive."""
    for name in measured.engine_names():
        if f"{MIX} {engine.ARRIVING}" in measured.engines[0][name].texts_per_second:
            found = Spread.of(engine.mix_over_ideal(one[name]) for one in measured.engines)
            yield Figure(f"engine {name}: one 512-token text in ten over the padding-free ideal", found, 0.85)


def http_over_engine(measured: Measured) -> Iterator[Figure]:
    """Yield texts/s on HTTP over those of the engine alone, given the same texts as they arrive."""
    for name in measured.server_names():
        if name in measured.engine_names():
            beside = measured.texts_per_second(name, engine.REVIEWS_ARRIVING)
            yield Figure(f"HTTP {name} over its engine", ratios(_served_texts(measured, name), beside), 0.90)


def http_over_baselines(measured: Measured) -> Iterator[Figure]:
    """Yield the rates of our service over those of others."""
    for baseline, goal in ((contenders.NAIVE, 30.0), (contenders.INFINITY, 4.0)):
        if measured.served and baseline in measured.served[0]:
            beside = measured.requests_per_second(baseline)
            for name in measured.server_names():
                found = ratios(measured.requests_per_second(name), beside)
                yield Figure(f"HTTP {name} over {baseline}", found, goal)


FIGURES: tuple[Callable[[Measured], Iterator[Figure]], ...] = (
    of_ceiling,
    int8_over_bf16,
    over_baselines,
    mix_over_ideal,
    http_over_engine,
    http_over_baselines,
)


def _served_texts(measured: Measured, name: str) -> list[float]:
    return [one[name].texts_per_second for one in measured.served]


def _fastest(names: Sequence[str], rates: Callable[[str], Sequence[float]]) -> str | None:
    return max(names, key=lambda name: median(rates(name)), default=None)
