"""Real `bentoml serve` processes: bad input, overload, timeouts, the log, stopping, refusing to start."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import bentoml
import httpx
import pytest

from loadtests.server import Server, bentoml_server
from tests.stand_in import FOLDER_VARIABLE, lying
from tests.store_entry import write_model_yaml

ROOT = Path(__file__).resolve().parents[1]
TINY = "bert-classifier:tiny"
SECRET = "机密的一句话"
PICKLE = "application/vnd.bentoml+pickle"
AS_JSON = {"content-type": "application/json"}

STAND_IN_SERVICE = """
from runtime.classifier import Classifier
from tests.stand_in import StandIn

Classifier.load = StandIn.load
from service import BertClassifier
"""
STRICT = {
    "CLASSIFIER_MAX_TEXTS": "5",
    "CLASSIFIER_MAX_TEXT_CHARACTERS": "20",
    "CLASSIFIER_MAX_BODY_BYTES": "2048",
    "CLASSIFIER_MAX_BATCH_TOKENS": "7",  # two texts of one character
    "CLASSIFIER_MAX_CONCURRENCY": "3",
    "CLASSIFIER_TIMEOUT_SECONDS": "2",
    "CLASSIFIER_THREADS": "3",
    "CLASSIFIER_DEVICE": "cuda:0,cuda:1",
    "CLASSIFIER_ACCESS_LOG": "true",
    "CLASSIFIER_TRACING": "true",
}


@pytest.fixture(scope="module")
def server(tiny_model_store: Path) -> Iterator[Server]:
    """Serve the tiny model with the default settings."""
    with bentoml_server(model=TINY, home=tiny_model_store) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder whose files tell the stand-in what to do."""
    folder = tmp_path_factory.mktemp("stand-in")
    (folder / "stand_in_service.py").write_text(STAND_IN_SERVICE, encoding="utf-8")
    return folder


def serve_stand_in(folder: Path, home: Path, settings: dict[str, str]) -> Iterator[Server]:
    env = settings | {FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}
    with bentoml_server(
        "stand_in_service:BertClassifier", model=TINY, home=home, cwd=folder, env=env
    ) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tiny_model_store: Path, folder: Path) -> Iterator[Server]:
    """Serve a stand-in for the engine within narrow limits, with access log and tracing."""
    yield from serve_stand_in(folder, tiny_model_store, STRICT)


