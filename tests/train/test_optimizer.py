from __future__ import annotations

import copy

import pytest
import torch
from torch.optim import AdamW, Muon
from transformers import BertConfig, BertForMaskedLM

from train.optimizer import MuonAndAdamW, adamw


def model_of() -> BertForMaskedLM:
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return BertForMaskedLM(shape)


def optimizer_of(model: BertForMaskedLM) -> MuonAndAdamW:
    return MuonAndAdamW(model, matrix_rate=1e-2, other_rate=1e-3, weight_decay=0.1)


def set_gradients(model: BertForMaskedLM, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)


def test_each_parameter_is_stepped_once_by_its_optimizer() -> None:
    model = model_of()
    before = copy.deepcopy(model)
    set_gradients(model, 1)
    set_gradients(before, 1)
    optimizer_of(model).step()
    reference = dict(before.named_parameters())
    matrices = {
        name: weight for name, weight in reference.items() if ".layer.0." in name and weight.dim() == 2
    }
    rest = {name: weight for name, weight in reference.items() if name not in matrices}
    Muon(matrices.values(), lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw").step()
    AdamW((w for w in rest.values() if w.dim() > 1), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.1).step()
    AdamW((w for w in rest.values() if w.dim() == 1), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0).step()
    assert len(matrices) == 6
    assert len(rest) > 12
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight, reference[name], msg=name)


def test_a_loaded_state_continues_as_if_nothing_had_happened() -> None:
    straight, resumed = model_of(), model_of()
    optimizers = [optimizer_of(straight), optimizer_of(resumed)]
    for model, optimizer in zip((straight, resumed), optimizers, strict=True):
        set_gradients(model, 1)
        optimizer.step()
    again = optimizer_of(resumed)
    again.load_state_dict(copy.deepcopy(optimizers[1].state_dict()))
    for model, optimizer in ((straight, optimizers[0]), (resumed, again)):
        set_gradients(model, 2)
        for group in optimizer.param_groups:
            group["lr"] /= 2
        optimizer.step()
    pairs = list(zip(straight.parameters(), resumed.parameters(), strict=True))
    assert len(pairs) > 20
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("kind", ["both", "adamw"])
def test_biases_and_norms_do_not_decay(kind: str) -> None:
    model = model_of()
    found = optimizer_of(model) if kind == "both" else adamw(model, rate=1e-3, weight_decay=0.1)
    decays = [
        (weight.dim() > 1, group["weight_decay"])
        for group in found.param_groups
        for weight in group["params"]
    ]
    assert set(decays) == {(True, 0.1), (False, 0.0)}
    assert len(decays) == len(list(model.parameters()))


def test_gradients_are_cleared() -> None:
    model = model_of()
    set_gradients(model, 1)
    optimizer_of(model).zero_grad()
    assert all(weight.grad is None for weight in model.parameters())
