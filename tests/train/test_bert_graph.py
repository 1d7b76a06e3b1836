"""The OpenVINO graph follows every setting of the config, reads what `Packed` holds, and says its limits."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from runtime.backends import BackendOptions
from runtime.backends.openvino import LIMITS_KEY, OpenVinoBackend
from runtime.backends.packing import Packed
from runtime.backends.torch import read_config
from runtime.tokenizer import Batch, Encoding, pad
from tests.bert_models import write_model
from train.bert_graph import bert_graph
from train.exporters import export_openvino


@pytest.mark.parametrize(
    "changed",
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
def test_every_setting_of_the_config_is_followed(tmp_path: Path, changed: dict[str, Any]) -> None:
    reference = write_model(tmp_path, **changed)
    export_openvino(tmp_path, "fp32", [])
    rng = np.random.default_rng(1)
    rows = [rng.integers(1, 97, length).tolist() for length in (5, 17, 32)]
    batch = pad([Encoding(ids, [i % 2 for i in ids], truncated=False) for ids in rows], 0)
    found = OpenVinoBackend(tmp_path, BackendOptions(precision="fp32", threads=1)).logits(batch)
    with torch.no_grad():
        expected = reference(**{name: torch.from_numpy(getattr(batch, name)) for name in Batch.__slots__})
    np.testing.assert_allclose(found, expected.logits.numpy(), atol=5e-5)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Any]:
    write_model(tmp_path)
    return {name: weight.numpy() for name, weight in load_file(tmp_path / "model.safetensors").items()}


def test_the_inputs_are_the_fields_of_a_packed_batch(tmp_path: Path, weights: dict[str, Any]) -> None:
    model = bert_graph(read_config(tmp_path), weights)
    assert [value.any_name for value in model.inputs] == [field.name for field in fields(Packed)]
    assert [value.any_name for value in model.outputs] == ["logits"]


def test_the_model_says_its_limits(tmp_path: Path, weights: dict[str, Any]) -> None:
    model = bert_graph(read_config(tmp_path), weights)
    assert json.loads(model.get_rt_info(LIMITS_KEY).value) == {"vocab_size": 97, "positions": 32}


def test_a_missing_weight_is_named(tmp_path: Path, weights: dict[str, Any]) -> None:
    del weights["bert.pooler.dense.weight"]
    with pytest.raises(KeyError, match=r"bert\.pooler\.dense\.weight"):
        bert_graph(read_config(tmp_path), weights)
