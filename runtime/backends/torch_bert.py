"""BERT's forward pass in PyTorch over packed tokens; it knows no file and no text.

Architecture: Devlin et al., arXiv 1810.04805. Four things differ from the reference, none in the result: no
padding is computed, query, key and value are one matrix product, the last layer computes only the row of
`[CLS]`, the only one that the pooler reads, and on x86 processors the linear layers are those of oneDNN with
weights in its own layout, activation and residual fused into the product.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Protocol, Self, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from runtime.backends.packing import Packed

Weights = dict[str, Tensor]
EMBEDDINGS = ("word_embeddings", "token_type_embeddings", "position_embeddings")

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
}
_FUSED: dict[str | None, tuple[str, list[float], str]] = {
    None: ("none", [], ""),
    "gelu": ("gelu", [], "none"),
    "gelu_new": ("gelu", [], "tanh"),
    "gelu_pytorch_tanh": ("gelu", [], "tanh"),
    "relu": ("relu", [], ""),
}
_TYPICAL_TOKENS = 256
"""oneDNN chooses its layout for this many rows; others run with the same."""


class Config(Protocol):
    """The fields of `config.json` that the forward pass needs."""

    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def hidden_act(self) -> str: ...
    @property
    def layer_norm_eps(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays of `Packed` as tensors on the device; `longest` in tokens, `cumulative` has one more."""

    input_ids: Tensor
    token_type_ids: Tensor
    position_ids: Tensor
    starts: Tensor
    rows: Tensor
    mask: Tensor
    places: Tensor
    first_rows: Tensor
    first_mask: Tensor
    first_places: Tensor
    cumulative: Tensor
    longest: int
    is_padding_free: bool

    @classmethod
    def of(cls, packed: Packed, device: torch.device) -> Self:
        """Copy to the device; to a GPU from page-locked memory, without waiting for each array."""
        ends = np.append(packed.starts, packed.input_ids.size).astype(np.int32)
        arrays = {field.name: getattr(packed, field.name) for field in fields(Packed)} | {"cumulative": ends}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if device.type == "cuda":
            tensors = {
                name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()
            }
        return cls(**tensors, longest=packed.rows.shape[1], is_padding_free=packed.is_padding_free)


class Bert:
    """Embeddings, encoder layers, pooler and classifier over a table of weights by their stored names.

    Parameters
    ----------
    config : Config
    weights : dict of str to Tensor
        On their device and in the precision to compute in; emptied as they are put into layout.
    """

    def __init__(self, config: Config, weights: Weights) -> None:
        self._embeddings = [weights.pop(f"bert.embeddings.{name}.weight") for name in EMBEDDINGS]
        self._norm = _LayerNorm(weights, "bert.embeddings.LayerNorm", config.layer_norm_eps)
        self._layers = [_Layer(config, weights, index) for index in range(config.num_hidden_layers)]
        self._pooler = Linear(*_taken(weights, "bert.pooler.dense"))
        self._classifier = Linear(*_taken(weights, "classifier"))

    def __call__(self, layout: Layout) -> Tensor:
        """Return logits of shape (batch_size, num_labels)."""
        ids = (layout.input_ids, layout.token_type_ids, layout.position_ids)
        words, types, positions = map(functional.embedding, ids, self._embeddings)
        hidden = self._norm(words + types + positions)
        for layer in self._layers[:-1]:
            hidden = layer(hidden, layout)
        first = self._layers[-1].first(hidden, layout)
        return self._classifier(torch.tanh(self._pooler(first)))


