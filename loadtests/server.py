"""Starts a real `bentoml serve`, waits until it is ready and stops it; it knows no model and no endpoint.

with bentoml_server("service:BertClassifier", model="bert-classifier:latest") as server:
    httpx.post(f"{server.url}/classify", json={"texts": ["房间很干净"]})
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # comes with BentoML and with Locust

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
STOP_GRACE_SECONDS = 30.0
_LOG_TAIL_LINES = 100  # BentoML writes a traceback of 50 below the one that matters
_PROBE_TIMEOUT_SECONDS = 1.0
_POLL_SECONDS = 0.05
_WORKER = "_bentoml_impl.worker"


class ServerError(RuntimeError):
    """The server died or was not ready in time; the message ends with its last log lines."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address without a final slash, the parent of its workers, and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines that the server wrote."""
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@contextmanager
def bentoml_server(  # noqa: PLR0913 - each is one choice of a caller, and only the first is positional
    service: str = "service:BertClassifier",
    *,
    model: str | None = None,
    home: Path | None = None,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log_path: Path | None = None,
    ready_timeout_seconds: float = 120.0,
) -> Iterator[Server]:
    """Serve `service` on loopback until the block ends.

    Parameters
    ----------
    service : str
        What `bentoml serve` accepts: `module:Class`, a Bento tag, or a folder.
    model : str, optional
        Tag in the model store, handed over as `CLASSIFIER_MODEL`; otherwise the service's own choice.
    home : Path, optional
        BentoML home whose models and Bentos are served; otherwise `BENTOML_HOME`, otherwise `~/bentoml`.
    port : int, optional
        Otherwise a free one.
    env : mapping, optional
        Laid over the environment of this process.
    cwd : Path, optional
        Where `service` is imported from; otherwise the root of the project.
    log_path : Path, optional
        Where the server's output goes; otherwise a file that is removed with the server.
    ready_timeout_seconds : float
        How long `GET /readyz` may take to answer 200.

    Raises
    ------
    ServerError
        The process died, or was not ready in time.
    """
    port = free_port() if port is None else port
    with tempfile.TemporaryDirectory(prefix="bentoml-server-") as folder:
        private = Path(folder)
        log = log_path or private / "server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = _environment(env or {}, model=model, home=home, private_home=private / "home")
        command = [sys.executable, "-m", "bentoml", "serve", service, "--host", HOST, "--port", str(port)]
        # Clients keep connections for longer than uvicorn's 5 seconds, and would meet a reset.
        command += ["--timeout-keep-alive", "75"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd or ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(f"http://{HOST}:{port}", process, log)
        try:
            _wait_until_ready(server, port, ready_timeout_seconds)
            yield server
        finally:
            stop(process, private / "home")


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes], home: Path, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
    """Ask a server to stop, wait, and kill whatever of it is left.

    Its workers put themselves into sessions of their own, so neither the group nor, once their parent is
    gone, the family tree finds them all; `home`, the BentoML home that only this server uses, does.
    """
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)
    for left in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if left.environ().get("BENTOML_HOME") == str(home):
                left.kill()
    process.wait()


def _environment(
    env: Mapping[str, str], *, model: str | None, home: Path | None, private_home: Path
) -> dict[str, str]:
    environment = {**os.environ, **env}
    for name in ("PROMETHEUS_MULTIPROC_DIR", "BENTOML_HOST", "BENTOML_PORT"):
        environment.pop(name, None)
    environment["BENTOML_HOME"] = str(_linked_home(_shared_home(home, environment), private_home))
    environment["BENTOML_DO_NOT_TRACK"] = "True"
    environment["PYTHONUNBUFFERED"] = "1"
    # Outside containers BentoML restarts a worker that cannot load its model, for ever; the process
    # would neither become ready nor end.
    environment["BENTOML_CONTAINERIZED"] = "true"
    if model is not None:
        environment["CLASSIFIER_MODEL"] = model
    return environment


def _shared_home(home: Path | None, environment: Mapping[str, str]) -> Path:
    if home is not None:
        return home.resolve()
    return Path(environment.get("BENTOML_HOME") or "~/bentoml").expanduser().resolve()


def _linked_home(shared: Path, private: Path) -> Path:
    """Make a BentoML home that sees the models and Bentos of another but keeps its own metrics.

    BentoML puts the metrics of all workers into its home and empties that folder at every start, so two
    servers in one home wipe each other's.
    """
    private.mkdir()
    for name in ("models", "bentos"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (private / name).symlink_to(shared / name, target_is_directory=True)
    return private


def _wait_until_ready(server: Server, port: int, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    had_worker = False
    while time.monotonic() < deadline:
        has_worker = _has_worker(server.process)
        # Its parent notices only after 10 seconds that a worker could not load its model.
        if server.process.poll() is not None or (had_worker and not has_worker):
            raise ServerError(f"the server ended before it was ready; its last lines:\n{server.log_tail()}")
        if _is_ready(port):
            return
        had_worker = has_worker
        time.sleep(_POLL_SECONDS)
    raise ServerError(
        f"the server was not ready after {timeout_seconds:g} seconds; its last lines:\n{server.log_tail()}"
    )


def _has_worker(process: subprocess.Popen[bytes]) -> bool:
    try:
        return any(_is_worker(child) for child in psutil.Process(process.pid).children())
    except psutil.NoSuchProcess:
        return False


def _is_worker(process: psutil.Process) -> bool:
    try:
        return _WORKER in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # or a zombie, which is one to psutil
        return False


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):  # not listening yet, or still loading
        return False
    finally:
        connection.close()
