"""A started server becomes ready, keeps to itself, fails with a reason and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from loadtests.server import ServerError, bentoml_server, free_port, stop

SERVICE = """
import os
import typing as t

import bentoml


@bentoml.service(name="tiny")
class Tiny:
    def __init__(self) -> None:
        if os.environ.get("TINY_FAILS"):
            raise RuntimeError("the tiny model has no weights")

    @bentoml.api
    def environment(self, names: t.List[str]) -> t.Dict[str, t.Optional[str]]:
        return {name: os.environ.get(name) for name in names} | {"pid": str(os.getpid())}

    def __is_ready__(self) -> bool:
        return not os.environ.get("TINY_NEVER_READY")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny_service.py").write_text(SERVICE, encoding="utf-8")
    return folder


def ask(url: str, names: list[str]) -> dict[str, str | None]:
    answer: dict[str, str | None] = httpx.post(f"{url}/environment", json={"names": names}, timeout=30).json()
    return answer


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def test_a_server_answers_keeps_to_itself_and_leaves_no_process(folder: Path, tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "logs" / "server.log"
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "shared"), "BENTOML_PORT": "1", "TINY_EXTRA": "给"}
    names = ["BENTOML_HOME", "PROMETHEUS_MULTIPROC_DIR", "CLASSIFIER_MODEL", "TINY_EXTRA"]
    with bentoml_server(
        "tiny_service:Tiny", model="tiny:7", home=home, cwd=folder, env=env, log_path=log
    ) as server:
        answer = ask(server.url, names)
        assert server.process.poll() is None
        assert answer["CLASSIFIER_MODEL"] == "tiny:7"
        assert answer["TINY_EXTRA"] == "给"
        private = Path(str(answer["BENTOML_HOME"]))
        assert private != home
        assert (private / "models").resolve() == home / "models"
        assert Path(str(answer["PROMETHEUS_MULTIPROC_DIR"])).parent == private
        assert is_alive(int(str(answer["pid"])))
    assert server.process.returncode == 0
    assert not is_alive(int(str(answer["pid"])))
    assert not private.exists()
    assert "listening on" in log.read_text(encoding="utf-8")


def test_a_worker_that_cannot_load_ends_the_wait_with_its_reason(folder: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        pytest.raises(ServerError, match="the tiny model has no weights"),
        bentoml_server("tiny_service:Tiny", home=tmp_path, cwd=folder, env={"TINY_FAILS": "1"}),
    ):
        pytest.fail("the block must not be entered")
    assert time.monotonic() - started < 60


def test_a_server_that_is_never_ready_is_given_up_and_stopped(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    with (
        pytest.raises(ServerError, match=r"not ready after 0\.5 seconds"),
        bentoml_server(
            "tiny_service:Tiny",
            home=tmp_path,
            cwd=folder,
            port=port,
            env={"TINY_NEVER_READY": "1"},
            ready_timeout_seconds=0.5,
        ),
    ):
        pytest.fail("the block must not be entered")
    wait_until_refused(port)


def wait_until_refused(port: int) -> None:
    """Wait until nobody listens: a worker that was just being started outlives its parent by a moment."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return
    pytest.fail(f"somebody still listens on port {port}")


def test_a_worker_whose_parent_was_killed_is_stopped_too(folder: Path, tmp_path: Path) -> None:
    with bentoml_server("tiny_service:Tiny", home=tmp_path, cwd=folder) as server:
        worker = int(str(ask(server.url, [])["pid"]))
        server.process.kill()
        server.process.wait()
        assert is_alive(worker)
    wait_until_dead(worker)


def test_processes_that_ignore_the_request_to_stop_are_killed(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); child = os.fork();"
        "child and print(child, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "BENTOML_HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    stop(process, tmp_path, grace_seconds=0.2)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    wait_until_dead(child)
