"""An encrypted model is served as if it were not, and its plaintext is never written anywhere."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from loadtests.server import bentoml_server
from runtime.backends import BACKENDS
from runtime.classifier import Classifier
from runtime.errors import DigestError, ProtectionError
from runtime.manifest import MANIFEST_NAME, Manifest
from tests.store_entry import write_model_yaml
from train.artifact import finish, record_digests
from train.data.rows import Row
from train.exporters import EXPORTERS
from train.protection import copy_model

ROOT = Path(__file__).resolve().parents[1]
TAG = "bert-classifier:secret"
TEXTS = ["房间很干净，服务也好。", "太差了", "好" * 300]
# Of a process in which no library can write a byte to any file; those in memory count too.
WITHOUT_WRITING = """
import base64, json, resource, sys, tempfile
tempfile.gettempdir()  # finds out by writing
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
        file.flush()
except OSError:
    pass
else:
    sys.exit("this process can write")
from runtime.classifier import Classifier
directory, key, *texts = json.loads(sys.stdin.read())
print(json.dumps(Classifier.load(directory, threads=1, key=base64.b64decode(key)).logits(texts).tolist()))
"""


@pytest.fixture(scope="module", params=BACKENDS)
def models(
    request: pytest.FixtureRequest, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, bytes]:
    """Return a model of each engine in the open, the same encrypted, and the key."""
    folder = tmp_path_factory.mktemp(request.param)
    model = Path(shutil.copytree(tiny_model_dir, folder / "open"))
    EXPORTERS[request.param](model, "fp32", [])
    manifest = Manifest.read(model).model_copy(update={"backend": request.param, "files": {}})
    rows = [Row(text, None, manifest.labels[0], "x", number, number) for number, text in enumerate(TEXTS)]
    manifest = finish(model, manifest, rows)
    encrypted, key = folder / "encrypted", os.urandom(32)
    encrypted.mkdir()
    copy_model(model, encrypted, key)
    record_digests(encrypted, manifest, key)
    return model, encrypted, key


def test_an_encrypted_model_gives_the_very_logits(models: tuple[Path, Path, bytes]) -> None:
    model, encrypted, key = models
    expected = Classifier.load(model, threads=1).logits(TEXTS)
    np.testing.assert_array_equal(Classifier.load(encrypted, threads=1, key=key).logits(TEXTS), expected)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_it_loads_where_no_byte_can_be_written(models: tuple[Path, Path, bytes]) -> None:
    model, encrypted, key = models
    given = json.dumps([str(encrypted), base64.b64encode(key).decode(), *TEXTS])
    done = subprocess.run(
        [sys.executable, "-B", "-c", WITHOUT_WRITING],
        input=given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = Classifier.load(model, threads=1).logits(TEXTS)
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-5)


def test_every_encrypted_file_is_missed_and_seen_when_changed(
    models: tuple[Path, Path, bytes], tmp_path: Path
) -> None:
    _, encrypted, key = models
    names = [name for name in Manifest.read(encrypted).files if name.endswith(".enc")]
    assert len(names) >= 3
    for name in names:
        copy = Path(shutil.copytree(encrypted, tmp_path / name))
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
        with pytest.raises(DigestError, match="has sha256"):
            Classifier.load(copy, key=key)
        with pytest.raises(ProtectionError, match="was changed since it was sealed"):
            Classifier.load(with_new_digests(copy), key=key)


def with_new_digests(directory: Path) -> Path:
    """Write the digests that the files now have into the manifest, as one could who has no key."""
    manifest = Manifest.read(directory)
    record_digests(directory, manifest)
    return directory


def exchange_weights(directory: Path) -> None:
    """Put other weights there in the open."""
    for name in ("model.safetensors", "openvino_model.bin"):
        if (directory / f"{name}.enc").exists():
            (directory / name).write_bytes(b"weights of somebody else")


def exchange_labels(directory: Path) -> None:
    manifest = Manifest.read(directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {str(index): label for index, label in enumerate(manifest.labels[::-1])}
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    manifest.model_copy(update={"labels": manifest.labels[::-1]}).write(directory)
    with_new_digests(directory)


def test_exchanged_labels_are_seen(models: tuple[Path, Path, bytes], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(models[1], tmp_path / "model"))
    exchange_labels(copy)
    with pytest.raises(ProtectionError, match="was changed since it was sealed"):
        Classifier.load(copy, key=models[2])


def test_weights_put_beside_the_encrypted_ones_are_not_read(
    models: tuple[Path, Path, bytes], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(models[1], tmp_path / "model"))
    exchange_weights(copy)
    assert len(list(copy.iterdir())) > len(list(models[1].iterdir()))
    expected = Classifier.load(models[0], threads=1).logits(TEXTS)
    np.testing.assert_array_equal(Classifier.load(copy, threads=1, key=models[2]).logits(TEXTS), expected)


def test_with_a_key_no_model_in_the_open_is_loaded(models: tuple[Path, Path, bytes]) -> None:
    with pytest.raises(ProtectionError, match="is not encrypted: anybody could have put it there"):
        Classifier.load(models[0], key=models[2])


@pytest.fixture(scope="module")
def home(encrypted_model: tuple[Path, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a BentoML home with the encrypted tiny model, and beside it the file of the key."""
    home = tmp_path_factory.mktemp("serving") / "bentoml"
    entry = Path(shutil.copytree(encrypted_model[0], home / "models" / TAG.replace(":", "/")))
    write_model_yaml(entry)
    key = home.parent / "key"
    key.write_bytes(base64.b64encode(encrypted_model[1]))
    key.chmod(0o600)
    return home