def classify(server: Server, *texts: object) -> httpx.Response:
    return httpx.post(f"{server.url}/classify", json={"texts": texts}, timeout=30)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def in_flight(server: Server) -> float:
    """Return how many requests to /classify are being answered."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    name = "bentoml_service_request_in_progress"
    found = [line for line in lines if line.startswith(name) and 'endpoint="/classify"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def send(server: Server, pool: ThreadPoolExecutor, requests: int) -> list[Future[httpx.Response]]:
    """Send requests to an engine that waits; return them when all are in flight."""
    sent = [pool.submit(classify, server, f"{number}") for number in range(requests)]
    wait_until(lambda: in_flight(server) == requests)
    return sent


BAD_BODIES: dict[str, tuple[int, bytes]] = {
    "nothing": (400, b""),
    "not JSON": (400, b'{"texts": ["' + SECRET.encode() + b'"'),
    "not UTF-8": (400, '{"texts": ["机密"]}'.encode("gbk")),
    "UTF-16": (400, '{"texts": ["a"]}'.encode("utf-16")),
    "deeply nested": (400, b"[" * 100_000),
    "NUL byte": (400, b'{"texts": ["a\x00"]}'),
    "NUL escape": (400, b'{"texts": ["a\\u0000"]}'),
    "lone surrogate": (400, b'{"texts": ["\\ud83d"]}'),
    "list": (400, json.dumps([SECRET]).encode()),
    "wrong key": (400, json.dumps({"text": SECRET}).encode()),
    "further key": (400, json.dumps({"texts": ["a"], SECRET: 1}).encode()),
    "wrong type": (400, json.dumps({"texts": SECRET}).encode()),
    "wrong item": (400, json.dumps({"texts": [[SECRET]]}).encode()),
    "no text": (400, b'{"texts": []}'),
    "empty text": (400, b'{"texts": [""]}'),
    "blank text": (400, b'{"texts": [" \\n\\u3000"]}'),
    "too many texts": (400, json.dumps({"texts": [SECRET] * 65}).encode()),
    "1 MB of one character": (400, json.dumps({"texts": ["字" * (1 << 20)]}, ensure_ascii=False).encode()),
    "pair for a model of one": (422, json.dumps({"texts": [{"text": SECRET, "text_pair": "a"}]}).encode()),
    "5 MB": (413, b'{"texts": ["' + b"a" * (5 << 20) + b'"]}'),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies_are_refused_and_the_next_request_works(server: Server, name: str) -> None:
    status, body = BAD_BODIES[name]
    with httpx.Client(base_url=server.url, timeout=30) as client:
        found = client.post("/classify", content=body, headers=AS_JSON)
        assert found.status_code == status
        assert isinstance(found.json()["error"], str)
        assert (SECRET in found.text) == (name == "further key")  # keys are told, texts are not
        following = client.post("/classify", json={"texts": ["房间很干净"]})
    assert following.status_code == 200
    assert following.json()[0]["label"] in {"负面", "正面"}


def test_an_endless_body_is_cut_off(server: Server) -> None:
    chunks = (b"a" * 65536 for _ in range(200))
    found = httpx.post(f"{server.url}/classify", content=chunks, headers=AS_JSON, timeout=30)
    assert found.status_code == 413
    assert found.request.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("kind", ["data", "files", "pickle", "plain"])
def test_other_media_types_are_refused(server: Server, kind: str) -> None:
    url = f"{server.url}/classify"
    found = {
        "data": lambda: httpx.post(url, data={"texts": SECRET}),
        "files": lambda: httpx.post(url, files={"texts": SECRET.encode()}),
        "pickle": lambda: httpx.post(url, content=b"x", headers={"content-type": PICKLE}),
        "plain": lambda: httpx.post(url, content=b"{}", headers={"content-type": "text/plain"}),
    }[kind]()
    assert found.status_code == 415
    assert list(found.json()) == ["error"]


def test_bentomls_own_client_works(server: Server) -> None:
    with warnings.catch_warnings():
        # It leaves a temporary folder to the garbage collector, which would complain in some later test.
        warnings.simplefilter("ignore", ResourceWarning)
        with bentoml.SyncHTTPClient(server.url) as client:
            found = client.classify(texts=["房间很干净", {"text": "太差了"}])
        del client
        gc.collect()
    assert [item["label"] in {"负面", "正面"} for item in found] == [True, True]


def test_a_long_text_is_cut_and_says_so(server: Server) -> None:
    short, long = classify(server, "好", "好" * 8192).json()
    assert (short["truncated"], long["truncated"]) == (False, True)


def test_the_log_stays_empty_whatever_clients_do(server: Server) -> None:
    for _, body in BAD_BODIES.values():
        httpx.post(f"{server.url}/classify", content=body, headers=AS_JSON, timeout=30)
    lines = server.log_path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "[INFO]" not in line] == []


def test_settings_limit_the_service(strict: Server, folder: Path) -> None:
    assert "at most 5 are allowed" in classify(strict, *"abcdef").json()["error"]
    assert "at most 20 are allowed" in classify(strict, "a" * 21).json()["error"]
    assert httpx.post(f"{strict.url}/classify", content=b"a" * 2049, headers=AS_JSON).status_code == 413
    (folder / "batches").unlink(missing_ok=True)
    assert [item["label"] for item in classify(strict, *"abcde").json()] == list("abcde")
    assert sorted((folder / "batches").read_text().split()) == ["1", "2", "2"]
    assert json.loads((folder / "loaded").read_text()) == {"threads": 3, "device": "cuda:0"}
    assert httpx.get(f"{strict.url}/v1/info").json()["limits"]["max_texts"] == 5


def test_tracing_and_access_log_can_be_switched(server: Server, strict: Server) -> None:
    traced, untraced = classify(strict, "a"), classify(server, "a")
    assert "x-bentoml-request-id" in traced.headers
    assert "x-bentoml-request-id" not in untraced.headers
    assert "path=/classify" in strict.log_path.read_text(encoding="utf-8")
    assert "path=/classify" not in server.log_path.read_text(encoding="utf-8")


def test_overload_is_shed_with_429(strict: Server, folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool, lying(folder / "hold"):
        sent = send(strict, pool, requests=3)
        found = classify(strict, "one too many")
    assert found.status_code == 429
    assert found.headers["retry-after"] == "1"
    assert found.json()["error"].startswith("More requests are in flight")
    assert [future.result().status_code for future in sent] == [200, 200, 200]


def test_a_slow_request_is_answered_504_and_the_next_one_works(strict: Server, folder: Path) -> None:
    with lying(folder / "hold"):
        found = classify(strict, SECRET)
    assert found.status_code == 504
    assert 2 <= found.elapsed.total_seconds() < 10
    assert found.json()["error"].startswith("The request took longer")
    assert classify(strict, "a").status_code == 200


def test_a_dead_engine_is_answered_503_until_it_recovers(strict: Server, folder: Path) -> None:
    with lying(folder / "down"):
        found = classify(strict, SECRET)
        ready = httpx.get(f"{strict.url}/readyz")
    assert (found.status_code, ready.status_code) == (503, 503)
    assert list(ready.json()) == ["error"]
    assert httpx.get(f"{strict.url}/readyz").status_code == 200


def test_no_text_reaches_the_log(strict: Server) -> None:
    for body in ([SECRET], {"texts": [SECRET * 100]}, {"texts": ["炸" + SECRET]}, {"texts": ["拒" + SECRET]}):
        httpx.post(f"{strict.url}/classify", json=body)
    httpx.post(f"{strict.url}/classify", data={"texts": SECRET})
    log = strict.log_path.read_text(encoding="utf-8")
    assert "RuntimeError" in log  # the failure of the engine is told
    forms = (SECRET, SECRET.encode("unicode_escape").decode(), str(SECRET.encode())[2:-1])
    assert [form for form in forms if form in log] == []


def test_a_request_in_flight_survives_the_stop(tiny_model_store: Path, folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        for server in serve_stand_in(folder, tiny_model_store, {}):
            with lying(folder / "hold"):
                [sent] = send(server, pool, requests=1)
                server.process.send_signal(signal.SIGTERM)
                wait_until(lambda url=server.url: not accepts(url))  # type: ignore[misc]
            assert sent.result().status_code == 200
            assert server.process.wait(20) == 0


SAME = [
    ["甲"],
    ["甲", {"text": "乙"}, "丙"],
    ["甲", "炸" + SECRET, "乙"],
    ["炸" + SECRET],
    ["少", "非", "甲"],
    ["甲", "拒"],
    ["甲", {"text": "a", "text_pair": "b"}],
    [""],
]


def test_both_dispatchers_answer_the_same(tiny_model_store: Path, folder: Path) -> None:
    answers = {}
    for dispatcher in ("tokens", "bentoml"):
        for server in serve_stand_in(folder, tiny_model_store, {"CLASSIFIER_DISPATCHER": dispatcher}):
            with ThreadPoolExecutor(len(SAME)) as pool:
                found = list(pool.map(lambda texts, url=server: classify(url, *texts), SAME))  # type: ignore[misc]
            answers[dispatcher] = [(one.status_code, one.json()) for one in found]
            assert httpx.get(f"{server.url}/livez").status_code == 200
    assert answers["tokens"] == answers["bentoml"]
    assert [status for status, _ in answers["tokens"]] == [200, 200, 200, 500, 200, 422, 422, 400]


def test_a_hung_engine_is_answered_503_and_fails_livez(tiny_model_store: Path, folder: Path) -> None:
    settings = {"CLASSIFIER_ENGINE_TIMEOUT_SECONDS": "1"}
    for server in serve_stand_in(folder, tiny_model_store, settings):
        assert httpx.get(f"{server.url}/livez").status_code == 200
        start = time.monotonic()
        with ThreadPoolExecutor(3) as pool, lying(folder / "hold"):
            found = list(pool.map(lambda text, url=server: classify(url, text), "abc"))  # type: ignore[misc]
            seconds = time.monotonic() - start
            later = classify(server, "d")
            alive = httpx.get(f"{server.url}/livez")
            ready = httpx.get(f"{server.url}/readyz")
        assert [one.status_code for one in [*found, later, alive, ready]] == [503] * 6
        assert found[0].json()["error"].startswith("The engine does not answer")
        assert seconds < 3
        wait_until(lambda url=server.url: httpx.get(f"{url}/livez").status_code == 200)  # type: ignore[misc]
        assert classify(server, "e").status_code == 200


def test_a_client_that_leaves_is_not_computed(tiny_model_store: Path, folder: Path) -> None:
    for server in serve_stand_in(folder, tiny_model_store, {}):
        with ThreadPoolExecutor(2) as pool, lying(folder / "hold"):
            (folder / "batches").unlink(missing_ok=True)
            first = pool.submit(classify, server, "first")
            wait_until((folder / "batches").is_file)
            (folder / "batches").unlink()
            with httpx.Client(timeout=0.5) as client, pytest.raises(httpx.ReadTimeout):
                client.post(f"{server.url}/classify", json={"texts": ["left"] * 5})
            wait_until(lambda url=server: in_flight(url) == 1)  # type: ignore[misc]
        assert first.result().status_code == 200
        assert classify(server, "next").status_code == 200
        assert (folder / "batches").read_text().split() == ["1"]


def accepts(url: str) -> bool:
    try:
        httpx.get(f"{url}/livez", timeout=1)
    except httpx.TransportError:
        return False
    return True


def start(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bentoml", "serve", "service:BertClassifier", "--port", "0"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CLASSIFIER_WORKER", "2", "did you mean 'CLASSIFIER_WORKERS'?"),
        ("CLASSIFIER_MODEL", "bert-classifier:missing", "no model 'bert-classifier:missing' in the store"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(name: str, value: str, sentence: str) -> None:
    found = start(**{name: value})
    assert found.returncode == 1
    assert len(found.stderr.strip().splitlines()) == 1
    assert sentence in found.stderr


def test_a_harmed_model_ends_the_start_with_one_line(tiny_model_dir: Path, tmp_path: Path) -> None:
    version = tmp_path / "models" / "bert-classifier" / "harmed"
    shutil.copytree(tiny_model_dir, version)
    with (version / "config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    write_model_yaml(version)
    found = start(CLASSIFIER_MODEL="bert-classifier:harmed", BENTOML_HOME=str(tmp_path))
    assert found.returncode == 1
    assert len(found.stderr.strip().splitlines()) == 1
    assert "config.json has sha256" in found.stderr
