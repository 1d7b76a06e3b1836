"""Runs an image as a careful cluster would, and checks what that promises; it knows no bento and no model."""

from __future__ import annotations

import re
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import traffic
from deploy.engine import CheckError, DeployError, Engine, say

USER_ID = 1034  # BentoML's user in the image, by number: Kubernetes' runAsNonRoot cannot judge a name
READY_TIMEOUT_SECONDS = 300  # a large model on a busy machine proves its probes for a minute
STOP_TIMEOUT_SECONDS = 60
NO_CAPABILITIES = "0" * 16
KEY = "/run/secrets/bentobert_key"  # where compose-key.yaml shows it, too
MEMORY_TEXTS = 8  # 4,000 tokens, which a large model on a slow machine still answers in time
# BentoML's worker processes by their command line; the bracket keeps grep from finding itself.
WORKERS = "grep -la '[_]bentoml_impl.worker' /proc/[0-9]*/cmdline"
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Container:
    """A running container and the address of its service."""

    engine: Engine
    name: str
    url: str

    def executes(self, *arguments: str) -> str:
        """Run a command inside and return its output."""
        return self.engine("exec", self.name, *arguments)

    def inspect(self, field: str) -> str:
        """Return one field of the engine's description of this container."""
        return self.engine("inspect", "--format", "{{" + field + "}}", self.name).strip()

    def log_tail(self) -> str:
        """Return the last lines that the service wrote to its standard output and error."""
        return self.engine("logs", "--tail", "30", self.name, errors_too=True)


@contextmanager
def hardened(
    engine: Engine, image: str, *, memory: str = "2g", options: Sequence[str] = ()
) -> Iterator[Container]:
    """Run an image without root or capabilities, on a read-only file system; remove it at the end."""
    port = free_port()
    name = f"bentobert-{port}"
    engine(
        "run", "--detach", "--name", name,
        "--publish", f"127.0.0.1:{port}:3000",
        "--user", f"{USER_ID}:{USER_ID}",
        # BentoML wants a home that it can write to; the model itself stays in the bento.
        "--read-only", "--tmpfs", "/tmp:rw,size=64m", "--env", "BENTOML_HOME=/tmp/bentoml",  # noqa: S108
        "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges",
        "--memory", memory,
        *options,
        image,
    )  # fmt: skip
    try:
        yield Container(engine, name, f"http://127.0.0.1:{port}")
    finally:
        engine("rm", "--force", name)


def shown_key(key_file: Path) -> list[str]:
    """Return the options for `hardened` that show a container the key of its model, which no image holds.

    Raises
    ------
    DeployError
        The file does not exist, belongs to another user than the container's, or others may read it.
    """
    try:
        found = key_file.stat()
    except OSError as error:
        raise DeployError(
            f"the key file {key_file} cannot be read ({error.strerror}); name the file of the model's key."
        ) from error
    if found.st_uid != USER_ID or stat.S_IMODE(found.st_mode) & 0o077:
        raise DeployError(
            f"the container runs as user {USER_ID}, which alone may read the key file {key_file}; "
            f"copy it, then `sudo chown {USER_ID} COPY && sudo chmod 400 COPY`, and name the copy."
        )
    return ["--volume", f"{key_file.resolve()}:{KEY}:ro", "--env", f"CLASSIFIER_KEY_FILE={KEY}"]


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(container: Container, started: float) -> float:
    """Return the seconds from `started`, on the monotonic clock, until /readyz first answers 200."""
    while time.monotonic() - started < READY_TIMEOUT_SECONDS:
        if traffic.status_of(f"{container.url}/readyz") == 200:
            return time.monotonic() - started
        if container.inspect(".State.Running") != "true":
            raise CheckError(f"the container ended before it was ready:\n{container.log_tail()}")
        time.sleep(0.1)
    raise CheckError(f"not ready after {READY_TIMEOUT_SECONDS} s:\n{container.log_tail()}")