def pieces_of(path: Path, count: int = 40) -> list[bytes]:
    """Return pieces of 48 bytes from all over a file, none of which is merely zeros."""
    content = path.read_bytes()
    step = len(content) // count
    found = [content[start : start + 48] for start in range(step, len(content) - 48, step)]
    return [piece for piece in found if len(set(piece)) > 16]


def test_a_real_server_answers_from_an_encrypted_model_and_writes_none_of_it(
    home: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    watched = {name: tmp_path / name.lower() for name in ("HOME", "TMPDIR", "PROMETHEUS_MULTIPROC_DIR")}
    for folder in watched.values():
        folder.mkdir()
    env = {name: str(folder) for name, folder in watched.items()}
    env["CLASSIFIER_KEY_FILE"] = str(home.parent / "key")
    secrets = [*pieces_of(tiny_model_dir / "model.safetensors"), "房间很干净".encode()]
    assert len(secrets) > 20
    assert all(any(one in path.read_bytes() for path in tiny_model_dir.iterdir()) for one in secrets)
    with bentoml_server(model=TAG, home=home, env=env, log_path=tmp_path / "log") as server:
        answers = httpx.post(f"{server.url}/classify", json={"texts": TEXTS}, timeout=30).json()
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        pages = httpx.get(f"{server.url}/v1/info").text
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    written += [path.read_bytes() for path in (*home.rglob("*"), *tmp_path.rglob("*")) if path.is_file()]
    expected = Classifier.load(tiny_model_dir).predict(TEXTS)
    assert [answer["label"] for answer in answers] == [prediction.label for prediction in expected]
    assert [answer["score"] for answer in answers] == pytest.approx([one.score for one in expected], abs=1e-4)
    assert [secret for secret in secrets if any(secret in content for content in written)] == []
    key = (home.parent / "key").read_bytes()
    assert not any(key in content for content in [*written, pages.encode()])
    assert str(home.parent / "key") not in pages


def no_key(home: Path) -> dict[str, str]:
    return {}


def other_key(home: Path) -> dict[str, str]:
    return {"CLASSIFIER_KEY": base64.b64encode(bytes(range(7, 39))).decode()}


def open_key_file(home: Path) -> dict[str, str]:
    path = Path(shutil.copy(home.parent / "key", home.parent / "open"))
    path.chmod(0o644)
    return {"CLASSIFIER_KEY_FILE": str(path)}


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (other_key, "is encrypted with another key than the one given"),
        pytest.param(no_key, "no key is given; name the file of its key in", marks=pytest.mark.slow),
        pytest.param(open_key_file, "has the permissions 644", marks=pytest.mark.slow),
    ],
)
def test_without_its_key_the_start_ends_with_one_line(
    home: Path, key: Callable[[Path], dict[str, str]], sentence: str
) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*.enc")}
    env = {"BENTOML_HOME": str(home), "CLASSIFIER_MODEL": TAG, **key(home)}
    command = [sys.executable, "-m", "bentoml", "serve", "service:BertClassifier", "--port", "0"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert sentence in done.stderr
    assert not any(value in done.stderr + done.stdout for value in [env.get("CLASSIFIER_KEY")] if value)
    assert {path: path.read_bytes() for path in home.rglob("*.enc")} == before
    assert MANIFEST_NAME in {path.name for path in home.rglob("*")}
