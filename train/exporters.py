"""Turns a copy of a trained model directory into one for an engine and precision; it compares nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runtime.tokenizer import Encoding, pad
from train.artifact import WEIGHTS_NAME
from train.run import write_json

if TYPE_CHECKING:
    from openvino import Model

CALIBRATION_TEXTS = 300
"""Texts of the training split whose activations fix the ranges of int8."""

CONFIG_NAME = "config.json"


def export_torch(directory: Path, precision: str, calibration: Sequence[Encoding]) -> None:  # noqa: ARG001
    """Store the weights in the precision they are served in; the directory still loads with transformers."""
    if precision == "fp32":
        return
    import torch
    from safetensors.torch import load_file, save_file

    path = directory / WEIGHTS_NAME
    halved = {
        name: weight.to(torch.bfloat16) if weight.is_floating_point() else weight
        for name, weight in load_file(path).items()
    }
    save_file(halved, path, metadata={"format": "pt"})
    config = json.loads((directory / CONFIG_NAME).read_text(encoding="utf-8"))
    write_json(directory / CONFIG_NAME, {**config, "dtype": "bfloat16"})


def export_openvino(directory: Path, precision: str, calibration: Sequence[Encoding]) -> None:
    """Add OpenVINO's two files, in int8 quantised with the activations of these texts.

    The weights of the original stay beside them, so that the directory still loads with transformers.
    """
    from runtime.backends.openvino import MODEL_NAME
    from runtime.backends.torch import read_config
    from train.bert_graph import bert_graph

    import openvino  # isort: skip - after the module that keeps it from reporting home

    model = bert_graph(read_config(directory), _weights(directory))
    if precision == "int8":
        model = _quantized(model, calibration)
    openvino.save_model(model, directory / MODEL_NAME, compress_to_fp16=precision != "fp32")


Exporter = Callable[[Path, str, Sequence[Encoding]], None]

EXPORTERS: dict[str, Exporter] = {
    "torch": export_torch,
    "openvino": export_openvino,
}
"""Backend → what turns a copy of the fp32 model directory into one for it, in the given precision.

The third argument holds texts of the training split, encoded, and is empty where the precision needs none.
"""


def _weights(directory: Path) -> dict[str, npt.NDArray[np.float32]]:
    from safetensors.torch import load_file

    return {name: weight.float().numpy() for name, weight in load_file(directory / WEIGHTS_NAME).items()}


def _quantized(model: Model, calibration: Sequence[Encoding]) -> Model:
    """Quantise weights and the inputs of linear layers to int8 with fixed scales (NNCF, SmoothQuant).

    Attention is left out: quantised it was slower, because OpenVINO converts back and forth around it.
    Fixed scales, unlike those taken from the batch, keep a text's scores apart from its neighbours'.
    """
    from runtime.backends.openvino import LIMITS_KEY, inputs_of

    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the path of what was made
        import nncf  # after the module that keeps OpenVINO from reporting home

        nncf.set_log_level(logging.WARNING)
        samples = [inputs_of(pad([encoding], pad_token_id=0)) for encoding in calibration]
        limits = model.get_rt_info(LIMITS_KEY).value
        quantized = nncf.quantize(
            model,
            nncf.Dataset(samples),
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(types=["ScaledDotProductAttention"]),
        )
        quantized.set_rt_info(limits, LIMITS_KEY)
        return quantized
