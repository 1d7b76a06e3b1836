"""Each way to compute a part of BERT gives what the plain one gives: fused or not, masked or not."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch.nn import functional

from runtime.backends import torch_bert
from runtime.backends.packing import Packed, pack
from runtime.backends.torch_bert import Layout, Linear, is_fusable
from runtime.tokenizer import Encoding, pad


def tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("fusable", [True, False])
@pytest.mark.parametrize("activation", [None, "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_a_linear_layer_is_product_bias_and_activation(
    monkeypatch: pytest.MonkeyPatch, activation: str | None, tokens: int, fusable: bool
) -> None:
    if not fusable:
        monkeypatch.setattr(torch_bert, "is_fusable", lambda weight: False)
    weight, bias, hidden = tensors((24, 16), (24,), (tokens, 16))
    plain = {
        None: lambda x: x,
        "gelu": functional.gelu,
        "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
        "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "relu": functional.relu,
    }[activation]
    with torch.inference_mode():
        found = Linear(weight, bias, activation)(hidden)
        torch.testing.assert_close(found, plain(hidden @ weight.T + bias), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fusable", [True, False])
def test_what_is_added_is_added_to_the_result(monkeypatch: pytest.MonkeyPatch, fusable: bool) -> None:
    if not fusable:
        monkeypatch.setattr(torch_bert, "is_fusable", lambda weight: False)
    weight, bias, hidden, plus = tensors((24, 16), (24,), (5, 16), (5, 24))
    before = plus.clone()
    with torch.inference_mode():
        found = Linear(weight, bias)(hidden, plus=plus)
    torch.testing.assert_close(found, hidden @ weight.T + bias + before, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(plus, before)


def test_a_bias_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(24, 16\) has a bias of \(23,\)"):
        Linear(*tensors((24, 16), (23,)))


def test_weights_of_another_device_are_not_fused() -> None:
    assert not is_fusable(torch.empty(2, 2, device="meta"))


@pytest.mark.parametrize("masked", [True, False])
def test_attention_in_bf16_is_that_of_fp32_rounded(masked: bool) -> None:
    query, key, value = (
        one.to(torch.bfloat16) for one in tensors((2, 3, 8, 16), (2, 3, 8, 16), (2, 3, 8, 16))
    )
    mask = torch.eye(8, dtype=torch.bool).expand(2, 8, 8) if masked else None
    half = torch_bert._attention(query, key, value, mask)
    full = torch_bert._attention(query.float(), key.float(), value.float(), mask)
    assert half.dtype is torch.bfloat16
    assert half.shape == (16, 48)
    torch.testing.assert_close(half.float(), full, atol=0.03, rtol=0.03)
    if masked:
        torch.testing.assert_close(full, value.float().transpose(1, 2).reshape(16, 48))


def test_a_layout_holds_every_array_and_where_texts_end() -> None:
    packed = pack(pad([Encoding([5] * length, [0] * length, truncated=False) for length in (3, 9, 4)], 0))
    layout = Layout.of(packed, torch.device("cpu"))
    for field in fields(Packed):
        np.testing.assert_array_equal(getattr(layout, field.name).numpy(), getattr(packed, field.name))
    assert layout.cumulative.tolist() == [0, 3, 12, 16]
    assert layout.cumulative.dtype is torch.int32
    assert (layout.longest, layout.is_padding_free) == (9, False)
