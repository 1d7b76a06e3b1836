"""Each promise about a running container is refused when it is not kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from deploy import container as container_module
from deploy import traffic
from deploy.container import (
    MEMORY_TEXTS,
    WORKERS,
    Container,
    check_answers,
    check_confinement,
    hardened,
    shown_key,
    stop_under_load,
    wait_until_ready,
    wait_until_stopped,
    worker_memory_mb,
)
from deploy.engine import CheckError, DeployError
from runtime.keys import new_key

STATUS = "Name:\tbentoml\nUid:\t1034\t1034\t1034\t1034\nNoNewPrivs:\t1\nCapEff:\t{0}\nCapBnd:\t{0}\n".format(
    "0" * 16
)
READ_ONLY = DeployError("touch: cannot touch '/home/bentoml/bento/new': Read-only file system")
CONFINED = {"exec x cat": STATUS, "exec x touch": READ_ONLY}


def container_of(engine: Any, url: str = "http://127.0.0.1:1") -> Container:
    """Return a container called x."""
    return Container(engine, "x", url)


def test_a_container_runs_confined(make_engine: Any) -> None:
    engine = make_engine({})
    with hardened(engine, "image:1", memory="1g") as container:
        (started,) = engine.asked
    port = container.url.removeprefix("http://127.0.0.1:")
    assert f" --publish 127.0.0.1:{port}:3000 " in started
    for option in (
        "--user 1034:1034",
        "--read-only",
        "--tmpfs /tmp:rw,size=64m",
        "--env BENTOML_HOME=/tmp/bentoml",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--memory 1g",
    ):
        assert f" {option} " in started
    assert started.endswith(" image:1")


def test_the_key_of_a_model_is_mounted_where_the_service_looks(
    make_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_module, "USER_ID", os.getuid())
    key = new_key(tmp_path / "model.key")
    engine = make_engine({})
    with hardened(engine, "image:1", options=shown_key(key)):
        (started,) = engine.asked
    place = container_module.KEY
    assert f" --volume {key}:{place}:ro --env CLASSIFIER_KEY_FILE={place} image:1" in started


def test_a_key_that_others_may_read_or_the_container_may_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tmp_path / "model.key")
    monkeypatch.setattr(container_module, "USER_ID", os.getuid() + 1)
    with pytest.raises(DeployError, match=r"runs as user \d+, which alone .*`sudo chown \d+ COPY"):
        shown_key(key)
    monkeypatch.setattr(container_module, "USER_ID", os.getuid())
    key.chmod(0o640)
    with pytest.raises(DeployError, match=r"alone may read the key file .*model\.key"):
        shown_key(key)
    with pytest.raises(DeployError, match=r"none\.key cannot be read \(No such file or directory\)"):
        shown_key(tmp_path / "none.key")


def test_a_container_is_removed_whatever_happens(make_engine: Any) -> None:
    engine = make_engine({})
    with pytest.raises(ZeroDivisionError), hardened(engine, "image:1"):
        raise ZeroDivisionError
    name = engine.asked[0].split(" --name ")[1].split()[0]
    assert engine.asked[-1] == f"rm --force {name}"


def test_a_confined_process_passes(make_engine: Any) -> None:
    assert check_confinement(container_of(make_engine(CONFINED))) == "1034"


@pytest.mark.parametrize(
    ("replies", "complaint"),
    [
        ({"exec x cat": STATUS.replace("1034", "0")}, "runs as user 0"),
        ({"exec x cat": STATUS.replace("CapEff:\t0", "CapEff:\t1")}, "has capabilities"),
        ({"exec x cat": STATUS.replace("CapBnd:\t0", "CapBnd:\t1")}, "has capabilities"),
        ({"exec x cat": STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")}, "could gain privileges"),
        ({"exec x touch": ""}, "root file system is writable"),
        ({"exec x touch": DeployError("Permission denied")}, "for another reason"),
    ],
)
def test_a_process_that_is_not_confined_is_refused(
    make_engine: Any, replies: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CheckError, match=complaint):
        check_confinement(container_of(make_engine(CONFINED | replies)))


def test_readiness_is_waited_for_and_timed(make_engine: Any, service: Any) -> None:
    started = time.monotonic() - 5
    assert 5 <= wait_until_ready(container_of(make_engine({}), service.url), started) < 7


def test_a_container_that_ended_shows_its_log(make_engine: Any) -> None:
    engine = make_engine({"inspect": "false\n", "logs": "no model in the store"})
    with pytest.raises(CheckError, match="ended before it was ready:\nno model in the store"):
        wait_until_ready(container_of(engine), time.monotonic())


def test_a_container_that_is_never_ready_is_refused(make_engine: Any) -> None:
    long_ago = time.monotonic() - container_module.READY_TIMEOUT_SECONDS
    with pytest.raises(CheckError, match="not ready after 300 s:\nstill loading"):
        wait_until_ready(container_of(make_engine({"logs": "still loading"})), long_ago)


def test_answers_are_checked(make_engine: Any, service: Any) -> None:
    check_answers(container_of(make_engine({}), service.url))
    service.classify = lambda _: [{"label": "正面", "score": 0.9}]
    with pytest.raises(CheckError, match="did not label two texts"):
        check_answers(container_of(make_engine({}), service.url))


def test_requests_in_flight_must_be_counted(make_engine: Any, service: Any) -> None:
    service.metrics = lambda: "other_metric 1\n"
    with pytest.raises(CheckError, match="does not count the request"):
        check_answers(container_of(make_engine({}), service.url))


def test_the_memory_is_that_of_the_largest_worker_after_long_texts(make_engine: Any, service: Any) -> None:
    asked: list[list[str]] = []
    answer = service.classify
    service.classify = lambda texts: asked.append(texts) or answer(texts)
    engine = make_engine(
        {"exec x sh": "VmPeak:\t  9 kB\nVmRSS:\t  100 kB\nName:\tpython\nVmRSS:\t  500000 kB\n"}
    )
    assert worker_memory_mb(container_of(engine, service.url)) == 512.0
    assert asked == [traffic.long_texts(MEMORY_TEXTS)]


def test_a_worker_is_found_by_its_command_line_and_the_search_itself_is_not() -> None:
    command = [sys.executable, "-c", "input()", "_bentoml_impl.worker.service"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
        search = ["sh", "-c", f"echo $$; {WORKERS}"]
        done = subprocess.run(search, capture_output=True, text=True, check=False)
        worker.kill()
    shell, *found = done.stdout.split()
    assert f"/proc/{worker.pid}/cmdline" in found
    assert f"/proc/{shell}/cmdline" not in found


def test_a_container_without_a_worker_is_refused(make_engine: Any, service: Any) -> None:
    with pytest.raises(CheckError, match="no process of the container is a worker of BentoML:\nended"):
        worker_memory_mb(container_of(make_engine({"logs": "ended"}), service.url))


@pytest.fixture
def held(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the service with a burst of three requests that it holds back until it is released."""
    monkeypatch.setattr(traffic, "MOST_REQUESTS", 3)
    monkeypatch.setattr(traffic, "classify", lambda *_: service.hold.set())
    return service


