"""Real images, built and run hardened: slow, so only `make test-container` asks for it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from deploy.__main__ import build_run_and_check, default_wheels, engine_for
from deploy.container import USER_ID, hardened, wait_until_ready
from deploy.engine import CheckError, Engine, why_no_container
from deploy.private_engine import DEFAULT_WORK
from deploy.requirements import ENGINES
from runtime.keys import new_key, read_key
from runtime.manifest import MANIFEST_NAME, Manifest
from tests.store_entry import write_model_yaml
from train.artifact import record_digests
from train.protection import copy_model

TINY_TAG = "bert-classifier:tiny"
MOST_MB = {"torch": 1350, "openvino": 650}
BENTO = "/home/bentoml/bento"
FIND = "import importlib.util as u; print(*(n for n in {} if u.find_spec(n)))"


def store_for(backend: str, tiny_model_store: Path, home: Path) -> None:
    """Copy a store's tiny model into another and export it there for this backend, with the same probes."""
    from train.exporters import EXPORTERS

    shutil.copytree(tiny_model_store / "models", home / "models")
    model = home / "models" / TINY_TAG.replace(":", "/")
    EXPORTERS[backend](model, "fp32", [])
    record_digests(model, Manifest.read(model).model_copy(update={"backend": backend}))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return what builds and runs images, for a store in `tmp_path`; skip where there is nothing."""
    reason = why_no_container()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("CLASSIFIER_MODEL", TINY_TAG)
    return engine_for(DEFAULT_WORK, default_wheels())


@pytest.mark.container
@pytest.mark.timeout(1800)
def test_the_image_of_an_encrypted_model_serves_with_its_key_and_not_without(
    engine: Engine, tiny_model_store: Path, tmp_path: Path
) -> None:
    store_for("openvino", tiny_model_store, tmp_path)
    model = tmp_path / "models" / TINY_TAG.replace(":", "/")
    key = encrypt(model, new_key(tmp_path / "model.key"))
    os.chown(key, USER_ID, USER_ID)
    report = build_run_and_check(engine, key_file=key)
    files = engine("run", "--rm", "--entrypoint", "find", report.image, BENTO, "-type", "f").split()
    with (
        hardened(engine, report.image) as container,
        pytest.raises(CheckError, match="is encrypted and no key is given"),
    ):
        wait_until_ready(container, time.monotonic())
    engine("image", "rm", report.image)
    assert report.exit_code == 0
    assert report.answered_after_sigterm >= 1
    names = {Path(file).name for file in files}
    assert {"openvino_model.bin.enc", MANIFEST_NAME} <= names
    assert not {"openvino_model.bin", "model.safetensors", "tokenizer.json", key.name} & names


def encrypt(model: Path, key: Path) -> Path:
    """Put an encrypted copy of a stored model in its place, and return the key's file."""
    manifest, secret = Manifest.read(model), read_key(str(key), "NONE")
    plain = model.rename(key.with_name("plain"))
    (plain / "model.yaml").unlink()
    model.mkdir()
    copy_model(plain, model, secret)
    record_digests(model, manifest, secret)
    write_model_yaml(model)
    return key


@pytest.mark.container
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("backend", ENGINES)
def test_the_image_serves_hardened_and_answers_what_is_in_flight_when_stopped(
    backend: str, engine: Engine, tiny_model_store: Path, tmp_path: Path
) -> None:
    store_for(backend, tiny_model_store, tmp_path)
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
