"""Every exporter leaves a directory that transformers still loads; int8 prints nothing where paths belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from safetensors import safe_open

from runtime.backends.openvino import MODEL_NAME
from runtime.tokenizer import Encoding
from train.config import Recipe
from train.exporters import EXPORTERS, export_openvino
from train.run import RunDirectory


@pytest.fixture
def model_dir(finished: Recipe, tmp_path: Path) -> Path:
    source = RunDirectory.of(finished).model
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def texts() -> list[Encoding]:
    rng = np.random.default_rng(0)
    return [
        Encoding(rng.integers(1, 90, length).tolist(), [0] * length, truncated=False) for length in (5, 9, 20)
    ]


def types_of(path: Path) -> set[str]:
    model = openvino.Core().read_model(path)
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    return {node.get_element_type().get_type_name() for node in constants if node.get_output_size() == 1}


def test_fp32_needs_no_change_for_torch(model_dir: Path) -> None:
    before = (model_dir / "model.safetensors").read_bytes()
    EXPORTERS["torch"](model_dir, "fp32", [])
    assert (model_dir / "model.safetensors").read_bytes() == before


def test_bf16_halves_the_weights_for_torch(model_dir: Path) -> None:
    EXPORTERS["torch"](model_dir, "bf16", [])
    with safe_open(model_dir / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118


@pytest.mark.parametrize(("precision", "has"), [("fp32", "f32"), ("bf16", "f16"), ("int8", "i8")])
def test_openvino_files_hold_the_precision(model_dir: Path, precision: str, has: str) -> None:
    before = (model_dir / "model.safetensors").read_bytes()
    export_openvino(model_dir, precision, texts())
    assert has in types_of(model_dir / MODEL_NAME)
    assert (model_dir / "model.safetensors").read_bytes() == before


def test_quantising_prints_nothing_to_standard_output(
    model_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export_openvino(model_dir, "int8", texts())
    assert capfd.readouterr().out == ""