def test_a_graceful_stop_is_reported(make_engine: Any, held: Any) -> None:
    replies = {"inspect --format {{.State.Running}}": "false", "inspect --format {{.State.ExitCode}}": "0"}
    engine = make_engine({**replies, "wait": ""})
    engine.replies["inspect --format {{.State.Running}}"] = lambda: held.release.set() or "false"
    stop = stop_under_load(container_of(engine, held.url))
    assert (stop.exit_code, stop.in_flight, stop.answered) == (0, 3, 3)
    assert "kill --signal TERM x" in engine.asked


def test_a_lost_request_is_refused(make_engine: Any, held: Any) -> None:
    def lose() -> str:
        held.lose.set()
        held.release.set()
        return "false"

    engine = make_engine({"inspect --format {{.State.Running}}": lose})
    with pytest.raises(CheckError, match="3 of 3 requests in flight were lost"):
        stop_under_load(container_of(engine, held.url))


def test_a_stop_that_nothing_waited_for_shows_nothing(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AnsweredBefore:
        def wait_until_in_flight(self) -> int:
            return 1

        def results(self) -> list[traffic.Result]:
            return [traffic.Result(200, "", finished=time.monotonic() - 60)]

    monkeypatch.setattr(traffic, "burst", lambda _: nullcontext(AnsweredBefore()))
    with pytest.raises(CheckError, match="every request was answered before the signal came"):
        stop_under_load(container_of(make_engine({"inspect": "false"})))


def test_an_unclean_exit_is_refused(make_engine: Any, held: Any) -> None:
    def running() -> str:
        held.release.set()
        return "false"

    replies = {"inspect --format {{.State.Running}}": running, "inspect --format {{.State.ExitCode}}": "137"}
    with pytest.raises(CheckError, match="exit code 137 after SIGTERM"):
        stop_under_load(container_of(make_engine(replies), held.url))


def test_a_container_that_does_not_stop_is_refused(make_engine: Any) -> None:
    long_ago = time.monotonic() - container_module.STOP_TIMEOUT_SECONDS - 1
    with pytest.raises(CheckError, match="still running 60 s after SIGTERM"):
        wait_until_stopped(container_of(make_engine({"inspect": "true"})), long_ago)
