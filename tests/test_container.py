"""Real images, built and run hardened: slow, so only `make test-container` asks for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.__main__ import build_run_and_check, default_wheels, engine_for
from deploy.container import USER_ID
from deploy.engine import why_no_container
from deploy.private_engine import DEFAULT_WORK
from deploy.requirements import ENGINES

TINY_TAG = "bert-classifier:tiny"
MOST_MB = {"torch": 1350, "openvino": 650}
FIND = "import importlib.util as u; print(*(n for n in {} if u.find_spec(n)))"


def store_for(backend: str, tiny_model_store: Path, home: Path) -> None:
    """Copy a store's tiny model into another and export it there for this backend, with the same probes."""
    from runtime.manifest import Manifest
    from train.artifact import record_digests
    from train.exporters import EXPORTERS

    shutil.copytree(tiny_model_store / "models", home / "models")
    model = home / "models" / TINY_TAG.replace(":", "/")
    EXPORTERS[backend](model, "fp32", [])
    record_digests(model, Manifest.read(model).model_copy(update={"backend": backend}))


@pytest.mark.container
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("backend", ENGINES)
def test_the_image_serves_hardened_and_answers_what_is_in_flight_when_stopped(
    backend: str, tiny_model_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = why_no_container()
    if reason is not None:
        pytest.skip(reason)
    store_for(backend, tiny_model_store, tmp_path)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("CLASSIFIER_MODEL", TINY_TAG)
    engine = engine_for(DEFAULT_WORK, default_wheels())
    report = build_run_and_check(engine)
    find = ("--entrypoint", "python", report.image, "-c", FIND.format(ENGINES))
    installed = engine("run", "--rm", *find).split()
    engine("image", "rm", report.image)
    assert installed == [backend]
    assert report.user_id == str(USER_ID)
    assert report.exit_code == 0
    assert report.requests_in_flight >= report.answered_after_sigterm >= 1
    assert report.ready_seconds < 60
    assert report.image_size_mb < MOST_MB[backend]
    assert 50 < report.worker_memory_mb < 2000
