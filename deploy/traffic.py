"""The requests that a container is sent while it is checked; it knows HTTP and no engine."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deploy.engine import CheckError

REQUEST_TIMEOUT_SECONDS = 120
# A burst keeps a service of any speed busy for some seconds: requests of about one second each.
BURST_SECONDS = 4.0
REQUEST_SECONDS = 1.0
MOST_REQUESTS = 64
MOST_TEXTS = 32
LONG_TEXT = "房间很大，隔音也好，可是早餐太简单，服务员的态度也冷淡。" * 18


def long_texts(count: int, first: int = 0) -> list[str]:
    """Return so many long texts, numbered from `first`: no two alike, so that each must be computed."""
    return [f"{number}号房。{LONG_TEXT}" for number in range(first, first + count)]


@dataclass(frozen=True, slots=True)
class Result:
    """One answered, refused or lost request; `finished` is on the monotonic clock, status 0 means lost."""

    status: int
    detail: str
    finished: float


def fetch(url: str, body: object | None = None) -> tuple[int, str]:
    """GET an address, or POST a JSON body to it; return status and text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def status_of(url: str) -> int:
    """Return the status of a GET, or 0 where nothing answers."""
    try:
        return fetch(url)[0]
    except OSError:
        return 0


def classify(url: str, texts: list[str]) -> list[dict[str, Any]]:
    """Ask /classify and return its predictions."""
    status, text = fetch(f"{url}/classify", {"texts": texts})
    if status != 200:
        raise CheckError(f"/classify answered {status}: {text[:300]}")
    predictions: list[dict[str, Any]] = json.loads(text)
    return predictions


def metric(url: str, name: str, **labels: str) -> float:
    """Return the sum of all series of a Prometheus metric whose name ends so and that carry these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    series = re.findall(rf"^\w*{name}\{{(.*)\}} (\S+)$", fetch(f"{url}/metrics")[1], re.MULTILINE)
    return sum(float(value) for carried, value in series if all(label in carried for label in wanted))


class Burst:
    """Requests that were all sent at once and are being computed."""

    def __init__(self, url: str, futures: list[Future[Result]]) -> None:
        self._url = url
        self._futures = futures

    def wait_until_in_flight(self) -> int:
        """Wait until the service itself counts every unanswered request; return how many those are."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            # In this order: what was unanswered before the count and is in the count is in flight.
            unanswered = sum(not future.done() for future in self._futures)
            counted = metric(self._url, "request_in_progress", endpoint="/classify")
            if 0 < unanswered <= counted:
                return unanswered
            if unanswered == 0:
                raise CheckError("all requests were answered before they were seen in flight")
            time.sleep(0.02)
        raise CheckError("the service never counted the requests in flight")

    def results(self) -> list[Result]:
        """Wait for all answers."""
        return [future.result() for future in self._futures]


@contextmanager
def burst(url: str) -> Iterator[Burst]:
    """Send at once as many requests of long texts as keep the service busy for some seconds."""
    started = time.monotonic()
    classify(url, long_texts(1))
    seconds_per_text = time.monotonic() - started
    size = max(1, min(MOST_TEXTS, round(REQUEST_SECONDS / seconds_per_text)))
    count = min(MOST_REQUESTS, 1 + round(BURST_SECONDS / (seconds_per_text * size)))
    requests = [long_texts(size, first) for first in range(1, 1 + count * size, size)]
    with ThreadPoolExecutor(count) as pool:
        yield Burst(url, [pool.submit(_timed, url, texts) for texts in requests])


def _timed(url: str, texts: list[str]) -> Result:
    try:
        status, detail = fetch(f"{url}/classify", {"texts": texts})
    except OSError as error:
        status, detail = 0, str(error)
    return Result(status, detail[:300], time.monotonic())
