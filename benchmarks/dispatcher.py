"""The service with its own dispatcher beside BentoML's: after a burst, beside a large job, with long texts.

The same model and texts for both, in turn, another one first in each round. Requests arrive at Poisson times,
whether or not earlier ones are answered, and latency counts from the time a request was meant to be sent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from benchmarks import answers, arrivals, machine, options, record, report, texts
from benchmarks.arrivals import Job, Latencies
from benchmarks.clients import ClientError, Load, whole_passes
from benchmarks.isolated import IsolationError
from benchmarks.model import REFERENCE, SaveError, Variant, save_in
from benchmarks.servers import Running, Start, service
from benchmarks.spread import Spread, rotated
from benchmarks.texts import LONG, MIX, SHORT
from loadtests.corpus import generate
from loadtests.server import ServerError
from loadtests.table import table
from runtime.errors import ModelError

DISPATCHERS = ("tokens", "bentoml")
"""Values of the setting CLASSIFIER_DISPATCHER."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one dispatcher did in one round.

    `idle` and `after` are the same arrivals before and just after a saturating burst, `calm` and `beside` the
    same single texts without and with a large job; `closed` are loads with all connections, by workload.
    """

    idle: Latencies
    after: Latencies
    calm: Latencies
    beside: Latencies
    job: Job
    job_texts: int
    burst: Load
    closed: dict[str, Load]
    probabilities: list[float]

    @property
    def mix_over_ideal(self) -> float:
        """The rate of the mix over that of a server for which long texts cost what they cost alone."""
        return texts.mix_over_ideal(*(self.closed[name].requests_per_second for name in (SHORT, LONG, MIX)))

    @property
    def errors(self) -> int:
        """Failed requests of all phases."""
        opened = sum(phase.errors for phase in (self.idle, self.after, self.calm, self.beside))
        closed = sum(load.errors for load in (self.burst, *self.closed.values()))
        return opened + closed + self.job.errors


Round = Mapping[str, Found]


@dataclass(frozen=True, slots=True)
class Bench:
    """What both dispatchers share."""

    home: Path
    directory: Path
    variant: Variant
    reviews: Sequence[str]
    chosen: argparse.Namespace

    def run_round(self, number: int) -> Round:
        """Measure both once, another one first in each round."""
        found = {}
        for name in rotated(DISPATCHERS, number):
            found[name] = self.measure(name, seed=number)
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
        return found

    def measure(self, dispatcher: str, seed: int) -> Found:
        """Serve with one dispatcher and run all phases."""
        start = Start(
            self.home,
            self.variant,
            self.directory,
            device=self.chosen.device,
            threads=self.chosen.threads,
            env=(("CLASSIFIER_DISPATCHER", dispatcher),),
        )
        with service(start) as running:
            return self._phases(running, seed)

    def _phases(self, running: Running, seed: int) -> Found:
        chosen, url = self.chosen, running.url
        bodies = texts.bodies(self.reviews, 1)
        probabilities = running.probabilities(answers.compared(self.reviews))
        whole_passes(url, bodies[: chosen.connections], chosen.connections, seconds=0)

        def open_loop(rate: float) -> Latencies:
            return arrivals.poisson(url, bodies, rate, chosen.seconds, seed)

        idle = open_loop(chosen.rate)
        burst = whole_passes(url, bodies, chosen.connections, chosen.seconds)
        after = open_loop(chosen.rate)
        calm = open_loop(chosen.single_rate)
        chunk = _most_texts(url)
        job = texts.bodies(generate(chosen.job_texts, seed=5), chunk)
        beside, done = arrivals.beside_job(url, bodies, chosen.single_rate, chosen.seconds, seed, job)
        return Found(
            *(idle, after, calm, beside, done),
            job_texts=min(done.requests * chunk, chosen.job_texts),
            burst=burst,
            closed={
                workload.name: whole_passes(
                    url, texts.bodies(workload.texts, 1), chosen.connections, chosen.seconds
                )
                for workload in texts.workloads(self.reviews, 2 * chosen.connections)[1:]
            },
            probabilities=probabilities,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: a value of each round, its decimals, and the goal for our dispatcher."""

    name: str
    value: Callable[[Found], float]
    digits: int = 0
    goal: str = ""

    def row(self, rounds: Sequence[Round]) -> tuple[str, ...]:
        """Return the cells: name, each dispatcher, goal."""
        spreads = (Spread.of(self.value(one[name]) for one in rounds) for name in DISPATCHERS)
        return (self.name, *(spread.cell(self.digits) for spread in spreads), self.goal)


