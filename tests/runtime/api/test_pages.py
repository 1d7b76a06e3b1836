"""The pages show the model that was published last, and the paths of an application are known."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from runtime.api.pages import pages, publish, served_paths
from runtime.manifest import Manifest

MANIFEST = Manifest(
    labels=("负面", "正面"),
    backend="torch",
    precision="bf16",
    max_length=64,
    normalizers=("fold_fullwidth",),
    versions={"numpy": "1.0", "no-such-package": "2.0"},
    parity={"largest_change": 0.01},
)
RUNNING = {"model": "bert-classifier:1", "compute": "bf16 on cpu", "dispatcher": "tokens"}
LIMITS: dict[str, int | float] = {"max_texts": 3, "timeout_seconds": 1.5}


def published(directory: Path) -> TestClient:
    app = pages()
    publish(app, directory, MANIFEST, RUNNING, LIMITS)
    return TestClient(app)


def test_info_tells_what_is_served(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"accuracy": 0.9, "per_class": [1]}), encoding="utf-8")
    found = published(tmp_path).get("/info")
    assert found.headers["content-type"] == "application/json"
    info = found.json()
    serving = info["versions"].pop("serving")
    assert serving["numpy"] == version("numpy")
    assert serving["torch"] == version("torch")
    assert set(serving) == {"python", "bentoml", "numpy", "tokenizers", "torch"}
    assert info == {
        "model": "bert-classifier:1",
        "labels": ["负面", "正面"],
        "text_pair": False,
        "backend": "torch",
        "precision": "bf16",
        "compute": "bf16 on cpu",
        "dispatcher": "tokens",
        "max_length": 64,
        "normalizers": ["fold_fullwidth"],
        "base_model": "",
        "created": "",
        "limits": {"max_texts": 3, "timeout_seconds": 1.5},
        "versions": {"training": {"numpy": "1.0", "no-such-package": "2.0"}},
        "parity": {"largest_change": 0.01},
        "metrics": {"accuracy": 0.9, "per_class": [1]},
    }


def test_a_model_without_metrics_and_card_can_be_shown(tmp_path: Path) -> None:
    client = published(tmp_path)
    assert client.get("/info").json()["metrics"] is None
    found = client.get("/model-card")
    assert found.status_code == 404
    assert list(found.json()) == ["error"]


def test_the_card_is_markdown_in_utf8(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# 情感分类", encoding="utf-8")
    found = published(tmp_path).get("/model-card")
    assert found.headers["content-type"] == "text/markdown; charset=utf-8"
    assert found.content.decode("utf-8") == "# 情感分类"


def test_served_paths_reach_into_mounts_and_folders(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a.css").touch()
    (tmp_path / "b.js").touch()

    async def endpoint(_request: object) -> Response:
        return Response()

    app = Starlette(
        routes=[
            Route("/classify", endpoint, methods=["POST"]),
            Mount("/v1", Starlette(routes=[Route("/info", endpoint)])),
            Mount("/static", StaticFiles(directory=tmp_path)),
        ]
    )
    assert served_paths(app.routes) == {"/classify", "/v1/info", "/static/css/a.css", "/static/b.js"}
