"""Logits equal those of transformers, whatever shares the batch, and what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification

from runtime.backends import BackendOptions
from runtime.backends.torch import TorchBackend
from runtime.errors import BackendError, EngineError
from runtime.tokenizer import Batch, Encoding, pad
from tests.bert_models import VOCAB_SIZE, write_model

FP32 = BackendOptions(precision="fp32")


def random_batch(lengths: list[int], seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, VOCAB_SIZE, length).tolist() for length in lengths]
    return pad([Encoding(ids, [i % 2 for i in ids], truncated=False) for ids in rows], pad_token_id=0)


def reference_logits(model: BertForSequenceClassification, batch: Batch) -> np.ndarray[Any, Any]:
    tensors = {name: torch.from_numpy(getattr(batch, name)) for name in Batch.__slots__}
    with torch.no_grad():
        return np.asarray(model(**tensors).logits.numpy())


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bert")
    write_model(directory)
    return directory


@pytest.fixture(scope="module")
def reference(model_dir: Path) -> BertForSequenceClassification:
    return BertForSequenceClassification.from_pretrained(model_dir).eval()


@pytest.fixture(scope="module")
def backend(model_dir: Path) -> TorchBackend:
    return TorchBackend(model_dir, FP32)


@given(lengths=st.lists(st.integers(2, 32), min_size=1, max_size=6), seed=st.integers(0, 1_000))
@settings(max_examples=40)
def test_logits_equal_transformers(
    backend: TorchBackend, reference: BertForSequenceClassification, lengths: list[int], seed: int
) -> None:
    batch = random_batch(lengths, seed)
    found = backend.logits(batch)
    assert found.dtype == np.float32
    assert found.shape == (len(lengths), 5)
    np.testing.assert_allclose(found, reference_logits(reference, batch), atol=2e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_hidden_layers": 1},
        {"hidden_act": "relu"},
        {"hidden_act": "gelu_new"},
        {"layer_norm_eps": 1e-2},
        {"num_attention_heads": 1},
        {"num_labels": 2},
    ],
    ids=str,
)
def test_every_setting_of_the_config_is_followed(tmp_path: Path, fields: dict[str, Any]) -> None:
    reference = write_model(tmp_path, **fields)
    batch = random_batch([5, 17, 32], seed=1)
    found = TorchBackend(tmp_path, FP32).logits(batch)
    np.testing.assert_allclose(found, reference_logits(reference, batch), atol=2e-5)


@given(length=st.integers(2, 20), neighbour=st.integers(2, 32))
@settings(max_examples=30)
def test_neighbours_do_not_change_logits(backend: TorchBackend, length: int, neighbour: int) -> None:
    together = random_batch([length, neighbour], seed=length)
    alone = Batch(
        together.input_ids[:1, :length],
        together.attention_mask[:1, :length],
        together.token_type_ids[:1, :length],
    )
    np.testing.assert_allclose(backend.logits(together)[:1], backend.logits(alone), atol=2e-5)


def test_bf16_stays_near_fp32(
    model_dir: Path, backend: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.backends.torch._is_bf16_fast", lambda config, device: True)
    batch = random_batch([4, 9, 31], seed=3)
    half = TorchBackend(model_dir, BackendOptions(precision="bf16")).logits(batch)
    full = backend.logits(batch)
    assert 0 < np.abs(half - full).max() < 0.1 * np.abs(full).max()


def test_a_bias_of_another_size_is_refused_before_anything_reads_past_it(tmp_path: Path) -> None:
    write_model(tmp_path)
    change_weights(tmp_path, lambda weights: weights.update({"classifier.bias": torch.zeros(3)}))
    with pytest.raises(BackendError, match=r"shape \(5, 24\) has a bias of \(3,\)"):
        TorchBackend(tmp_path, FP32)


def test_bf16_computes_in_fp32_where_that_is_faster(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {torch.float32: 1.0, torch.bfloat16: 2.0}
    monkeypatch.setattr("runtime.backends.torch._seconds", lambda linear, hidden: times[hidden.dtype])
    slow = TorchBackend(model_dir, BackendOptions(precision="bf16"))
    assert slow.compute.startswith("fp32 on cpu")
    times[torch.bfloat16] = 0.5
    fast = TorchBackend(model_dir, BackendOptions(precision="bf16"))
    assert fast.compute.startswith("bf16 on cpu")


def test_threads_are_set_for_the_process(model_dir: Path) -> None:
    before = torch.get_num_threads()
    try:
        TorchBackend(model_dir, BackendOptions(precision="fp32", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_text_longer_than_the_positions_is_refused(backend: TorchBackend) -> None:
    with pytest.raises(EngineError, match="33 tokens"):
        backend.logits(random_batch([33], seed=1))


def test_an_id_beyond_the_vocabulary_is_refused(backend: TorchBackend) -> None:
    with pytest.raises(EngineError, match=str(VOCAB_SIZE)):
        backend.logits(pad([Encoding([VOCAB_SIZE], [0], truncated=False)], 0))


def test_logits_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    change_weights(tmp_path, lambda weights: weights["classifier.bias"].fill_(float("nan")))
    with pytest.raises(EngineError, match="finite"):
        TorchBackend(tmp_path, FP32).logits(random_batch([4], seed=1))


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    write_model(tmp_path)
    change_weights(tmp_path, lambda weights: weights.pop("bert.pooler.dense.weight"))
    with pytest.raises(BackendError, match=r"bert\.pooler\.dense\.weight"):
        TorchBackend(tmp_path, FP32)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("classifier", 5), ("bert.pooler.dense", 24), ("bert.embeddings.token_type_embeddings", 1)],
)
def test_weights_that_do_not_fit_each_other_are_the_engines_failure(
    tmp_path: Path, name: str, rows: int
) -> None:
    write_model(tmp_path)
    change_weights(tmp_path, lambda weights: weights.update({f"{name}.weight": torch.zeros(rows, 3)}))
    with pytest.raises(EngineError, match="PyTorch failed") as caught:
        TorchBackend(tmp_path, FP32).logits(random_batch([4], seed=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("heads", [0, 5])
def test_heads_that_do_not_divide_the_width_are_the_engines_failure(tmp_path: Path, heads: int) -> None:
    write_model(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_attention_heads": heads}))
    with pytest.raises(EngineError, match="PyTorch failed"):
        TorchBackend(tmp_path, FP32).logits(random_batch([4], seed=1))


@pytest.mark.parametrize(
    "fields", [{"model_type": "roberta"}, {"hidden_act": "swish"}, {"num_hidden_layers": 0}]
)
def test_another_architecture_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    write_model(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(BackendError, match=next(iter(fields))):
        TorchBackend(tmp_path, FP32)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"junk" * 9, b"[" * 100_000])
def test_an_unreadable_file_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    write_model(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BackendError, match=name) as caught:
        TorchBackend(tmp_path, FP32)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["tpu9000", "cuda:77"])
def test_an_absent_device_is_refused(model_dir: Path, device: str) -> None:
    with pytest.raises(BackendError, match=device):
        TorchBackend(model_dir, BackendOptions(precision="fp32", device=device))


def change_weights(directory: Path, change: Any) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
