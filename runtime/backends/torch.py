"""Runs a stored BERT classifier with PyTorch from `config.json` and `model.safetensors`; it knows no text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load, load_file

from runtime.backends import BackendOptions
from runtime.backends.checks import check_batch, check_logits
from runtime.backends.packing import pack
from runtime.backends.torch_bert import Bert, Layout, Linear, Weights
from runtime.errors import BackendError, EngineError, ProtectionError
from runtime.files import is_encrypted, read_file, stored
from runtime.tokenizer import Batch

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_TRIALS = 10
_WEIGHTS_NAME = "model.safetensors"


class BertConfig(BaseModel):
    """The fields of `config.json` that the forward pass needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: Literal["bert"]
    hidden_size: int
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int
    max_position_embeddings: int
    hidden_act: Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"] = "gelu"
    layer_norm_eps: float = 1e-12
    position_embedding_type: Literal["absolute"] = "absolute"


class TorchBackend:
    """Runs a stored BERT classifier on the CPU or a GPU in fp32 or bf16.

    Parameters
    ----------
    directory : Path
        Holds `config.json` and `model.safetensors`.
    options : BackendOptions
        `device` is a PyTorch device name or "auto"; `threads` sets PyTorch's intra-op threads for the
        whole process.

    Raises
    ------
    BackendError
        The files are missing or do not describe a BERT classifier, or the device is not there.
    ProtectionError
        The weights are encrypted, and the key is missing or another one, or they were changed.
    """

    def __init__(self, directory: Path, options: BackendOptions) -> None:
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self.config = read_config(directory)
        self.device = _device(options.device)
        weights = _read_weights(directory, options.key)
        self._dtype = _DTYPES[options.precision]
        if self._dtype is torch.bfloat16 and not _is_bf16_fast(self.config, self.device):
            self._dtype = torch.float32
        try:
            self._vocab_size = len(weights["bert.embeddings.word_embeddings.weight"])
            self._model = Bert(self.config, _placed(weights, self.device, self._dtype))
        except (KeyError, TypeError) as error:
            raise BackendError(
                f"{directory} has no weight {error}; serve models saved from BertForSequenceClassification."
            ) from error
        except (ValueError, RuntimeError) as error:
            raise BackendError(
                f"the weights of {directory} do not fit each other ({error}); save the model again."
            ) from error

    @property
    def compute(self) -> str:
        """What runs here: precision, device and threads."""
        precision = next(name for name, dtype in _DTYPES.items() if dtype is self._dtype)
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return f"{precision} on {self.device}{threads} (torch {torch.__version__})"

    @torch.inference_mode()
    def logits(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return float32 of shape (batch_size, num_labels).

        Raises
        ------
        EngineError
            A text has more tokens than there are positions, an id is beyond the vocabulary, the weights do
            not fit each other or the memory, or a logit is not finite.
        """
        check_batch(batch, positions=self.config.max_position_embeddings, vocab_size=self._vocab_size)
        try:
            found = self._model(Layout.of(pack(batch), self.device))
            result: npt.NDArray[np.float32] = found.float().cpu().numpy()
        except (RuntimeError, IndexError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise EngineError(
                f"PyTorch failed ({reason}); compare config.json with the weights, and the batch with memory."
            ) from error
        return check_logits(result)


def read_config(directory: Path) -> BertConfig:
    """Read `config.json` of a model directory.

    Raises
    ------
    BackendError
        It cannot be read or describes no BERT.
    """
    path = directory / "config.json"
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))
        return BertConfig.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise BackendError(
            f"{path}: {'.'.join(map(str, problem['loc']))} is {problem['input']!r} ({problem['msg']}); "
            "the torch backend serves models of type 'bert'."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BackendError(f"{path} cannot be read ({error}); save the model again.") from error


def _read_weights(directory: Path, key: bytes | None) -> Weights:
    """Map the file into memory, or decrypt it there."""
    path = stored(directory, _WEIGHTS_NAME)
    try:
        if is_encrypted(directory, _WEIGHTS_NAME):
            return load(read_file(directory, _WEIGHTS_NAME, key))
        return load_file(path)
    except ProtectionError:
        raise
    except Exception as error:  # safetensors raises its own Rust exception type as well as OSError
        raise BackendError(f"{path} cannot be read ({error}); save the model again.") from error


def _placed(weights: Weights, device: torch.device, dtype: torch.dtype) -> Weights:
    return {name: weight.to(device, dtype) for name, weight in weights.items()}


def _is_bf16_fast(config: BertConfig, device: torch.device) -> bool:
    """Tell whether this machine multiplies matrices faster in bf16: without such units it takes much longer.

    A processor is asked by trying, the shortest of a few products each; GPUs of the last years all have them.
    """
    if device.type != "cpu":
        return True
    width = config.hidden_size
    seconds: dict[torch.dtype, list[float]] = {dtype: [] for dtype in _DTYPES.values()}
    try:
        with torch.inference_mode():
            linears = {dtype: _upward(width, dtype) for dtype in seconds}
            for _ in range(_TRIALS):  # in turn, so that what else the machine does slows both
                for dtype, linear in linears.items():
                    seconds[dtype].append(_seconds(linear, torch.ones(128, width, dtype=dtype)))
    except RuntimeError:  # oneDNN has no bf16 for this processor
        return False
    return min(seconds[torch.bfloat16]) < min(seconds[torch.float32])


def _upward(width: int, dtype: torch.dtype) -> Linear:
    return Linear(torch.ones(4 * width, width, dtype=dtype), torch.ones(4 * width, dtype=dtype))


def _seconds(linear: Linear, hidden: torch.Tensor) -> float:
    started = time.perf_counter()
    linear(hidden)
    return time.perf_counter() - started


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BackendError(f"device {name!r} is unknown; give cpu, cuda, cuda:N or auto.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BackendError(
            f"device {name!r} is not there ({torch.cuda.device_count()} GPUs seen); give cpu or auto."
        )
    return device
