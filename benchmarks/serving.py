"""The service beside BentoML's documented pattern: same machine, same weights, same texts, in turn.

Every round starts each contender in turn, warms it up, loads it and stops it; another one begins in the next.
A ratio is that of two measurements of one round, because machines drift; the table shows medians and ranges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks import machine, record, texts
from benchmarks.clients import CLIENTS, Client, ClientError, Load, whole_passes
from benchmarks.model import LABELS, NAME, SHAPES, Precision, save_in
from loadtests.server import ServerError, bentoml_server
from loadtests.table import table

BASELINE = "naive fp32"
PACKAGES = (
    *("bentoml", "torch", "transformers", "tokenizers", "numpy", "pydantic", "starlette", "uvicorn"),
    *("uvloop", "httptools"),
)
HEADER = (
    *("service", "requests/s", "range", "texts/s", "p50 ms", "p95 ms", "ratio", "range", "errors"),
    "answers apart",
)
COMPARED = 8
"""Bodies whose answers are compared with the baseline's: that the same is computed is part of the claim."""
LARGEST_DIFFERENCE = {"fp32": 0.001, "bf16": 0.05}
"""How far apart two answers may be in probability, by the precision of the model."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A service to measure, the precision of its model, and where it is told which model that is."""

    service: str
    precision: Precision
    variable: str | None = None


