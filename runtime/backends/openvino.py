"""Runs an exported BERT classifier with OpenVINO from its IR files; it knows no text and no architecture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# To import OpenVINO sends a report to its makers; without this package, it does not.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from runtime.backends import BackendOptions  # noqa: E402
from runtime.backends.checks import check_batch, check_logits  # noqa: E402
from runtime.backends.packing import pack  # noqa: E402
from runtime.errors import BackendError, EngineError  # noqa: E402
from runtime.files import is_encrypted, read_file, stored  # noqa: E402
from runtime.tokenizer import Batch  # noqa: E402

MODEL_NAME = "openvino_model.xml"
WEIGHTS_NAME = "openvino_model.bin"
LIMITS_KEY = "limits"
"""Where in the model's own metadata stand its vocabulary size and positions, as JSON."""

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""Precision of what is not quantised, on processors that have it. Attention in bf16 beside int8 products made
reviews 1.17 times faster than attention in fp32."""
_MASKED = np.float32(-1e9)


class OpenVinoBackend:
    """Runs an exported BERT classifier on the CPU in fp32, bf16 or int8.

    Parameters
    ----------
    directory : Path
        Holds `openvino_model.xml` and `openvino_model.bin`, as `python -m train export` writes them.
    options : BackendOptions
        `device` is "cpu" or "auto"; `threads` are those of one forward pass.

    Raises
    ------
    BackendError
        The files are missing or are no such model.
    ProtectionError
        The files are encrypted, and the key is missing or another one, or they were changed.
    """

    def __init__(self, directory: Path, options: BackendOptions) -> None:
        core = openvino.Core()
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._precision = "fp32" if options.precision == "bf16" and not has_bf16 else options.precision
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[self._precision] if has_bf16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        if options.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        try:
            model = _read_model(core, directory, options.key)
            limits = json.loads(model.get_rt_info(LIMITS_KEY).astype(str))
            self._vocab_size, self._positions = int(limits["vocab_size"]), int(limits["positions"])
            compiled = core.compile_model(model, "CPU", settings)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).strip().rpartition("\n")[2][:200]
            raise BackendError(
                f"{stored(directory, MODEL_NAME)} cannot be loaded ({reason}); "
                "export and save the model again."
            ) from error
        self._request = compiled.create_infer_request()
        self._threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))

    @property
    def compute(self) -> str:
        """What runs here: precision, device and threads."""
        version = openvino.__version__.partition("-")[0]
        return f"{self._precision} on cpu, {self._threads} threads (openvino {version})"

    def logits(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return float32 of shape (batch_size, num_labels).

        Raises
        ------
        EngineError
            A text has more tokens than there are positions, an id is beyond the vocabulary, the engine
            failed, or a logit is not finite.
        """
        check_batch(batch, positions=self._positions, vocab_size=self._vocab_size)
        try:
            found = self._request.infer(inputs_of(batch), share_inputs=True)
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2][:200]
            raise EngineError(f"OpenVINO failed ({reason}); compare the batch with the memory.") from error
        result: npt.NDArray[np.float32] = np.array(next(iter(found.values())), dtype=np.float32)
        return check_logits(result)


def inputs_of(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """Return the packed arrays by the names of the model's inputs; masks are added to the scores."""
    packed = pack(batch)
    return {
        "input_ids": packed.input_ids,
        "token_type_ids": packed.token_type_ids,
        "position_ids": packed.position_ids,
        "starts": packed.starts,
        "rows": packed.rows,
        "mask": _additive(packed.mask),
        "places": packed.places,
        "first_rows": packed.first_rows,
        "first_mask": _additive(packed.first_mask),
        "first_places": packed.first_places,
    }


def _read_model(core: openvino.Core, directory: Path, key: bytes | None) -> openvino.Model:
    """Let the engine map the files into memory, or decrypt them there."""
    if not any(is_encrypted(directory, name) for name in (MODEL_NAME, WEIGHTS_NAME)):
        return core.read_model(directory / MODEL_NAME)
    graph, weights = (read_file(directory, name, key) for name in (MODEL_NAME, WEIGHTS_NAME))
    return core.read_model(graph, openvino.Tensor(np.frombuffer(weights, dtype=np.uint8)))


def _additive(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.where(mask, np.float32(0), _MASKED)[:, None]
