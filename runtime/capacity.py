"""How many texts a second an engine takes within a latency, from what forward passes cost; it runs none.

Requests of one text arrive at random (Poisson) at a scheduler of the service's own kind, on a virtual clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from runtime.batching import Cost, plan
from runtime.scheduler import Item, Job, Scheduler

REQUEST_SECONDS = 4e-4
"""What a request costs beside the engine: 0.3 to 0.4 ms of the one thread that serves them, here added to the
engine's time as if they never overlapped (benchmarks/LOG.md)."""

_ARRIVALS = 2_000
_STEPS = 12


@dataclass(frozen=True, slots=True)
class Capacity:
    """`highest` texts a second where latency does not matter, `within` those below the wanted p95 latency.

    `idle_p95_seconds` is the p95 latency of texts that come one at a time.
    """

    highest: float
    within: float
    idle_p95_seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """What arrives where: tokens of each text in turn, and prices of a forward pass."""

    lengths: Sequence[int]
    cost: Cost
    seed: int = 0

    def capacity(self, p95_seconds: float) -> Capacity:
        """Return the highest rate, and the highest whose p95 latency stays below the given one."""
        highest = self.highest_rate()
        low, high = 0.0, highest
        for _ in range(_STEPS):
            rate = (low + high) / 2
            low, high = (rate, high) if self.p95_seconds(rate) <= p95_seconds else (low, rate)
        idle = sorted(self._seconds([length]) for length in self.lengths)
        return Capacity(highest, low, _percentile(idle))

    def highest_rate(self) -> float:
        """Return texts a second where the next micro-batch is always full."""
        return _ARRIVALS / self._run([0.0] * _ARRIVALS)[-1]

    def p95_seconds(self, rate: float) -> float:
        """Return the p95 of the seconds between arrival and answer at so many texts a second."""
        generator = random.Random(self.seed)
        arrivals, now = [], 0.0
        for _ in range(_ARRIVALS):
            now += generator.expovariate(rate)
            arrivals.append(now)
        answers = self._run(arrivals)
        return _percentile(sorted(end - start for start, end in zip(arrivals, answers, strict=True)))

    def _run(self, arrivals: Sequence[float]) -> list[float]:
        """Return when each of the texts that arrive at these times is answered."""
        scheduler: Scheduler[None, float] = Scheduler(self.cost.budget)
        jobs: list[Job[None, float]] = []
        now = 0.0
        while len(jobs) < len(arrivals) or scheduler.queued_tokens:
            if not scheduler.queued_tokens:
                now = max(now, arrivals[len(jobs)])
            while len(jobs) < len(arrivals) and arrivals[len(jobs)] <= now:
                jobs.append(self._arrive(scheduler, len(jobs)))
            items: list[Item[None, float]] = scheduler.next(now)
            now += self._seconds([item.tokens for item in items])
            scheduler.done(items, [now] * len(items))
        return [end for job in jobs for end in job.results if end is not None]

    def _arrive(self, scheduler: Scheduler[None, float], number: int) -> Job[None, float]:
        job: Job[None, float] = Job(1, inf)
        scheduler.open(job)
        scheduler.add(job, 0, number, None, self.lengths[number % len(self.lengths)])
        return job

    def _seconds(self, lengths: Sequence[int]) -> float:
        """Return the seconds of a micro-batch, cut as the classifier cuts it, and of its requests."""
        cuts = plan(lengths, self.cost, self.cost.most_tokens)
        engine = sum(self.cost(sum(lengths[i] for i in cut), max(lengths[i] for i in cut)) for cut in cuts)
        return engine + len(lengths) * REQUEST_SECONDS


def _percentile(ordered: Sequence[float]) -> float:
    return ordered[ceil(0.95 * len(ordered)) - 1]
