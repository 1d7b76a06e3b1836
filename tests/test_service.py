"""The service in this process, around an engine that fails on demand: isolation, readiness, errors, pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bentoml
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from runtime.classifier import Classifier
from tests.stand_in import FOLDER_VARIABLE, StandIn, lying

SECRET = "机密"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder whose files tell the engine what to do."""
    return tmp_path_factory.mktemp("stand-in")


@pytest.fixture(scope="module")
def client(tiny_model_store: Path, folder: Path) -> Iterator[TestClient]:
    """Serve the newest model of the store with a stand-in for its engine."""
    from service import BertClassifier

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        patch.setattr(Classifier, "load", StandIn.load)
        with TestClient(BertClassifier.to_asgi()) as running:  # type: ignore[attr-defined]
            yield running


@pytest.fixture
def classify(client: TestClient) -> Callable[..., Any]:
    def post(*texts: object) -> Any:
        return client.post("/classify", json={"texts": texts})

    return post


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def in_flight(client: TestClient) -> float:
    """Return how many requests to /classify are being answered."""
    lines = client.get("/metrics").text.splitlines()
    name = "bentoml_service_request_in_progress"
    found = [line for line in lines if line.startswith(name) and 'endpoint="/classify"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_predictions_come_in_the_order_of_the_texts(classify: Callable[..., Any]) -> None:
    found = classify("甲", {"text": "乙"}, "丙")
    assert found.status_code == 200
    assert [item["label"] for item in found.json()] == ["甲", "乙", "丙"]
    assert found.json()[0] == {
        "label": "甲",
        "score": 0.75,
        "scores": {"甲": 0.75, "": 0.25},
        "truncated": False,
    }
    assert "甲" in found.text  # UTF-8, not escapes
    assert found.headers["server"] == "BentoML Service/bert_classifier"  # as BentoML sets it


@pytest.mark.parametrize("text", ["炸" + SECRET, "少" + SECRET, "非" + SECRET, "拒" + SECRET])
def test_one_bad_text_fails_alone_in_a_merged_batch(
    client: TestClient, classify: Callable[..., Any], folder: Path, text: str
) -> None:
    with ThreadPoolExecutor(8) as pool, lying(folder / "hold"):
        first = pool.submit(classify, "first")
        wait_until(lambda: in_flight(client) == 1)
        good = [pool.submit(classify, f"{number}a", f"{number}b") for number in range(5)]
        bad = pool.submit(classify, "fine", text)
        wait_until(lambda: in_flight(client) == 7)
        (folder / "batches").unlink(missing_ok=True)
    assert first.result().status_code == 200
    assert max(map(int, (folder / "batches").read_text().split())) > 2, "no requests were merged"
    for number, future in enumerate(good):
        assert [item["label"] for item in future.result().json()] == [f"{number}a", f"{number}b"]
    answer = bad.result()
    if text.startswith("拒"):
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["texts", 1]
    else:
        assert answer.status_code == 200
        assert answer.json()[0]["label"] == "fine"
        assert list(answer.json()[1]) == ["error"]
        assert answer.json()[1]["error"].startswith("texts[1] made the engine fail")
    assert SECRET not in answer.text
    assert client.get("/readyz").status_code == 200


def test_a_request_without_any_prediction_fails(classify: Callable[..., Any]) -> None:
    found = classify("炸")
    assert found.status_code == 500
    assert found.json()["detail"][0]["loc"] == ["texts", 0]


def test_the_size_of_a_batch_is_counted_in_texts(client: TestClient, classify: Callable[..., Any]) -> None:
    def count() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        name = "bentoml_service_adaptive_batch_size_"
        found = [line.removeprefix(name) for line in lines if line.startswith(name)]
        return {
            kind: sum(float(x.split()[-1]) for x in found if x.startswith(kind)) for kind in ("sum", "count")
        }

    before = count()
    assert classify("甲", "乙", "丙").status_code == 200
    after = count()
    assert after["sum"] - before["sum"] == 3
    assert after["count"] - before["count"] == 1


def test_a_pair_is_refused_by_a_model_of_single_texts(classify: Callable[..., Any]) -> None:
    found = classify("a", {"text": "a", "text_pair": "b"})
    assert found.status_code == 422
    assert found.json()["error"].startswith('texts[1] cannot be classified: it has a "text_pair"')


def test_a_failed_engine_is_not_ready_until_a_probe_passes(
    client: TestClient, classify: Callable[..., Any], folder: Path
) -> None:
    assert client.get("/readyz").status_code == 200
    with lying(folder / "down"):
        assert client.get("/readyz").status_code == 200  # nobody has noticed yet
        found = classify("a")
        assert (found.status_code, found.headers["retry-after"]) == (503, "1")
        ready = client.get("/readyz")
        assert (ready.status_code, list(ready.json()), ready.headers["retry-after"]) == (503, ["error"], "1")
        assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert classify("a").status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["texts", "text", "text_pair", "x"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"texts": JSON}).map(lambda value: json.dumps(value, ensure_ascii=True).encode()),
    st.lists(st.text(), max_size=3).map(
        lambda texts: json.dumps({"texts": texts}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
)


def test_no_body_whatsoever_is_answered_5xx(client: TestClient, classify: Callable[..., Any]) -> None:
    seen = set()

    @settings(max_examples=300, deadline=None)
    @given(body=BODIES)
    def try_one(body: bytes) -> None:
        assume(not any(mark in body.decode("utf-8", "replace") for mark in "炸少非"))  # meant to fail
        found = client.post("/classify", content=body, headers={"content-type": "application/json"})
        seen.add(found.status_code)
        assert found.status_code in {200, 400, 422}, found.text
        if found.status_code == 200:
            assert isinstance(found.json(), list)
        else:
            assert isinstance(found.json()["error"], str)
        assert classify("next").status_code == 200

    try_one()
    assert {200, 400} <= seen


def test_openapi_shows_an_example_that_works(client: TestClient) -> None:
    spec = client.get("/docs.json").json()
    operation = spec["paths"]["/classify"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    assert client.post("/classify", json=request["example"]).status_code == 200
    assert request["properties"]["texts"]["maxItems"] == 64
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["type"] == "array"
    schemas = spec["components"]["schemas"]
    kinds = schemas[answer["items"]["$ref"].rpartition("/")[2]]["anyOf"]
    prediction, error = (schemas[kind["$ref"].rpartition("/")[2]]["properties"] for kind in kinds)
    assert set(prediction) == {"label", "score", "scores", "truncated"}
    assert set(error) == {"error"}
    assert all(found["description"] for found in [*prediction.values(), *error.values()])


def test_unknown_paths_leave_no_trace_in_the_metrics(client: TestClient) -> None:
    for number in range(3):
        found = client.post(f"/unknown-{number}", json={})
        assert (found.status_code, list(found.json())) == (404, ["error"])
    assert client.get("/v1/info").status_code == 200
    metrics = client.get("/metrics").text
    assert 'endpoint="/v1/info"' in metrics
    assert "unknown-" not in metrics


def test_wrong_methods_are_told_the_right_one(client: TestClient) -> None:
    assert client.get("/classify").json()["error"] == "'GET' is not allowed on /classify; use POST."
    assert client.post("/v1/info").status_code == 405


def test_pages_show_the_served_model(client: TestClient) -> None:
    info = client.get("/v1/info").json()
    assert info["model"] == "bert-classifier:tiny"
    assert info["labels"] == ["负面", "正面"]
    assert info["limits"]["max_texts"] == 64
    card = client.get("/v1/model-card")
    assert card.status_code in {200, 404}
    assert card.headers["content-type"] in {"text/markdown; charset=utf-8", "application/json"}


def test_importing_the_service_loads_no_engine() -> None:
    heavy = "{'torch', 'transformers', 'tokenizers', 'train', 'runtime.classifier'}"
    code = f"import service, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert found.stdout.strip() == "[]"


def test_settings_reach_the_framework() -> None:
    code = "import json, service; print(json.dumps(service.BertClassifier.config))"
    env = os.environ | {"CLASSIFIER_WORKERS": "3", "CLASSIFIER_TRACING": "1"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    config = json.loads(found.stdout)
    assert config["workers"] == 3
    assert config["threads"] == 1
    assert config["tracing"] == {"excluded_urls": None}


@pytest.mark.parametrize(
    ("wanted", "pinned"),
    [
        ("bert-classifier:latest", "bert-classifier:7"),
        ("bert-classifier", "bert-classifier:7"),
        ("bert-classifier:3", "bert-classifier:3"),
    ],
)
def test_a_bento_means_by_latest_the_model_it_was_built_with(wanted: str, pinned: str) -> None:
    from service import StoredModel

    model = StoredModel(wanted)
    model.pin([bentoml.Tag("other", "9"), bentoml.Tag("bert-classifier", "7")])
    assert str(model.tag) == pinned
