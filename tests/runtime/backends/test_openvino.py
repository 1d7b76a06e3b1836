"""What OpenVINO cannot load or run is a sentence, and importing it reports to nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from safetensors.torch import load_file, save_file

from runtime.backends import BackendOptions
from runtime.backends.openvino import MODEL_NAME, OpenVinoBackend, inputs_of
from runtime.errors import BackendError, EngineError
from runtime.tokenizer import Encoding, pad
from train.exporters import export_openvino

FP32 = BackendOptions(precision="fp32", threads=1)


@pytest.fixture(scope="module")
def model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("openvino")
    for name in ("config.json", "model.safetensors"):
        (directory / name).write_bytes((tiny_model_dir / name).read_bytes())
    export_openvino(directory, "fp32", [])
    return directory


def copy(model_dir: Path, directory: Path) -> Path:
    for path in model_dir.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    return directory


def test_importing_the_backend_reports_to_nobody(project_root: Path) -> None:
    code = (
        "import runtime.backends.openvino, openvino.tools.ovc as ovc, nncf\n"
        "print(type(ovc.telemetry).__module__, type(nncf.telemetry.telemetry).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True
    )
    ovc, class_of_nncf = done.stdout.split()[-2:]
    assert ovc == "openvino.tools.ovc.telemetry_stub"
    assert class_of_nncf != "NNCFTelemetry"


def test_auto_is_the_cpu(model_dir: Path) -> None:
    options = BackendOptions(precision="fp32", device="auto", threads=1)
    assert OpenVinoBackend(model_dir, options).compute.startswith("fp32 on cpu, 1 threads (openvino 20")


def test_threads_are_taken_over(model_dir: Path) -> None:
    options = BackendOptions(precision="fp32", threads=2)
    assert "2 threads" in OpenVinoBackend(model_dir, options).compute


@pytest.mark.parametrize(
    "content", [None, b"", b"<net", b'<?xml version="1.0"?><net name="x" version="11"/>']
)
def test_an_unreadable_model_is_named_in_one_line(
    model_dir: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = copy(model_dir, tmp_path) / MODEL_NAME
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError, match=f"{MODEL_NAME} cannot be loaded .*save the model again") as caught:
        OpenVinoBackend(tmp_path, FP32)
    assert "\n" not in str(caught.value)


def test_a_model_of_somebody_else_is_refused(tmp_path: Path) -> None:
    x = openvino.opset15.parameter([-1], openvino.Type.f32)
    openvino.save_model(openvino.Model([openvino.opset15.relu(x)], [x], "other"), tmp_path / MODEL_NAME)
    with pytest.raises(BackendError, match="cannot be loaded"):
        OpenVinoBackend(tmp_path, FP32)


def test_bf16_computes_in_fp32_where_the_processor_has_none(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = openvino.Core.get_property

    def get_property(core: openvino.Core, *key: str) -> object:
        return ["FP32", "INT8"] if key[-1] == "OPTIMIZATION_CAPABILITIES" else real(core, *key)

    monkeypatch.setattr(openvino.Core, "get_property", get_property)
    backend = OpenVinoBackend(model_dir, BackendOptions(precision="bf16", threads=1))
    assert backend.compute.startswith("fp32")


def test_logits_that_are_no_numbers_are_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    weights = load_file(tiny_model_dir / "model.safetensors")
    weights["classifier.bias"].fill_(float("nan"))
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((tiny_model_dir / "config.json").read_bytes())
    export_openvino(tmp_path, "fp32", [])
    with pytest.raises(EngineError, match="finite"):
        OpenVinoBackend(tmp_path, FP32).logits(pad([Encoding([1, 2, 3], [0] * 3, truncated=False)], 0))


def test_masks_are_added_to_the_scores() -> None:
    inputs = inputs_of(pad([Encoding([1] * 4, [0] * 4, False), Encoding([2] * 2, [0] * 2, False)], 0))
    assert inputs["mask"].shape == (2, 1, 4, 4)
    assert inputs["first_mask"].shape == (2, 1, 1, 4)
    assert set(np.unique(inputs["mask"]).tolist()) == {-1e9, 0.0}
    np.testing.assert_array_equal(inputs["mask"][0], np.zeros((1, 4, 4)))
