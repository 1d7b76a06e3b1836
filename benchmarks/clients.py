"""Keeps a number of requests open against a URL and takes the time; it knows neither server nor model."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import aiohttp

_TIMEOUT_SECONDS = 300
_HEADERS = {"Content-Type": "application/json"}
_LUA = Path(__file__).with_name("bodies.lua")


class ClientError(RuntimeError):
    """A client is not installed or failed; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: answered and failed requests, seconds from first to last, latencies."""

    requests: int
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float

    @property
    def requests_per_second(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds


Client = Callable[[str, Sequence[bytes], int, float], Load]


def whole_passes(url: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Post all bodies, again and again until `seconds` have passed, and let every request finish.

    A slow and a fast server thus do the same work per pass, and a batch that is under way when time is up
    counts: with a fixed window a server that answers 32 requests every 20 seconds is off by a third.
    """
    return asyncio.run(_whole_passes(url, bodies, connections, seconds))


def wrk(url: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Post bodies in turn for a fixed time with wrk; requests under way at its end are not counted."""
    program = shutil.which("wrk")
    if program is None:
        raise ClientError("wrk is not installed; install the package `wrk`, or choose --client whole-passes.")
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "bodies.jsonl"
        lines.write_bytes(b"\n".join(bodies) + b"\n")
        command = [
            *(program, "-t1", f"-c{connections}", f"-d{ceil(seconds)}s", f"--timeout={_TIMEOUT_SECONDS}s"),
            *("-s", str(_LUA), url, "--", str(lines)),
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode:
        raise ClientError(f"wrk ended with status {output.returncode}: {output.stderr.strip()}")
    return Load(**json.loads(output.stdout.strip().rpartition("\n")[2]))


CLIENTS: dict[str, Client] = {
    "whole-passes": whole_passes,
    "wrk": wrk,
}


async def _whole_passes(url: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
    started = time.perf_counter()
    queue = _passes(bodies, until=started + seconds)
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        connector=aiohttp.TCPConnector(limit=connections),
    )
    async with session:
        outcomes = await asyncio.gather(*(_post_in_turn(session, url, queue) for _ in range(connections)))
    elapsed = time.perf_counter() - started
    latencies = sorted(latency for answered, _ in outcomes for latency in answered)
    errors = sum(failed for _, failed in outcomes)
    if not latencies:
        raise ClientError(f"{url} answered none of {errors} requests; see the log of its server.")
    return Load(
        len(latencies), errors, elapsed, percentile_ms(latencies, 0.50), percentile_ms(latencies, 0.95)
    )


def _passes(bodies: Sequence[bytes], until: float) -> Iterator[bytes]:
    yield from bodies
    while time.perf_counter() < until:
        yield from bodies


async def _post_in_turn(
    session: aiohttp.ClientSession, url: str, queue: Iterator[bytes]
) -> tuple[list[float], int]:
    """Post what the shared queue gives, one request after the other; return latencies in s and failures."""
    latencies: list[float] = []
    errors = 0
    for body in queue:
        started = time.perf_counter()
        try:
            async with session.post(url, data=body, headers=_HEADERS) as response:
                await response.read()
                is_answered = response.ok
        except (aiohttp.ClientError, TimeoutError):
            is_answered = False
        if is_answered:
            latencies.append(time.perf_counter() - started)
        else:
            errors += 1
    return latencies, errors


def percentile_ms(latencies: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted latencies (s) that `share` of them do not exceed, in ms."""
    return 1000 * latencies[max(0, ceil(share * len(latencies)) - 1)]