class _Layer:
    """One encoder layer: self-attention and feed-forward, each followed by residual and layer norm."""

    def __init__(self, config: Config, weights: Weights, index: int) -> None:
        prefix = f"bert.encoder.layer.{index}"
        query, key, value = (
            _taken(weights, f"{prefix}.attention.self.{name}") for name in ("query", "key", "value")
        )
        self._heads = config.num_attention_heads
        if index < config.num_hidden_layers - 1:
            self._projections = Linear(*_stacked(query, key, value))
        else:
            self._query, self._key_value = Linear(*query), Linear(*_stacked(key, value))
        self._project = Linear(*_taken(weights, f"{prefix}.attention.output.dense"))
        self._attention_norm = _LayerNorm(
            weights, f"{prefix}.attention.output.LayerNorm", config.layer_norm_eps
        )
        self._up = Linear(*_taken(weights, f"{prefix}.intermediate.dense"), activation=config.hidden_act)
        self._down = Linear(*_taken(weights, f"{prefix}.output.dense"))
        self._norm = _LayerNorm(weights, f"{prefix}.output.LayerNorm", config.layer_norm_eps)

    def __call__(self, hidden: Tensor, layout: Layout) -> Tensor:
        """Compute the layer for all tokens: (tokens, hidden_size) → the same."""
        query, key, value = self._projections(hidden).chunk(3, dim=-1)
        return self._feed_forward(self._attend(query, key, value, layout), hidden)

    def first(self, hidden: Tensor, layout: Layout) -> Tensor:
        """Compute the layer for the first token of each text: (tokens, width) → (batch_size, width)."""
        rows = hidden.index_select(0, layout.starts)
        query = self._query(rows)
        key, value = self._key_value(hidden).chunk(2, dim=-1)
        mixed = _attention(
            self._seated(query, layout.first_rows),
            self._seated(key, layout.rows),
            self._seated(value, layout.rows),
            None if layout.is_padding_free else layout.first_mask,
        )
        return self._feed_forward(mixed.index_select(0, layout.first_places), rows)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
        if query.is_cuda and query.dtype is torch.bfloat16:
            return self._attend_varlen(query, key, value, layout)
        rows = layout.rows
        if layout.is_padding_free:
            query, key, value = (self._split(one.reshape(*rows.shape, -1)) for one in (query, key, value))
            return _attention(query, key, value, None)
        query, key, value = (self._seated(one, rows) for one in (query, key, value))
        return _attention(query, key, value, layout.mask).index_select(0, layout.places)

    def _attend_varlen(self, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
        """FlashAttention over texts of their own lengths, on GPUs alone (Dao, arXiv 2307.08691)."""
        from torch.nn.attention.varlen import varlen_attn

        query, key, value = (one.reshape(len(one), self._heads, -1) for one in (query, key, value))
        ends, longest = layout.cumulative, layout.longest
        mixed = cast(Tensor, varlen_attn(query, key, value, ends, ends, longest, longest))
        return mixed.flatten(1)

    def _feed_forward(self, mixed: Tensor, hidden: Tensor) -> Tensor:
        attended = self._attention_norm(self._project(mixed, plus=hidden))
        return self._norm(self._down(self._up(attended), plus=attended))

    def _seated(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """(tokens, hidden_size) → (num_rows, heads, width, hidden_size / heads)."""
        return self._split(tokens.index_select(0, rows.flatten()).view(*rows.shape, -1))

    def _split(self, rows: Tensor) -> Tensor:
        return rows.view(*rows.shape[:2], self._heads, -1).transpose(1, 2)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend within rows; returns (num_rows · queries of a row, hidden_size).

    On the CPU two batched products in bf16 take 0.4 of the time of PyTorch's fused attention, which in bf16
    falls back to slow kernels there; in fp32 the fused one is faster.
    """
    mask = None if mask is None else mask[:, None]
    if query.dtype is torch.bfloat16 and query.device.type == "cpu":
        scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2))
        if mask is not None:
            scores.masked_fill_(~mask, float("-inf"))
        mixed = torch.matmul(scores.softmax(dim=-1), value)
    else:
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2).flatten(0, 1)


class Linear:
    """A linear layer with an activation, or with another tensor added to its result."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: str | None = None) -> None:
        if bias.shape != weight.shape[:1]:  # oneDNN would read past the shorter one
            raise ValueError(f"a weight of shape {tuple(weight.shape)} has a bias of {tuple(bias.shape)}")
        self._fused = is_fusable(weight)
        self._bias = bias
        self._activation = activation
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _TYPICAL_TOKENS)  # noqa: SLF001
            if self._fused
            else weight
        )

    def __call__(self, hidden: Tensor, plus: Tensor | None = None) -> Tensor:
        """(n, in) → (n, out)."""
        if not self._fused:
            found = functional.linear(hidden, self._weight, self._bias)
            found = _ACTIVATIONS[self._activation](found) if self._activation else found
            return found if plus is None else found + plus
        operator = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
        if plus is None:
            fused: Tensor = operator(hidden, self._weight, self._bias, *_FUSED[self._activation])
        else:
            fused = operator.binary(hidden, plus, self._weight, self._bias, "add")
        return fused


def is_fusable(weight: Tensor) -> bool:
    """Tell whether oneDNN's fused linear layers exist for this weight: on x86 processors they do."""
    return (
        weight.device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and platform.machine().lower() in {"x86_64", "amd64"}
    )


class _LayerNorm:
    def __init__(self, weights: Weights, name: str, eps: float) -> None:
        self._weight, self._bias = _taken(weights, name)
        self._eps = eps

    def __call__(self, hidden: Tensor) -> Tensor:
        return functional.layer_norm(hidden, self._weight.shape, self._weight, self._bias, self._eps)


def _taken(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    """Take weight and bias out of the table, so that memory holds them once."""
    return weights.pop(f"{name}.weight"), weights.pop(f"{name}.bias")


def _stacked(*parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])
