"""BERT's forward pass as an OpenVINO model over packed tokens; it knows no engine's settings and no text.

The same computation as `runtime.backends.torch_bert`, built operation by operation from the stored weights:
a traced model would pad, and compute the last layer for tokens that nobody reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Model, Node, Type
from openvino import opset15 as ops

from runtime.backends.openvino import LIMITS_KEY
from runtime.backends.torch_bert import Config

Array = npt.NDArray[Any]


_INPUTS: dict[str, tuple[list[int], Type]] = {
    "input_ids": ([-1], Type.i32),
    "token_type_ids": ([-1], Type.i32),
    "position_ids": ([-1], Type.i32),
    "starts": ([-1], Type.i32),
    "rows": ([-1, -1], Type.i32),
    "mask": ([-1, 1, -1, -1], Type.f32),
    "places": ([-1], Type.i32),
    "first_rows": ([-1, -1], Type.i32),
    "first_mask": ([-1, 1, -1, -1], Type.f32),
    "first_places": ([-1], Type.i32),
}
"""Name → shape and type: the fields of `runtime.backends.packing.Packed`, masks to be added to the scores."""


def bert_graph(config: Config, weights: Mapping[str, Array]) -> Model:
    """Return the model: the arrays of `Packed` in, logits of shape (batch_size, num_labels) out.

    Parameters
    ----------
    config : Config
    weights : mapping of str to float32 array
        By the names of `BertForSequenceClassification`.

    Raises
    ------
    KeyError
        A weight is missing.
    """
    inputs = {name: ops.parameter(shape, kind, name=name) for name, (shape, kind) in _INPUTS.items()}
    logits = _Graph(config, weights, inputs).logits()
    model = Model([ops.result(logits, name="logits")], list(inputs.values()), "bert")
    words = weights["bert.embeddings.word_embeddings.weight"]
    positions = weights["bert.embeddings.position_embeddings.weight"]
    model.set_rt_info(json.dumps({"vocab_size": len(words), "positions": len(positions)}), LIMITS_KEY)
    return model


class _Graph:
    def __init__(self, config: Config, weights: Mapping[str, Array], inputs: Mapping[str, Node]) -> None:
        self._config = config
        self._weights = weights
        self._inputs = inputs
        self._width = weights["bert.embeddings.word_embeddings.weight"].shape[1]

    def logits(self) -> Node:
        hidden = self._norm(self._embedded(), "bert.embeddings.LayerNorm")
        last = self._config.num_hidden_layers - 1
        for index in range(last):
            hidden = self._layer(hidden, f"bert.encoder.layer.{index}")
        first = self._last_layer(hidden, f"bert.encoder.layer.{last}")
        pooled = ops.tanh(self._linear(first, "bert.pooler.dense"))
        return self._linear(pooled, "classifier")

    def _embedded(self) -> Node:
        words, types, positions = (
            _taken(_constant(self._weights[f"bert.embeddings.{table}_embeddings.weight"]), self._inputs[ids])
            for table, ids in (
                ("word", "input_ids"),
                ("token_type", "token_type_ids"),
                ("position", "position_ids"),
            )
        )
        return ops.add(ops.add(words, types), positions)

    def _layer(self, hidden: Node, prefix: str) -> Node:
        """(tokens, hidden_size) → the same."""
        query, key, value = (
            self._heads(self._linear(hidden, f"{prefix}.attention.self.{name}"), "rows")
            for name in ("query", "key", "value")
        )
        mixed = self._attention(query, key, value, "mask")
        return self._feed_forward(_taken(mixed, self._inputs["places"]), hidden, prefix)

    def _last_layer(self, hidden: Node, prefix: str) -> Node:
        """(tokens, hidden_size) → (batch_size, hidden_size), that of each text's first token."""
        first = _taken(hidden, self._inputs["starts"])
        query = self._heads(self._linear(first, f"{prefix}.attention.self.query"), "first_rows")
        key, value = (
            self._heads(self._linear(hidden, f"{prefix}.attention.self.{name}"), "rows")
            for name in ("key", "value")
        )
        mixed = self._attention(query, key, value, "first_mask")
        return self._feed_forward(_taken(mixed, self._inputs["first_places"]), first, prefix)

    def _attention(self, query: Node, key: Node, value: Node, mask: str) -> Node:
        """(num_rows, heads, n, head size) → (num_rows · n, hidden_size)."""
        mixed = ops.scaled_dot_product_attention(query, key, value, self._inputs[mask])
        return ops.reshape(ops.transpose(mixed, _indices(0, 2, 1, 3)), _indices(-1, self._width), False)

    def _heads(self, tokens: Node, rows: str) -> Node:
        """(tokens, hidden_size) → (num_rows, heads, n, head size)."""
        heads = self._config.num_attention_heads
        shape = _indices(0, 0, heads, self._width // heads)
        seated = ops.reshape(_taken(tokens, self._inputs[rows]), shape, True)
        return ops.transpose(seated, _indices(0, 2, 1, 3))

    def _feed_forward(self, mixed: Node, hidden: Node, prefix: str) -> Node:
        projected = self._linear(mixed, f"{prefix}.attention.output.dense")
        attended = self._norm(ops.add(projected, hidden), f"{prefix}.attention.output.LayerNorm")
        up = self._activated(self._linear(attended, f"{prefix}.intermediate.dense"))
        down = self._linear(up, f"{prefix}.output.dense")
        return self._norm(ops.add(down, attended), f"{prefix}.output.LayerNorm")

    def _activated(self, hidden: Node) -> Node:
        if self._config.hidden_act == "relu":
            return ops.relu(hidden)
        return ops.gelu(hidden, "erf" if self._config.hidden_act == "gelu" else "tanh")

    def _linear(self, hidden: Node, name: str) -> Node:
        product = ops.matmul(hidden, _constant(self._weights[f"{name}.weight"]), False, True, name=name)
        return ops.add(product, _constant(self._weights[f"{name}.bias"][None]))

    def _norm(self, hidden: Node, name: str) -> Node:
        normal = ops.mvn(hidden, _indices(-1), True, self._config.layer_norm_eps, "inside_sqrt")
        scaled = ops.multiply(normal, _constant(self._weights[f"{name}.weight"][None]))
        return ops.add(scaled, _constant(self._weights[f"{name}.bias"][None]))


def _taken(table: Node, indices: Node) -> Node:
    """Take rows of a table by their indices, along the first axis."""
    return ops.gather(table, indices, ops.constant(np.int32(0)))


def _constant(array: Array) -> Node:
    return ops.constant(np.ascontiguousarray(array, dtype=np.float32))


def _indices(*values: int) -> Node:
    return ops.constant(np.array(values, np.int32))