HEADER = ("", *DISPATCHERS, "goal")
LINES = (
    Line("idle, mean ms", lambda found: found.idle.mean_ms, 1),
    Line("just after a saturating burst, mean ms", lambda found: found.after.mean_ms, 1),
    Line("  over idle", lambda found: found.after.mean_ms / found.idle.mean_ms, 2, "at most 1.3"),
    Line("single texts without a job, p95 ms", lambda found: found.calm.p95_ms, 1),
    Line("single texts beside a job, p95 ms", lambda found: found.beside.p95_ms, 1),
    Line("  over without", lambda found: found.beside.p95_ms / found.calm.p95_ms, 2, "at most 3"),
    Line("the job meanwhile, texts/s", lambda found: found.job_texts / found.job.seconds, 1),
    Line("short texts alone, requests/s", lambda found: found.closed[SHORT].requests_per_second, 1),
    Line("512-token texts alone, requests/s", lambda found: found.closed[LONG].requests_per_second, 1),
    Line("one 512-token text in ten, requests/s", lambda found: found.closed[MIX].requests_per_second, 1),
    Line("  over the padding-free ideal", lambda found: found.mix_over_ideal, 2, "at least 0.85"),
    Line("failed requests", lambda found: found.errors),
)


def main(argv: Sequence[str]) -> int:
    """Measure both dispatchers, print the table, write the JSON; status 1 when figures do not count."""
    chosen = options.finish(_parser(), argv)
    host = machine.describe(report.PACKAGES)
    source, reviews = texts.load(chosen.texts)
    try:
        variant = Variant.parse(chosen.model)
        with tempfile.TemporaryDirectory(prefix="benchmark-store-") as folder:
            models = save_in(Path(folder), chosen.shape, sorted({REFERENCE, variant}))
            expected = answers.reference(models[REFERENCE], answers.compared(reviews))
            bench = Bench(Path(folder), models[variant], variant, reviews, chosen)
            rounds = [bench.run_round(number) for number in range(chosen.rounds)]
    except (ClientError, IsolationError, ModelError, SaveError, ServerError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{host}\n{_settings(source, chosen)}\n\n{table(HEADER, [line.row(rounds) for line in LINES])}")
    flaws = [*flaws_of(variant, rounds, expected)]
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": options.plain(chosen),
        "flaws": flaws,
        "rounds": [{name: asdict(found) for name, found in one.items()} for one in rounds],
    }
    print(f"\n{record.write('dispatcher', content, chosen.results)}")
    for flaw in flaws:
        print(flaw, file=sys.stderr)
    return 1 if flaws else 0


def flaws_of(variant: Variant, rounds: Sequence[Round], expected: Sequence[float]) -> Iterator[str]:
    """Say what makes figures worthless: failed requests, or answers that are not those of float32."""
    for number, one in enumerate(rounds, 1):
        for name, found in one.items():
            if found.errors:
                yield f"{name}, round {number}: {found.errors} requests failed; its figures do not count."
            if flaw := answers.flaw(name, variant.precision, found.probabilities, expected):
                yield flaw


def _settings(source: str, chosen: argparse.Namespace) -> str:
    return (
        f"BERT-{chosen.shape} with random weights as {chosen.model}, device {chosen.device}, "
        f"{chosen.threads} threads, {chosen.texts} texts ({source})\n"
        f"{chosen.rounds} rounds, phases of {chosen.seconds:g} s; Poisson arrivals at {chosen.rate:g}/s, "
        f"single texts at {chosen.single_rate:g}/s\n"
        f"burst and throughput with {chosen.connections} connections; job of {chosen.job_texts:,} texts, one "
        "request after the other,\nas large as the limits allow, measured until it is done or the phase ends"
    )


def _most_texts(url: str) -> int:
    """Return how many texts the service takes in one request."""
    answer = httpx.get(f"{url.rpartition('/')[0]}/v1/info", timeout=30)
    if answer.is_error:
        raise ClientError(f"{answer.url} answered {answer.status_code}: {answer.text[:200]}")
    return int(answer.json()["limits"]["max_texts"])


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("dispatcher", __doc__, seconds=15.0)
    for name, kind, default, meaning in (
        ("--model", str, "torch-bf16", "backend-precision"),
        ("--texts", options.positive, 64, "texts of one pass"),
        ("--connections", options.positive, 32, "of the burst and of the throughput"),
        ("--rate", float, 10.0, "requests/s before and after the burst"),
        ("--single-rate", float, 5.0, "single texts/s beside the job"),
        ("--job-texts", options.positive, 10_000, "texts of the job"),
    ):
        parser.add_argument(name, type=kind, default=default, help=f"{meaning}; default: %(default)s")
    return parser
