"""Requests at their own times, whether or not earlier ones are answered; it knows neither server nor model.

Latency counts from the time at which a request was meant to be sent: a server that stalls cannot slow its own
measurement down.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from statistics import fmean

import aiohttp

from benchmarks.clients import ClientError, percentile_ms

_TIMEOUT_SECONDS = 300
_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Latencies:
    """Answered and failed requests of an open loop; latencies in ms from the intended time of sending."""

    requests: int
    errors: int
    mean_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Job:
    """What a client with many texts got done: requests and seconds."""

    requests: int
    errors: int
    seconds: float


def times(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the times, in seconds from the start, of Poisson arrivals at `rate` a second; at least one."""
    rng = random.Random(seed)
    moment = rng.expovariate(rate)
    yield moment
    while (moment := moment + rng.expovariate(rate)) < seconds:
        yield moment


def poisson(url: str, bodies: Sequence[bytes], rate: float, seconds: float, seed: int) -> Latencies:
    """Post bodies in turn at Poisson times, and wait for all answers.

    Raises
    ------
    ClientError
        No request was answered.
    """

    async def run() -> Latencies:
        async with _session() as session:
            return _summary(
                url, await _arrive(session, url, bodies, times(rate, seconds, seed), lambda: False)
            )

    return asyncio.run(run())


def beside_job(
    url: str, bodies: Sequence[bytes], rate: float, seconds: float, seed: int, job: Sequence[bytes]
) -> tuple[Latencies, Job]:
    """Post bodies at Poisson times while another client posts a job, one request after the other.

    Both end when `seconds` have passed or the job is done, whichever is first.

    Raises
    ------
    ClientError
        No request was answered.
    """

    async def run() -> tuple[Latencies, Job]:
        async with _session() as session, _session() as other:
            started = time.perf_counter()
            working = asyncio.create_task(_work(other, url, job, started + seconds))
            latencies = await _arrive(session, url, bodies, times(rate, seconds, seed), working.done)
            return _summary(url, latencies), await working

    return asyncio.run(run())


async def _arrive(
    session: aiohttp.ClientSession,
    url: str,
    bodies: Sequence[bytes],
    moments: Iterator[float],
    is_over: Callable[[], bool],
) -> list[float | None]:
    """Return the latency of each request in seconds, None where it failed."""
    started = time.perf_counter()
    tasks: list[asyncio.Task[float | None]] = []
    for moment, body in zip(moments, cycle(bodies), strict=False):
        intended = started + moment
        await asyncio.sleep(intended - time.perf_counter())
        if tasks and is_over():
            break
        tasks.append(asyncio.create_task(_post(session, url, body, intended)))
    return list(await asyncio.gather(*tasks))


async def _work(session: aiohttp.ClientSession, url: str, job: Sequence[bytes], until: float) -> Job:
    started = time.perf_counter()
    answered = errors = 0
    for body in job:
        if time.perf_counter() >= until:
            break
        if await _post(session, url, body, started) is None:
            errors += 1
        else:
            answered += 1
    return Job(answered, errors, time.perf_counter() - started)


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, intended: float) -> float | None:
    try:
        async with session.post(url, data=body, headers=_HEADERS) as response:
            await response.read()
            return time.perf_counter() - intended if response.ok else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def _summary(url: str, outcomes: Sequence[float | None]) -> Latencies:
    answered = sorted(latency for latency in outcomes if latency is not None)
    if not answered:
        raise ClientError(f"{url} answered none of {len(outcomes)} requests; see the log of its server.")
    return Latencies(
        requests=len(answered),
        errors=len(outcomes) - len(answered),
        mean_ms=1000 * fmean(answered),
        p50_ms=percentile_ms(answered, 0.50),
        p95_ms=percentile_ms(answered, 0.95),
    )


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS), connector=aiohttp.TCPConnector(limit=0)
    ) as session:
        yield session
