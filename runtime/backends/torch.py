"""BERT's forward pass in PyTorch from `config.json` and `model.safetensors`; it knows no text.

Architecture and weight names: Devlin et al., arXiv 1810.04805, as stored by `BertForSequenceClassification`.
Three things differ from the reference, none in the result: query, key and value are one matrix product, a
batch without padding runs without a mask, and the last layer computes only the row of `[CLS]`, the only one
that the pooler reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from runtime.backends import BackendOptions
from runtime.errors import BackendError, EngineError
from runtime.tokenizer import Batch

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Weights = dict[str, Tensor]


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
    """

    def __init__(self, directory: Path, options: BackendOptions) -> None:
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self.config = _read_config(directory)
        self.device = _device(options.device)
        weights = _read_weights(directory / "model.safetensors")
        try:
            self._model = _Bert(self.config, _placed(weights, self.device, _DTYPES[options.precision]))
            self._vocab_size = len(weights["bert.embeddings.word_embeddings.weight"])
        except (KeyError, TypeError) as error:
            raise BackendError(
                f"{directory} has no weight {error}; serve models saved from BertForSequenceClassification."
            ) from error

    @torch.inference_mode()
    def logits(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return float32 of shape (batch_size, num_labels).

        Raises
        ------
        EngineError
            A text has more tokens than there are positions, an id is beyond the vocabulary, the weights do
            not fit each other or the memory, or a logit is not finite.
        """
        self._check(batch)
        found = self._forward(batch)
        result: npt.NDArray[np.float32] = found.float().cpu().numpy()
        if not np.isfinite(result).all():
            raise EngineError(
                "the model gave a logit that is not a finite number; check its weights and precision."
            )
        return result

    def _forward(self, batch: Batch) -> Tensor:
        try:
            return self._model(
                torch.from_numpy(batch.input_ids).to(self.device),
                torch.from_numpy(batch.token_type_ids).to(self.device),
                None
                if batch.attention_mask.all()
                else torch.from_numpy(batch.attention_mask).to(self.device),
            )
        except (RuntimeError, IndexError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise EngineError(
                f"PyTorch failed ({reason}); compare config.json with the weights, and the batch with memory."
            ) from error

    def _check(self, batch: Batch) -> None:
        """Refuse what would read past an embedding table, which on a GPU ends the process."""
        length, positions = batch.input_ids.shape[1], self.config.max_position_embeddings
        if length > positions:
            raise EngineError(
                f"a text has {length} tokens, the weights have {positions} positions; lower max_length."
            )
        largest = int(batch.input_ids.max(initial=0))
        if largest >= self._vocab_size:
            raise EngineError(
                f"token id {largest} is beyond the {self._vocab_size} embeddings; save the model again."
            )


class _Bert:
    """Embeddings, encoder layers, pooler and classifier over a table of weights by their stored names."""

    def __init__(self, config: BertConfig, weights: Weights) -> None:
        self._embeddings = {name: weights[f"bert.embeddings.{name}.weight"] for name in _EMBEDDINGS}
        self._norm = _LayerNorm(weights, "bert.embeddings.LayerNorm", config.layer_norm_eps)
        self._layers = [_Layer(config, weights, index) for index in range(config.num_hidden_layers)]
        self._pooler = _Linear(weights, "bert.pooler.dense")
        self._classifier = _Linear(weights, "classifier")

    def __call__(self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        words = functional.embedding(input_ids, self._embeddings["word_embeddings"])
        types = functional.embedding(token_type_ids, self._embeddings["token_type_embeddings"])
        positions = self._embeddings["position_embeddings"][: input_ids.shape[1]]
        hidden = self._norm(words + types + positions)
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        for layer in self._layers[:-1]:
            hidden = layer(hidden, hidden, mask)
        first = self._layers[-1](hidden[:, :1], hidden, mask)[:, 0]
        return self._classifier(torch.tanh(self._pooler(first)))


_EMBEDDINGS = ("word_embeddings", "token_type_embeddings", "position_embeddings")


class _Layer:
    """One encoder layer: self-attention and feed-forward, each followed by residual and layer norm."""

    def __init__(self, config: BertConfig, weights: Weights, index: int) -> None:
        prefix = f"bert.encoder.layer.{index}"
        names = [f"{prefix}.attention.self.{name}" for name in ("query", "key", "value")]
        self._heads = config.num_attention_heads
        self._weight = torch.cat([weights[f"{name}.weight"] for name in names])
        self._bias = torch.cat([weights[f"{name}.bias"] for name in names])
        self._project = _Linear(weights, f"{prefix}.attention.output.dense")
        self._attention_norm = _LayerNorm(
            weights, f"{prefix}.attention.output.LayerNorm", config.layer_norm_eps
        )
        self._up = _Linear(weights, f"{prefix}.intermediate.dense")
        self._down = _Linear(weights, f"{prefix}.output.dense")
        self._norm = _LayerNorm(weights, f"{prefix}.output.LayerNorm", config.layer_norm_eps)
        self._activation = _ACTIVATIONS[config.hidden_act]

    def __call__(self, rows: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the layer for `rows` (batch, n, hidden), attending to `hidden` (batch, seq, hidden)."""
        attended = self._attention_norm(self._project(self._attend(rows, hidden, mask)) + rows)
        return self._norm(self._down(self._activation(self._up(attended))) + attended)

    def _attend(self, rows: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        width = hidden.shape[-1]
        if rows is hidden:
            query, key, value = functional.linear(hidden, self._weight, self._bias).chunk(3, dim=-1)
        else:
            query = functional.linear(rows, self._weight[:width], self._bias[:width])
            key, value = functional.linear(hidden, self._weight[width:], self._bias[width:]).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value), attn_mask=mask
        )
        return mixed.transpose(1, 2).flatten(2)

    def _split(self, tensor: Tensor) -> Tensor:
        """(batch, n, hidden) → (batch, heads, n, hidden / heads)."""
        return tensor.view(*tensor.shape[:2], self._heads, -1).transpose(1, 2)


class _Linear:
    def __init__(self, weights: Weights, name: str) -> None:
        self._weight, self._bias = weights[f"{name}.weight"], weights[f"{name}.bias"]

    def __call__(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self._weight, self._bias)


class _LayerNorm:
    def __init__(self, weights: Weights, name: str, eps: float) -> None:
        self._weight, self._bias, self._eps = weights[f"{name}.weight"], weights[f"{name}.bias"], eps

    def __call__(self, hidden: Tensor) -> Tensor:
        return functional.layer_norm(hidden, self._weight.shape, self._weight, self._bias, self._eps)


def _read_config(directory: Path) -> BertConfig:
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


def _read_weights(path: Path) -> Weights:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own Rust exception type as well as OSError
        raise BackendError(f"{path} cannot be read ({error}); save the model again.") from error


def _placed(weights: Weights, device: torch.device, dtype: torch.dtype) -> Weights:
    return {name: weight.to(device, dtype) for name, weight in weights.items()}


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
