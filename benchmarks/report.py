"""Tables, ratios, JSON and plot of what a run found; it measures nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks import answers, ceiling, engine, figures, options, plot, record, serving
from benchmarks.contenders import Contender
from benchmarks.figures import Figure, Measured
from benchmarks.machine import Machine
from loadtests.table import table
from runtime.cpus import available_cpus

GOALS_SHAPE = "base"
"""What goals are for: with a tiny model, HTTP is nearly all there is."""
PACKAGES = (
    *("bentoml", "torch", "openvino", "nncf", "transformers", "tokenizers", "numpy", "pydantic", "starlette"),
    *("uvicorn", "uvloop", "httptools"),
)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found, by the name of the contender; for the ceiling, by the way to multiply."""

    ceiling: dict[str, ceiling.Found] = field(default_factory=dict)
    engines: dict[str, engine.Found] = field(default_factory=dict)
    served: dict[str, serving.Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Results:
    """All rounds, with what it takes to read them.

    `source` says where the posted texts are from, `mean_tokens` how long the texts of each workload are,
    `expected` holds the float32 probabilities of the compared texts, `missing` says who could not take part.
    """

    contenders: Mapping[str, Contender]
    source: str
    mean_tokens: Mapping[str, float]
    expected: Sequence[float]
    rounds: Sequence[Round]
    missing: Sequence[str] = ()

    def measured(self) -> Measured:
        """Return the rounds as figures read them."""
        return Measured(
            self.contenders,
            [one.ceiling for one in self.rounds],
            [one.engines for one in self.rounds],
            [one.served for one in self.rounds],
            self.mean_tokens,
        )


def publish(name: str, results: Results, host: Machine, chosen: argparse.Namespace) -> list[str]:
    """Print the tables, write JSON and plot, and return what makes figures worthless."""
    found = figures.figures(results.measured())
    if chosen.shape != GOALS_SHAPE:
        found = [replace(figure, goal=None) for figure in found]
    print(f"{host}\n{_settings(results, chosen)}")
    for lines in _tables(results, found):
        print(f"\n{lines}")
    for sentence in results.missing:
        print(sentence)
    flaws = [*flaws_of(results)]
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": options.plain(chosen),
        "texts": {"source": results.source, "mean_tokens": dict(results.mean_tokens)},
        "missing": list(results.missing),
        "flaws": flaws,
        "figures": [asdict(figure) for figure in found],
        "rounds": [asdict(one) for one in results.rounds],
    }
    path = record.write(name, content, chosen.results)
    print(f"\n{path}")
    if image := _plot(results, path, host, chosen):
        print(image)
    return flaws


def flaws_of(results: Results) -> Iterator[str]:
    """Say which requests failed and whose answers are not those of float32."""
    for name, contender in results.contenders.items():
        measured = [
            part[name] for one in results.rounds for part in (one.engines, one.served) if name in part
        ]
        found = (
            answers.flaw(name, contender.precision, one.probabilities, results.expected) for one in measured
        )
        yield from sorted({flaw for flaw in found if flaw})
        served = [one.served for one in results.rounds if name in one.served]
        if served and (failed := serving.failed(name, served)):
            yield f"{name}: {failed} requests failed; its figures do not count."


def _tables(results: Results, found: Sequence[Figure]) -> Iterator[str]:
    first = results.rounds[0]
    if first.ceiling:
        yield table(ceiling.HEADER, ceiling.rows([one.ceiling for one in results.rounds]))
    engines, served = [one.engines for one in results.rounds], [one.served for one in results.rounds]
    names = [name for name in results.contenders if name in first.engines]
    if first.ceiling and names:
        rows = [
            engine.row(name, engines, results.mean_tokens, _apart(results, engines, name)) for name in names
        ]
        yield table(engine.HEADER, rows)
    if first.served:
        cores = available_cpus()
        rows = [
            serving.row(name, served, cores, _apart(results, served, name))
            for name in results.contenders
            if name in first.served
        ]
        yield table(serving.HEADER, rows)
    if found:
        yield table(figures.HEADER, [figure.row() for figure in found])


def _apart(results: Results, rounds: Sequence[engine.Round] | Sequence[serving.Round], name: str) -> float:
    return max(answers.apart(one[name].probabilities, results.expected) for one in rounds)


def _settings(results: Results, chosen: argparse.Namespace) -> str:
    tokens = ", ".join(f"{name} {mean:.0f}" for name, mean in results.mean_tokens.items())
    parts = [
        f"BERT-{chosen.shape} with random weights, device {chosen.device}, {chosen.threads} threads",
        f"{chosen.rounds} rounds, each measurement at least {chosen.seconds:g} s",
        f"{chosen.texts} texts ({results.source}); mean tokens of a text: {tokens}",
    ]
    if hasattr(chosen, "connections"):
        parts.append(
            f"{chosen.connections} connections for at least {chosen.http_seconds:g} s, "
            f"{chosen.texts_per_request} text(s) a request, client {chosen.client}, which takes its share "
            "of the same cores"
        )
    return "\n".join(parts)


def _plot(results: Results, path: Path, host: Machine, chosen: argparse.Namespace) -> Path | None:
    lines = plot.lines_of([one.served for one in results.rounds])
    if not lines:
        return None
    smoke = "smoke test, no figure means anything; " if chosen.quick else ""
    measured = f"BERT-{chosen.shape} with random weights; rounds: {len(results.rounds)}"
    return plot.draw(lines, path.with_suffix(".png"), f"{smoke}{measured}; {host.cpu}, {host.cores} cores")
