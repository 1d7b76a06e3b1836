"""BERT's arithmetic in training: bf16 over weights in float32, or float32 alone; it knows no loss.

For bf16 every weight is copied once a step and the whole encoder computes on the copies, in bf16 from its
first layer on. On a CPU that takes half the time of autocast, which converts between layers and does softmax
and LayerNorm in float32. Embeddings are looked up, and their gradients summed up, in float32: in bf16 the
many small gradients of a common token would be rounded away.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import AttentionInterface, PreTrainedModel

from train.dropout import drop, replace_dropout

PRODUCTS = "batched_products"
_EMBEDDINGS = "model.bert.embeddings."

Model = TypeVar("Model", bound=PreTrainedModel)


def attend_by_products(
    module: nn.Module,  # noqa: ARG001 - the signature that transformers calls
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    """Attend with two batched matrix products, each tensor of shape (rows, heads, row_length, width).

    On CPUs in bf16 forward and backward pass take half the time of PyTorch's fused attention. Dropout is
    that of `train.dropout`.
    """
    scores = torch.matmul(query * scaling, key.transpose(-1, -2))
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = drop(scores.softmax(dim=-1), dropout)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


def prepare(model: Model, device: torch.device) -> Model:
    """Choose attention and dropout that are fastest on the device, and return the model there."""
    AttentionInterface.register(PRODUCTS, attend_by_products)
    is_cpu = device.type == "cpu"
    model.set_attn_implementation(PRODUCTS if is_cpu else "sdpa")
    if is_cpu:
        replace_dropout(model)
    model.to(device)  # type: ignore[arg-type]
    return model


def compute(task: nn.Module, dtype: torch.dtype, *arguments: Tensor | None) -> Tensor:
    """Return `task(dtype, *arguments)`, with copies in `dtype` of all weights but those of the embeddings.

    Parameters
    ----------
    task : nn.Module
        Its field `model` is a BERT with a head, and its `forward` casts what the embeddings give to `dtype`.
    dtype : torch.dtype
    *arguments : Tensor or None
    """
    weights = {
        name: weight if name.startswith(_EMBEDDINGS) else weight.to(dtype)
        for name, weight in task.named_parameters(remove_duplicate=False)
    }
    found: Tensor = functional_call(task, weights, (dtype, *arguments), tie_weights=False)
    return found


class Classify(nn.Module):
    """Logits of a BERT with a classifier on top, for `compute`; `prepare` has seen the model, on a CPU.

    The last layer computes the row of `[CLS]` alone, the only one that the pooler reads: of a model of four
    layers that saves a fifth of the operations.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, dtype: torch.dtype, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor
    ) -> Tensor:
        """Return logits of shape (rows, num_labels); all arguments have the shape (rows, row_length)."""
        bert: Any = self.model.bert
        hidden = bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids).to(dtype)
        mask = None if bool(attention_mask.all()) else _additive(attention_mask, dtype)
        *layers, last = bert.encoder.layer
        for layer in layers:
            hidden = layer(hidden, mask)
        model: Any = self.model
        logits: Tensor = model.classifier(model.dropout(bert.pooler(_first_tokens(last, hidden, mask))))
        return logits


def _first_tokens(layer: Any, hidden: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ANN401 - a BertLayer
    """Compute a layer for the first token of each row: (rows, row_length, width) → (rows, 1, width)."""
    attention, first = layer.attention.self, hidden[:, :1]

    def heads(values: Tensor) -> Tensor:
        return values.view(*values.shape[:2], attention.num_attention_heads, -1).transpose(1, 2)

    attended, _ = attend_by_products(
        attention,
        heads(attention.query(first)),
        heads(attention.key(hidden)),
        heads(attention.value(hidden)),
        mask,
        attention.scaling,
        attention.dropout.p if attention.training else 0.0,
    )
    found: Tensor = layer.feed_forward_chunk(layer.attention.output(attended.flatten(2), first))
    return found


def _additive(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    hidden = attention_mask[:, None, None, :] == 0
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)
