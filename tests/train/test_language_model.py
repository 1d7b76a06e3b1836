from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM

from train.data.masking import MaskedBatch
from train.half_precision import prepare
from train.language_model import (
    bag_of_words_loss,
    evaluate,
    guess,
    loss_and_hits,
    operations_per_token,
)

CPU = torch.device("cpu")


def model_of(**changes: object) -> BertForMaskedLM:
    torch.manual_seed(0)
    shape: dict[str, object] = {
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.2,
    }
    return BertForMaskedLM(BertConfig(**{**shape, **changes}))


def batch_of(seed: int = 0) -> MaskedBatch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (4, 16), generator=generator)
    return {
        "input_ids": ids,
        "places": torch.tensor([1, 5, 20, 63]),
        "targets": ids.flatten()[[1, 5, 20, 63]],
    }


def reference(model: BertForMaskedLM, batch: MaskedBatch) -> torch.Tensor:
    """Return what transformers computes for the hidden tokens."""
    return model(batch["input_ids"]).logits.flatten(0, 1)[batch["places"]]


def test_guesses_are_those_of_transformers() -> None:
    model, batch = model_of().eval(), batch_of()
    expected = reference(model, batch)
    prepare(model, CPU)
    torch.testing.assert_close(guess(model, batch, torch.float32)[0], expected, atol=2e-6, rtol=1e-5)


def test_gradients_are_those_of_transformers() -> None:
    batch = batch_of()
    one, other = model_of(), prepare(model_of(), CPU)
    functional.cross_entropy(reference(one, batch), batch["targets"]).backward()
    loss_and_hits(guess(other, batch, torch.float32)[0], batch["targets"])[0].backward()
    expected = {name: weight.grad for name, weight in one.named_parameters()}
    found = {name: weight.grad for name, weight in other.named_parameters()}
    assert len(expected) > 30
    for name, gradient in expected.items():
        if gradient is not None:
            torch.testing.assert_close(found[name], gradient, atol=2e-6, rtol=1e-4, msg=name)


def test_bf16_guesses_nearly_the_same_and_leaves_weights_and_gradients_in_float32() -> None:
    model, batch = prepare(model_of(), CPU), batch_of()
    exact, _ = guess(model, batch, torch.float32)
    rounded, _ = guess(model, batch, torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    assert functional.cosine_similarity(rounded.float(), exact, dim=-1).min() > 0.99
    loss_and_hits(rounded, batch["targets"])[0].backward()
    assert {weight.grad.dtype for weight in model.parameters() if weight.grad is not None} == {torch.float32}


def test_gradients_of_embeddings_are_summed_up_in_float32() -> None:
    """In bf16, hundreds of small gradients of a common token would be rounded away."""
    model = prepare(model_of(), CPU)
    ids = torch.full((8, 32), 7)
    batch: MaskedBatch = {"input_ids": ids, "places": torch.arange(8) * 32, "targets": torch.full((8,), 9)}
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        model.zero_grad()
        loss_and_hits(guess(model, batch, dtype)[0], batch["targets"])[0].backward()
        gradients.append(model.bert.embeddings.word_embeddings.weight.grad[7].clone())
    assert functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.98


def test_the_first_token_of_each_row_guesses_all_hidden_tokens_of_it() -> None:
    model, batch = prepare(model_of(), CPU), batch_of()
    _, row_logits = guess(model, batch, torch.float32)
    assert row_logits.shape == (4, 60)
    torch.testing.assert_close(row_logits, model(batch["input_ids"]).logits[:, 0], atol=2e-6, rtol=1e-5)
    # Places 1 and 5 lie in row 0, 20 in row 1, 63 in row 3; row 2 hides nothing.
    repeated = row_logits[[0, 0, 1, 3]]
    expected = functional.cross_entropy(repeated, batch["targets"])
    torch.testing.assert_close(bag_of_words_loss(row_logits, batch), expected)


def test_loss_and_hits_are_those_of_the_hidden_tokens() -> None:
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 9, 0]])
    loss, hits = loss_and_hits(logits, torch.tensor([0, 1, 2]))
    assert int(hits) == 2
    assert float(loss) == pytest.approx(float(functional.cross_entropy(logits, torch.tensor([0, 1, 2]))))


def test_evaluation_weighs_batches_by_their_guesses_and_changes_nothing() -> None:
    model = prepare(model_of(), CPU)
    small: MaskedBatch = {**batch_of(1), "places": torch.tensor([2]), "targets": torch.tensor([9])}
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = evaluate(model, [batch_of(), small], torch.float32)
    each = [evaluate(model, [batch], torch.float32) for batch in (batch_of(), small)]
    assert found["loss"] == pytest.approx((4 * each[0]["loss"] + each[1]["loss"]) / 5)
    assert 0 <= found["masked_accuracy"] <= 1
    assert model.training
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_nothing_to_evaluate_gives_no_number() -> None:
    assert math.isnan(evaluate(prepare(model_of(), CPU), [], torch.float32)["loss"])


def test_operations_are_six_per_weight_and_token_where_it_is_computed() -> None:
    config = BertConfig(
        vocab_size=8000, hidden_size=320, num_hidden_layers=4, num_attention_heads=5, intermediate_size=1280
    )
    attention = 4 * (3 * 320 * 320 + 2 * 128 * 320)
    output = 9 * 320 * 320
    head = 320 * 320 + 320 * 8000
    for masked in (0.0, 0.25):
        read = masked + 1 / 128
        expected = 6 * (attention + (3 + read) * output + read * head)
        assert operations_per_token(config, 128, masked) == pytest.approx(expected)


def test_the_last_layer_is_computed_where_it_is_read() -> None:
    model, batch = prepare(model_of(num_hidden_layers=3), CPU), batch_of()
    shapes: list[tuple[int, ...]] = []
    for layer in model.bert.encoder.layer:
        layer.intermediate.register_forward_hook(lambda _, given, __: shapes.append(tuple(given[0].shape)))
    guess(model, batch, torch.float32)
    assert shapes == [(4, 16, 32), (4, 16, 32), (4 + 4, 32)]
