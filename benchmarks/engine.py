"""Engines without HTTP, from texts to answers: tokens a second for texts of several lengths.

Every contender runs in a process of its own, once a round, another one first in each; texts come in another
order in each pass. `bulk` hands over all texts of a workload at once, `by 32` batches as they would arrive.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import texts
from benchmarks.contenders import Contender
from benchmarks.engines import BATCH_SIZE, LOADERS, Engine, Options
from benchmarks.spread import Spread
from benchmarks.texts import LONG, MIX, REVIEWS, SHORT, Workload
from loadtests.corpus import generate
from runtime.tokenizer import Tokenizer

BULK, ARRIVING = "bulk", f"by {BATCH_SIZE}"
REVIEWS_BULK, REVIEWS_ARRIVING = REVIEW_CALLS = f"{REVIEWS} {BULK}", f"{REVIEWS} {ARRIVING}"
CALLS = (*((REVIEWS, BULK), (REVIEWS, ARRIVING), (SHORT, BULK), (LONG, BULK), (MIX, BULK), (MIX, ARRIVING)),)
"""What is measured of our engines; texts of one length arrive as they stand in bulk."""
BASELINE_CALLS = ((REVIEWS, ARRIVING), (SHORT, BULK), (LONG, BULK), (MIX, ARRIVING))
COLUMNS = tuple(f"{kind} {way}" for kind, way in CALLS)
HEADER = ("engine, tokens/s", *COLUMNS, "reviews/s", "MB", "answers apart")
_WARM_TEXTS = 16


@dataclass(frozen=True, slots=True)
class Call:
    """A workload, and how many of its texts are handed over at once."""

    name: str
    texts: Sequence[str]
    size: int


@dataclass(frozen=True, slots=True)
class Task:
    """What a process of its own measures; `compared` are the texts whose answers it returns."""

    loader: str
    options: Options
    calls: Sequence[Call]
    compared: Sequence[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one contender did in one round.

    `texts_per_second` has a rate for every call, as `reviews bulk`; `resident_mb` is the most memory that
    the process held; `probabilities` are those of the first label for the compared texts.
    """

    texts_per_second: dict[str, float]
    resident_mb: float
    probabilities: list[float]


Round = Mapping[str, Found]


def calls(contender: Contender, workloads: Sequence[Workload], *, everything: bool) -> list[Call]:
    """Return what is measured of a contender.

    Baselines have one way to take texts, and without `everything` they get reviews alone: on a CPU a padded
    float32 batch with one long text takes half a minute.
    """
    measured = CALLS if contender.is_ours else BASELINE_CALLS if everything else BASELINE_CALLS[:1]
    by_name = {workload.name: workload.texts for workload in workloads}
    return [
        Call(f"{kind} {way}", by_name[kind], len(by_name[kind]) if way == BULK else BATCH_SIZE)
        for kind, way in measured
        if kind in by_name
    ]


def measure(task: Task) -> Found:
    """Load the engine, ask it for the compared texts, warm it up with others, and take its time."""
    engine = LOADERS[task.loader](task.options)
    probabilities = engine(task.compared)
    engine(generate(_WARM_TEXTS, seed=1))
    rates = {call.name: rate(engine, call, task.seconds) for call in task.calls}
    resident_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Found(rates, resident_kib / 1024, probabilities)


def rate(engine: Engine, call: Call, seconds: float) -> float:
    """Return texts per second over whole passes, at least one."""
    done, started = 0, time.perf_counter()
    while not done or time.perf_counter() - started < seconds:
        order = random.Random(done).sample(call.texts, len(call.texts))
        for start in range(0, len(order), call.size):
            engine(order[start : start + call.size])
        done += len(order)
    return done / (time.perf_counter() - started)


def mean_tokens(directory: Path, workloads: Sequence[Workload], max_length: int) -> dict[str, float]:
    """Return the mean number of tokens of a text, special tokens included, by the name of its workload."""
    tokenizer = Tokenizer.load(directory, max_length)
    return {
        workload.name: sum(map(len, tokenizer.encode(workload.texts))) / len(workload.texts)
        for workload in workloads
    }


def mix_over_ideal(found: Found, way: str = ARRIVING) -> float:
    """Return the rate of the mix over that of an engine that pays for no padding.

    Its time is what short and long texts take alone, each in bulk: as fast as they get.
    """
    names = (f"{SHORT} {BULK}", f"{LONG} {BULK}", f"{MIX} {way}")
    return texts.mix_over_ideal(*(found.texts_per_second[name] for name in names))


def row(name: str, rounds: Sequence[Round], tokens: Mapping[str, float], apart: float) -> tuple[str, ...]:
    """Return the cells under `HEADER`: medians and ranges over the rounds, and how far answers are apart."""
    mine = [one[name] for one in rounds]
    cells = [_cell(mine, call, tokens) for call in COLUMNS]
    best = max(
        median(found.texts_per_second[call] for found in mine)
        for call in REVIEW_CALLS
        if call in mine[0].texts_per_second
    )
    memory = median(found.resident_mb for found in mine)
    return (name, *cells, f"{best:,.1f}", f"{memory:,.0f}", f"{apart:.4f}")


def _cell(mine: Sequence[Found], call: str, tokens: Mapping[str, float]) -> str:
    if call not in mine[0].texts_per_second:
        return "–"
    length = tokens[call.partition(" ")[0]]
    return Spread.of(found.texts_per_second[call] * length for found in mine).cell()
