"""The same locustfile works from Locust's web page and on several machines."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from loadtests.scenarios import SCENARIOS
from loadtests.server import ROOT, free_port

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn


@contextmanager
def locust(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def get(url: str, log: Path) -> httpx.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)


def poll_statistics(url: str, log: Path, *, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        statistics: dict[str, Any] = get(f"{url}/stats/requests", log).json()
        if statistics["state"] == state and statistics["stats"][-1]["num_requests"]:
            return statistics
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.05)


def test_the_web_page_offers_the_scenarios_and_starts_a_run(stand_in: StandIn, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "locust.log"
    url = f"http://127.0.0.1:{port}"
    with locust("--web-host", "127.0.0.1", "--web-port", str(port), log=log):
        page = get(url, log).text
        assert all(f'"{scenario}"' in page for scenario in SCENARIOS)
        form = {
            "user_count": "4",
            "spawn_rate": "10",
            "run_time": "2s",
            "host": stand_in.url,
            "scenario": "ramp",
            "texts": "",
            "seed": "1",
        }
        assert httpx.post(f"{url}/swarm", data=form).json()["success"] is True
        statistics = poll_statistics(url, log, state="stopped")
    assert statistics["fail_ratio"] == 0
    # From one user to two: the scenario was chosen on the page, `steady` is the default.
    assert "updating to 1 users" in log.read_text(encoding="utf-8")
    assert "updating to 2 users" in log.read_text(encoding="utf-8")


def test_workers_follow_the_scenario_and_texts_of_their_master(stand_in: StandIn, tmp_path: Path) -> None:
    port, summary, texts = free_port(), tmp_path / "summary.json", tmp_path / "texts.txt"
    texts.write_text("主节点的文本\n", encoding="utf-8")
    master = [
        *("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)),
        *("--headless", "--expect-workers", "1", "--host", stand_in.url, "--summary", str(summary)),
        *("--users", "2", "--run-time", "2", "--scenario", "spike", "--texts", str(texts)),
    ]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
    with (
        locust(*master, log=tmp_path / "master.log") as master_process,
        locust(*worker, log=tmp_path / "worker.log") as worker_process,
    ):
        assert master_process.wait(60) == 0, (tmp_path / "master.log").read_text(encoding="utf-8")
        assert worker_process.wait(30) == 0
    figures = json.loads(summary.read_text(encoding="utf-8"))
    assert figures["scenario"] == "spike"
    assert figures["failures"] == 0
    assert 0 < figures["requests"] <= len(stand_in.asked)
    assert {text for texts in stand_in.asked for text in texts} == {"主节点的文本"}
