"""What every test may rely on: an environment of its own, a small model to serve, and the shared data.

The environment is set while this file is imported, because BentoML, prometheus_client and transformers
read it when they are imported and never again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

SCRATCH = Path(tempfile.mkdtemp(prefix="bentobert-tests-"))

os.environ |= {
    "BENTOML_HOME": str(SCRATCH / "bentoml"),
    "BENTOML_DO_NOT_TRACK": "True",
    "PROMETHEUS_MULTIPROC_DIR": str(SCRATCH / "prometheus"),
    "HF_HOME": str(SCRATCH / "huggingface"),
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_DATASETS_CACHE": str(SCRATCH / "datasets"),
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
for _name in [name for name in os.environ if name.startswith("CLASSIFIER_")]:
    del os.environ[_name]
for _name in ("BENTOML_HOME", "PROMETHEUS_MULTIPROC_DIR", "HF_HOME", "HF_DATASETS_CACHE"):
    Path(os.environ[_name]).mkdir(parents=True)

# Limits on time fail on a busy machine and find nothing here. With CI=true, examples are the same every time.
hypothesis.settings.register_profile(
    "suite",
    parent=hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
TINY_TAG = "bert-classifier:tiny"
LABELS = ("负面", "正面")


def pytest_unconfigure() -> None:
    """Remove everything the tests left outside their own `tmp_path`."""
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder that holds `service.py`."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of measuring data sets, or skip where this checkout has none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is missing: the measuring data sets are not part of the project")
    return SHARED_DATA


@pytest.fixture
def bentoml_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty BentoML home that subprocesses of this test inherit.

    BentoML opens its store once per process, so in-process code keeps the session's store.
    """
    home = tmp_path / "bentoml"
    home.mkdir()
    monkeypatch.setenv("BENTOML_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a servable model directory: BERT of 2 layers, 32 wide, seeded random weights, two labels."""
    directory = tmp_path_factory.mktemp("tiny") / "model"
    write_tiny_model(directory)
    return directory


@pytest.fixture(scope="session")
def encrypted_model(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return the tiny model as `save` encrypts it, and its key; copy it before changing it."""
    from runtime.manifest import Manifest
    from train.artifact import record_digests
    from train.protection import copy_model

    directory, key = tmp_path_factory.mktemp("encrypted"), bytes(range(32))
    copy_model(tiny_model_dir, directory, key)
    record_digests(directory, Manifest.read(tiny_model_dir), key)
    return directory, key


@pytest.fixture(scope="session")
def tiny_model_store(tiny_model_dir: Path) -> Path:
    """Return the BentoML home of this test session, whose store holds the tiny model as `TINY_TAG`.

    It is the session's own home, so that a service in this process finds the model as a subprocess does.
    """
    import bentoml

    with bentoml.models.create(TINY_TAG) as model:
        shutil.copytree(tiny_model_dir, model.path, dirs_exist_ok=True)
    return Path(os.environ["BENTOML_HOME"])


def write_tiny_model(directory: Path) -> None:
    """Write weights and tokenizer, then what training's own last step adds: probes, digests, manifest."""
    from runtime.manifest import Manifest
    from train.artifact import finish, now, versions
    from train.data.rows import Row

    _write_weights_and_tokenizer(directory)
    manifest = Manifest(
        labels=LABELS,
        backend="torch",
        precision="fp32",
        max_length=128,
        normalizers=("fold_fullwidth",),
        base_model="scratch",
        created=now(),
        versions=versions(),
    )
    texts = ["房间很干净,服务也好。", "太差了,不会再来", "OK 8分", "物流很慢,但是质量不错!"]
    rows = [Row(text, None, LABELS[0], "tiny", number, number) for number, text in enumerate(texts, 1)]
    finish(directory, manifest, rows)


def _write_weights_and_tokenizer(directory: Path) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from train.data.vocabulary import build_tokenizer, gb2312_vocabulary

    vocabulary = gb2312_vocabulary()
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        # Wide enough that random logits differ between texts by more than a rounding error.
        initializer_range=0.2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(20)
        model = BertForSequenceClassification(config)
    model.save_pretrained(directory)
    build_tokenizer(vocabulary).save_pretrained(directory)
