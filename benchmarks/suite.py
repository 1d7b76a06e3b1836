"""Runs the parts of a benchmark in rounds: ceiling, and engines and servers of every contender in turn."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import answers, ceiling, engine, machine, options, report, serving, texts
from benchmarks.clients import CLIENTS, ClientError
from benchmarks.contenders import CONTENDERS, GPU_CONTENDERS, Contender, available, find_infinity
from benchmarks.engines import Options
from benchmarks.isolated import IsolationError, isolated
from benchmarks.machine import Machine
from benchmarks.model import MAX_LENGTH, REFERENCE, SaveError, Variant, save_in
from benchmarks.report import Results, Round
from benchmarks.servers import Start
from benchmarks.spread import rotated
from benchmarks.texts import Workload
from loadtests.server import ServerError
from runtime.errors import ModelError

SWEEP = (1, 4, 16)
"""Further numbers of connections, for the plot."""
QUICK_SWEEP = (1,)
INFINITY_PACKAGES = ("infinity_emb", "torch", "transformers")
FEW_TEXTS, MANY_TEXTS = 48, 512
SMALL_TOKENS = 30
"""Length of the texts that the small shape gets on HTTP: titles and short messages are what it is for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run measures; without `engine`, engines still run the posted texts: HTTP stands beside them."""

    name: str
    ceiling: bool = False
    engine: bool = False
    http: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """What all rounds share."""

    parts: Parts
    chosen: argparse.Namespace
    home: Path
    models: Mapping[Variant, Path]
    contenders: Mapping[str, Contender]
    workloads: Sequence[Workload]
    compared: Sequence[str]
    infinity: Path | None = None

    def run_round(self, number: int) -> Round:
        """Measure everything once, another contender first in each round."""
        found = Round()
        if self.parts.ceiling:
            found.ceiling.update(ceiling.run_round(number, self.chosen))
        for name in rotated([*self.contenders], number):
            contender = self.contenders[name]
            if contender.loader and (self.parts.engine or contender.is_ours):
                found.engines[name] = isolated(engine.measure, self._engine_task(contender, contender.loader))
                _progress(f"round {number + 1}: {name}: {_rates(found.engines[name])}")
            if contender.server and self.parts.http:
                found.served[name] = self._serve(contender, contender.server, sweeps=number == 0)
                rate = found.served[name].requests_per_second
                _progress(f"round {number + 1}: {name}: {rate:.2f} requests/s")
        return found

    def _engine_task(self, contender: Contender, loader: str) -> engine.Task:
        chosen = self.chosen
        everything = chosen.device.startswith("cuda") or getattr(chosen, "every_workload", False)
        return engine.Task(
            loader,
            Options(self.models[contender.model], contender.precision, chosen.device, chosen.threads),
            engine.calls(contender, self.workloads, everything=everything),
            self.compared,
            chosen.seconds,
        )

    def _serve(self, contender: Contender, server: str, *, sweeps: bool) -> serving.Found:
        chosen = self.chosen
        start = Start(
            home=self.home,
            variant=contender.model,
            directory=self.models[contender.model],
            device=chosen.device,
            threads=chosen.threads,
            infinity=self.infinity,
        )
        plan = serving.Plan(
            texts=self.workloads[0].texts,
            texts_per_request=chosen.texts_per_request,
            compared=self.compared,
            client=chosen.client,
            connections=chosen.connections,
            sweep=QUICK_SWEEP if chosen.quick else SWEEP,
            sweep_seconds=chosen.seconds,
            seconds=chosen.http_seconds,
        )
        return serving.measure(server, start, plan, sweeps=sweeps)


def everything(argv: Sequence[str]) -> int:
    """Engines and HTTP services beside baselines: matrix-product ceiling, tokens/s, requests/s, ratios."""
    return run(Parts("all", ceiling=True, engine=True, http=True), everything.__doc__, argv)


def engines(argv: Sequence[str]) -> int:
    """Engines without HTTP beside baselines and the matrix-product ceiling: tokens/s for several lengths."""
    return run(Parts("engine", ceiling=True, engine=True), engines.__doc__, argv)


def http(argv: Sequence[str]) -> int:
    """Services on HTTP beside baselines: requests/s, latencies, and the share of the engine that is left."""
    return run(Parts("http", http=True), http.__doc__, argv)


def run(parts: Parts, description: str | None, argv: Sequence[str]) -> int:
    """Measure, report, and return 1 if requests failed or answers differ, 2 if nothing could be measured."""
    chosen = _chosen(parts, description, argv)
    infinity = find_infinity(chosen.infinity)
    host = _host(infinity)
    contenders, missing = available(chosen.device, infinity, chosen.only)
    contenders = {
        name: contender
        for name, contender in contenders.items()
        if (parts.engine and contender.loader) or (parts.http and contender.server)
    }
    for sentence in missing:
        _progress(sentence)
    try:
        results = _measure(parts, chosen, contenders, infinity)
    except (ClientError, IsolationError, ModelError, SaveError, ServerError) as error:
        print(error, file=sys.stderr)
        return 2
    flaws = report.publish(parts.name, replace(results, missing=missing), host, chosen)
    for flaw in flaws:
        print(flaw, file=sys.stderr)
    return 1 if flaws else 0


def _measure(
    parts: Parts, chosen: argparse.Namespace, contenders: Mapping[str, Contender], infinity: Path | None
) -> Results:
    source, posted = _texts(chosen)
    workloads = texts.workloads(posted) if parts.engine else [Workload(texts.REVIEWS, posted)]
    compared = answers.compared(posted)
    with tempfile.TemporaryDirectory(prefix="benchmark-store-") as folder:
        home = Path(folder)
        variants = sorted({REFERENCE, *(contender.model for contender in contenders.values())})
        _progress(f"saving {', '.join(map(str, variants))} with random weights")
        models = save_in(home, chosen.shape, variants)
        suite = Suite(parts, chosen, home, models, contenders, workloads, compared, infinity)
        return Results(
            contenders=contenders,
            source=source,
            mean_tokens=engine.mean_tokens(models[REFERENCE], workloads, MAX_LENGTH),
            expected=answers.reference(models[REFERENCE], compared),
            rounds=[suite.run_round(number) for number in range(chosen.rounds)],
        )


def _host(infinity: Path | None) -> Machine:
    host = machine.describe(report.PACKAGES)
    if infinity is None:
        return host
    beside = machine.versions_beside(infinity, INFINITY_PACKAGES)
    named = {f"{package} beside infinity": number for package, number in beside.items()}
    return replace(host, versions={**host.versions, **named})


def _texts(chosen: argparse.Namespace) -> tuple[str, list[str]]:
    tokens: int | None = getattr(chosen, "tokens", None)
    if tokens is None:
        return texts.load(chosen.texts)
    return f"generated, {tokens} tokens each", texts.uniform(chosen.texts, tokens)


def _chosen(parts: Parts, description: str | None, argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser(parts.name, description, seconds=2.0)
    options.add_contenders(
        parser, [*CONTENDERS, *(name for name in GPU_CONTENDERS if name not in CONTENDERS)]
    )
    if parts.engine:
        parser.add_argument(
            "--every-workload", action="store_true", help="give baselines all workloads, not reviews alone"
        )
    if parts.http:
        parser.add_argument(
            "--connections", type=options.positive, default=32, help="open requests; default: %(default)s"
        )
        parser.add_argument(
            "--http-seconds",
            type=float,
            default=8.0,
            help="least time of a load with all connections; default: %(default)g",
        )
        parser.add_argument(
            "--texts-per-request", type=options.positive, default=1, help="default: %(default)s"
        )
        parser.add_argument(
            "--client",
            choices=list(CLIENTS),
            help="whole-passes posts all texts equally often, wrk for a fixed time and with less of the CPU; "
            "default: whole-passes, for --shape small wrk where it is installed",
        )
    if parts.http and not parts.engine:
        parser.add_argument(
            "--tokens",
            type=options.positive,
            help=f"texts of so many tokens; default: reviews, {SMALL_TOKENS} tokens for --shape small",
        )
    return _completed(options.finish(parser, argv))


def _completed(chosen: argparse.Namespace) -> argparse.Namespace:
    """Fill in what depends on the shape: a small model answers thousands of short texts a second."""
    if hasattr(chosen, "tokens") and chosen.tokens is None and chosen.shape == "small":
        chosen.tokens = SMALL_TOKENS
    if chosen.texts is None:
        chosen.texts = MANY_TEXTS if getattr(chosen, "tokens", None) else FEW_TEXTS
    if getattr(chosen, "client", "") is None:
        has_wrk = shutil.which("wrk") is not None
        chosen.client = "wrk" if chosen.shape == "small" and has_wrk else "whole-passes"
    return chosen


def _rates(found: engine.Found) -> str:
    return ", ".join(f"{name} {rate:.1f}/s" for name, rate in found.texts_per_second.items())


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
