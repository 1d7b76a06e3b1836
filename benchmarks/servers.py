"""Starts each contender as a server, and knows how it is asked and how it answers; it takes no time."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks import texts
from benchmarks.clients import ClientError
from benchmarks.engines import first_probability
from benchmarks.model import Variant
from loadtests.server import HOST, STOP_GRACE_SECONDS, ServerError, bentoml_server, free_port

_READY_TIMEOUT_SECONDS = 300.0
_INFINITY_MODEL = "benchmark"
Answers = Callable[[Any], list[float]]
"""The JSON of an answer → the probability of the first label for each text."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a server is started with: a BentoML home with models, which of them, and infinity's program."""

    home: Path
    variant: Variant
    directory: Path
    device: str = "cpu"
    threads: int | None = None
    infinity: Path | None = None
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready: where texts are posted, how, and the parent of its processes."""

    url: str
    pid: int
    bodies: Callable[[Sequence[str], int], list[bytes]]
    answers: Answers

    def probabilities(self, asked: Sequence[str]) -> list[float]:
        """Ask for some texts, one a request, and return the probability of the first label for each.

        Raises
        ------
        ClientError
            A request failed.
        """
        found = []
        with httpx.Client(headers={"Content-Type": "application/json"}, timeout=300) as client:
            for body in self.bodies(asked, 1):
                response = client.post(self.url, content=body)
                if response.is_error:
                    raise ClientError(f"{self.url} answered {response.status_code}: {response.text[:200]}")
                found += self.answers(response.json())
        return found

    def cpu_seconds(self) -> float:
        """Return the processor seconds that the server's processes have used so far."""
        return sum(self._of_processes(lambda process: sum(process.cpu_times()[:2])))

    def resident_mb(self) -> float:
        """Return the memory of the largest process of the server: the worker with the model."""
        return max(self._of_processes(lambda process: process.memory_info().rss)) / 2**20

    def _of_processes(self, read: Callable[[psutil.Process], float]) -> list[float]:
        """Read a number off the server's process and all below it that are still there."""
        parent = psutil.Process(self.pid)
        found = [read(parent)]
        for child in parent.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found.append(read(child))
        return found


@contextmanager
def service(start: Start) -> Iterator[Running]:
    """Serve a model with the project's service."""
    env = {"CLASSIFIER_DEVICE": start.device, **dict(start.env)}
    if start.threads is not None:
        env["CLASSIFIER_THREADS"] = str(start.threads)
    with bentoml_server(
        "service:BertClassifier", model=start.variant.tag, home=start.home, env=env
    ) as server:
        yield Running(f"{server.url}/classify", server.process.pid, texts.bodies, our_answers)


@contextmanager
def naive(start: Start) -> Iterator[Running]:
    """Serve a model with BentoML's documented pattern."""
    env = {"MODEL_PATH": str(start.directory)}
    with bentoml_server("benchmarks.naive:NaiveClassifier", home=start.home, env=env) as server:
        yield Running(f"{server.url}/classify", server.process.pid, texts.bodies, our_answers)


@contextmanager
def infinity(start: Start) -> Iterator[Running]:
    """Serve a model with infinity in bfloat16, from its own environment.

    Raises
    ------
    ServerError
        The program is missing, died, or was not ready in time.
    """
    port = free_port()
    device = start.device.partition(":")[0]
    command = [
        *(
            str(start.infinity),
            "v2",
            "--model-id",
            str(start.directory),
            "--served-model-name",
            _INFINITY_MODEL,
        ),
        *("--engine", "torch", "--device", device, "--dtype", "bfloat16", "--no-bettertransformer"),
        *("--host", HOST, "--port", str(port)),
    ]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    }
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise ServerError(
                f"{start.infinity} cannot be run ({error.strerror}); give --infinity."
            ) from error
        try:
            _wait_for_infinity(f"http://{HOST}:{port}/health", process, log)
            yield Running(f"http://{HOST}:{port}/classify", process.pid, infinity_bodies, infinity_answers)
        finally:
            _stop(process)


SERVERS: dict[str, Callable[[Start], AbstractContextManager[Running]]] = {
    "service": service,
    "naive": naive,
    "infinity": infinity,
}
"""What a contender names → how it is served."""


def our_answers(answer: list[dict[str, Any]]) -> list[float]:
    """Read the answer of a BentoML service."""
    return [first_probability(one["label"], one["score"]) for one in answer]


def infinity_bodies(asked: Sequence[str], per_request: int) -> list[bytes]:
    """Return the JSON bodies that ask infinity for all texts once."""
    return texts.bodies(asked, per_request, lambda chunk: {"model": _INFINITY_MODEL, "input": chunk})


def infinity_answers(answer: dict[str, Any]) -> list[float]:
    """Read the answer of infinity: for each text its labels and scores, best first."""
    return [first_probability(best["label"], best["score"]) for best, *_ in answer["data"]]


def _wait_for_infinity(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=1).is_success:
                return
        time.sleep(0.1)
    log.seek(0)
    tail = log.read().decode("utf-8", "replace")[-3000:]
    raise ServerError(f"infinity was not ready; its last lines:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_GRACE_SECONDS)
        process.kill()
        for left in family:
            with suppress(psutil.NoSuchProcess):
                left.kill()
    process.wait()
