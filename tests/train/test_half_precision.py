from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from train import half_precision as module
from train.dropout import Dropout, drop
from train.half_precision import Classify, attend_by_products, compute, prepare

CPU = torch.device("cpu")


def model_of(
    dropout: float = 0.0, layers: int = 2, attention: float | None = None
) -> BertForSequenceClassification:
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout if attention is None else attention,
        initializer_range=0.2,
        num_labels=3,
    )
    return BertForSequenceClassification(shape)


def inputs(padded: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, types and mask of four rows, of which three end early."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (4, 16), generator=generator)
    lengths = torch.tensor([16, 9, 4, 1]) if padded else torch.full((4,), 16)
    return (
        ids,
        (torch.arange(16) > 7).long().expand(4, 16),
        (torch.arange(16)[None] < lengths[:, None]).long(),
    )


@pytest.mark.parametrize("padded", [False, True])
def test_logits_and_gradients_are_those_of_transformers(padded: bool) -> None:
    ids, types, mask = inputs(padded)
    one, other = model_of(), prepare(model_of(), CPU)
    expected = one(input_ids=ids, token_type_ids=types, attention_mask=mask).logits
    found = compute(Classify(other), torch.float32, ids, types, mask)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    expected.square().sum().backward()
    found.square().sum().backward()
    gradients = dict(other.named_parameters())
    for name, weight in one.named_parameters():
        torch.testing.assert_close(gradients[name].grad, weight.grad, atol=1e-5, rtol=1e-4, msg=name)
    assert len(gradients) > 35


def test_bf16_gives_nearly_the_same_logits() -> None:
    model = prepare(model_of(), CPU)
    exact, rounded = (
        compute(Classify(model), dtype, *inputs(padded=True)) for dtype in (torch.float32, torch.bfloat16)
    )
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.1, rtol=0.05)


def test_what_stands_behind_a_text_does_not_matter() -> None:
    model = prepare(model_of(), CPU)
    ids, types, mask = inputs(padded=True)
    other = torch.where(mask == 0, 9, ids)
    found = [compute(Classify(model), torch.bfloat16, one, types, mask) for one in (ids, other)]
    assert not torch.equal(ids, other)
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize("layers", [1, 3])
def test_the_last_layer_is_computed_where_it_is_read(layers: int) -> None:
    model = prepare(model_of(layers=layers), CPU)
    lengths: list[int] = []
    for layer in model.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda _, given, __: lengths.append(given[0].shape[1]))
    compute(Classify(model), torch.float32, *inputs(padded=False))
    assert lengths == [*[16] * (layers - 1), 1]


@pytest.mark.parametrize("layers", [1, 2])
def test_attention_alone_drops_out_in_every_layer_with_its_own_share(
    layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []

    def watched(values: torch.Tensor, share: float) -> torch.Tensor:
        shares.append(share)
        return drop(values, share)

    monkeypatch.setattr(module, "drop", watched)
    model = prepare(model_of(attention=0.4, layers=layers), CPU)
    one, other = (compute(Classify(model), torch.float32, *inputs(padded=False)) for _ in range(2))
    assert shares == [0.4] * layers * 2
    assert not torch.equal(one, other)


def test_on_other_devices_dropout_stays_that_of_pytorch() -> None:
    model = prepare(model_of(dropout=0.4), torch.device("meta"))
    assert {type(one) for one in model.modules() if isinstance(one, torch.nn.Dropout)} == {torch.nn.Dropout}


def test_dropout_is_that_of_the_model() -> None:
    model = prepare(model_of(dropout=0.4), CPU)
    assert {module.p for module in model.modules() if isinstance(module, Dropout)} == {0.4}
    one, other = (compute(Classify(model), torch.float32, *inputs(padded=False)) for _ in range(2))
    assert not torch.equal(one, other)
    model.eval()
    one, other = (compute(Classify(model), torch.float32, *inputs(padded=False)) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_by_products_is_attention(masked: bool) -> None:
    query, key, value = torch.randn(3, 2, 4, 7, 8).unbind(0)
    mask = torch.zeros(2, 1, 1, 7).masked_fill(torch.arange(7) > 4, -math.inf) if masked else None
    found, weights = attend_by_products(torch.nn.Identity(), query, key, value, mask, 8**-0.5)
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    assert weights is None


def test_attention_drops_out_in_training_alone() -> None:
    query, key, value = torch.randn(3, 2, 4, 7, 8).unbind(0)
    plain, dropped = (
        attend_by_products(torch.nn.Identity(), query, key, value, None, 0.3, dropout=share)[0]
        for share in (0.0, 0.5)
    )
    assert not torch.equal(plain, dropped)