def check_answers(container: Container) -> None:
    """Check that /classify labels every text and that /metrics counts the request."""
    predictions = traffic.classify(container.url, ["房间很干净，服务也好。", "太差了，不会再来。"])
    labelled = [answer for answer in predictions if answer["label"] and 0 < answer["score"] <= 1]
    if len(predictions) != 2 or len(labelled) != 2:
        raise CheckError(f"/classify did not label two texts: {predictions}")
    if traffic.metric(container.url, "request_total", endpoint="/classify") < 1:
        raise CheckError("/metrics does not count the request to /classify")


def worker_memory_mb(container: Container) -> float:
    """Return the resident memory of the largest worker after a request of long texts, in MB."""
    traffic.classify(container.url, traffic.long_texts(MEMORY_TEXTS))
    statuses = container.executes("sh", "-c", f"cat $({WORKERS} | sed s/cmdline$/status/)")
    sizes = [int(kilobytes) for kilobytes in _RESIDENT.findall(statuses)]
    if not sizes:
        raise CheckError(f"no process of the container is a worker of BentoML:\n{container.log_tail()}")
    return max(sizes) * 1024 / 1e6


def check_confinement(container: Container) -> str:
    """Check user, capabilities, privileges and file system of process 1; return its user id."""
    lines = container.executes("cat", "/proc/1/status").splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    user = status["Uid"].split()[0]
    if user != str(USER_ID):
        raise CheckError(f"the service runs as user {user}, expected {USER_ID}")
    if status["CapEff"] != NO_CAPABILITIES or status["CapBnd"] != NO_CAPABILITIES:
        raise CheckError(f"the service has capabilities: {status['CapEff']} of {status['CapBnd']}")
    if status["NoNewPrivs"] != "1":
        raise CheckError("the service could gain privileges")
    check_read_only(container)
    return user


def check_read_only(container: Container) -> None:
    """Check that the service's own folder refuses a new file because its file system is read-only."""
    try:
        container.executes("touch", "/home/bentoml/bento/new")
    except DeployError as error:
        if "Read-only file system" in str(error):
            return
        raise CheckError(
            f"a new file was refused for another reason than a read-only root: {error}"
        ) from error
    raise CheckError("the root file system is writable")


@dataclass(frozen=True, slots=True)
class Stop:
    """How a container stopped while it had requests to answer."""

    seconds: float
    exit_code: int
    in_flight: int
    answered: int


def wait_until_stopped(container: Container, started: float) -> float:
    """Return the seconds from `started`, on the monotonic clock, until the container has ended."""
    while container.inspect(".State.Running") == "true":
        if time.monotonic() - started > STOP_TIMEOUT_SECONDS:
            raise CheckError(f"still running {STOP_TIMEOUT_SECONDS} s after SIGTERM")
        time.sleep(0.1)
    return time.monotonic() - started


def stop_under_load(container: Container) -> Stop:
    """Send SIGTERM while requests are being computed; check that each is answered and the exit is clean."""
    with traffic.burst(container.url) as requests:
        in_flight = requests.wait_until_in_flight()
        say(f"SIGTERM with {in_flight} requests in flight")
        started = time.monotonic()
        container.engine("kill", "--signal", "TERM", container.name)
        signalled = time.monotonic()
        seconds = wait_until_stopped(container, started)
        results = requests.results()
    lost = [result for result in results if result.status != 200]
    if lost:
        raise CheckError(f"{len(lost)} of {len(results)} requests in flight were lost; the first: {lost[0]}")
    answered = sum(result.finished > signalled for result in results)
    if answered == 0:
        raise CheckError("every request was answered before the signal came, so nothing was shown")
    exit_code = int(container.inspect(".State.ExitCode"))
    if exit_code != 0:
        raise CheckError(f"exit code {exit_code} after SIGTERM:\n{container.log_tail()}")
    return Stop(seconds, exit_code, in_flight, answered)