CONTENDERS: dict[str, Contender] = {
    BASELINE: Contender("benchmarks.naive:NaiveClassifier", "fp32", variable="MODEL_PATH"),
    "service fp32": Contender("service:BertClassifier", "fp32"),
    "service bf16": Contender("service:BertClassifier", "bf16"),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A load, and the probability of the first label that some texts were answered with."""

    load: Load
    probabilities: list[float]


Round = Mapping[str, Measurement]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all contenders share: the store, its models by precision, the bodies, and how they are posted."""

    home: Path
    models: Mapping[str, Path]
    bodies: Sequence[bytes]
    client: Client
    connections: int
    seconds: float

    def run_round(self, number: int) -> Round:
        """Measure every contender once, another one first in each round."""
        names = [*CONTENDERS][number % len(CONTENDERS) :] + [*CONTENDERS][: number % len(CONTENDERS)]
        found = {}
        for name in names:
            found[name] = self.measure(CONTENDERS[name])
            _progress(f"round {number + 1}: {name}: {found[name].load.requests_per_second:.2f} requests/s")
        return found

    def measure(self, contender: Contender) -> Measurement:
        """Start the contender, warm it up, load it, stop it."""
        model = self.models[contender.precision]
        tag = None if contender.variable else f"{NAME}:{contender.precision}"
        env = {contender.variable: str(model)} if contender.variable else {}
        with bentoml_server(contender.service, model=tag, home=self.home, env=env) as server:
            url = f"{server.url}/classify"
            probabilities = probabilities_of(url, self.bodies[:COMPARED])
            whole_passes(url, self.bodies[: self.connections], self.connections, seconds=0)
            return Measurement(self.client(url, self.bodies, self.connections, self.seconds), probabilities)


def main(argv: Sequence[str]) -> int:
    """Measure all contenders, print the table, write the JSON; status 1 when the comparison is not fair."""
    options = _parser().parse_args(argv)
    host = machine.describe(PACKAGES)
    source, pool = texts.load(options.texts)
    try:
        rounds = _rounds(pool, options)
    except (ClientError, ServerError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{host}\n{_settings(source, options)}\n")
    print(table(HEADER, [row(name, rounds, options.texts_per_request) for name in CONTENDERS]))
    content: dict[str, object] = {
        "machine": asdict(host),
        "texts": source,
        "settings": {name: str(value) for name, value in vars(options).items()},
        "rounds": [{name: asdict(found) for name, found in one.items()} for one in rounds],
    }
    print(f"\n{record.write('http', content, options.results)}")
    flaws = [flaw for name in CONTENDERS for flaw in flaws_of(name, rounds)]
    for flaw in flaws:
        print(flaw, file=sys.stderr)
    return 1 if flaws else 0


def _rounds(pool: Sequence[str], options: argparse.Namespace) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="benchmark-store-") as folder:
        home = Path(folder)
        precisions = sorted({contender.precision for contender in CONTENDERS.values()})
        bench = Bench(
            home=home,
            models={precision: save_in(home, options.shape, precision) for precision in precisions},
            bodies=texts.bodies(pool, options.texts_per_request),
            client=CLIENTS[options.client],
            connections=options.connections,
            seconds=options.seconds,
        )
        return [bench.run_round(number) for number in range(options.rounds)]


def probabilities_of(url: str, bodies: Sequence[bytes]) -> list[float]:
    """Ask for the texts of some bodies and return the probability of the first label for each.

    Raises
    ------
    ClientError
        A request failed.
    """
    answers = []
    with httpx.Client(headers={"Content-Type": "application/json"}, timeout=300) as client:
        for body in bodies:
            response = client.post(url, content=body)
            if response.is_error:
                raise ClientError(f"{url} answered {response.status_code}: {response.text[:200]}")
            answers += response.json()
    return [answer["score"] if answer["label"] == LABELS[0] else 1 - answer["score"] for answer in answers]


def row(name: str, rounds: Sequence[Round], texts_per_request: int) -> tuple[str, ...]:
    """Return the cells under `HEADER`: medians over the rounds, ranges, and how far answers are apart."""
    loads = [one[name].load for one in rounds]
    rates = [load.requests_per_second for load in loads]
    ratios = [one[name].load.requests_per_second / one[BASELINE].load.requests_per_second for one in rounds]
    return (
        name,
        f"{median(rates):.2f}",
        f"{min(rates):.2f}-{max(rates):.2f}",
        f"{median(rates) * texts_per_request:.2f}",
        f"{median(load.p50_ms for load in loads):,.0f}",
        f"{median(load.p95_ms for load in loads):,.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}-{max(ratios):.2f}",
        str(sum(load.errors for load in loads)),
        f"{apart(name, rounds):.4f}",
    )


def apart(name: str, rounds: Sequence[Round]) -> float:
    """Return the largest difference between a probability of this contender and of the baseline."""
    return max(
        abs(here - there)
        for one in rounds
        for here, there in zip(one[name].probabilities, one[BASELINE].probabilities, strict=True)
    )


def flaws_of(name: str, rounds: Sequence[Round]) -> Iterator[str]:
    """Say what makes the figures of a contender worthless: failed requests, or other answers."""
    errors = sum(one[name].load.errors for one in rounds)
    if errors:
        yield f"{name}: {errors} requests failed; its figures do not count."
    allowed, found = LARGEST_DIFFERENCE[CONTENDERS[name].precision], apart(name, rounds)
    if found > allowed:
        yield f"{name}: answers differ from those of {BASELINE} by {found:.4f}, {allowed} is allowed."


def _settings(source: str, options: argparse.Namespace) -> str:
    return (
        f"BERT-{options.shape} with random weights, {options.texts} texts ({source}), "
        f"{options.texts_per_request} a request, {options.connections} connections, client {options.client}, "
        f"{options.rounds} rounds of at least {options.seconds:g} s"
    )


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks http", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=_positive, default=3, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="least time of a load; default: %(default)g"
    )
    parser.add_argument(
        "--connections", type=_positive, default=32, help="open requests; default: %(default)s"
    )
    parser.add_argument(
        "--texts", type=_positive, default=128, help="texts of one pass; default: %(default)s"
    )
    parser.add_argument("--texts-per-request", type=_positive, default=1, help="default: %(default)s")
    parser.add_argument(
        "--client",
        choices=list(CLIENTS),
        default="whole-passes",
        help="whole-passes posts all texts equally often, wrk for a fixed time; default: %(default)s",
    )
    parser.add_argument("--shape", choices=list(SHAPES), default="base", help="default: BERT-%(default)s")
    parser.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    return parser


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number.")
    return number
