from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from train import dropout as module
from train.dropout import Dropout, TokenDropout, drop, replace_dropout

SHAPES = st.lists(st.integers(0, 7), min_size=0, max_size=4).map(tuple)


@given(SHAPES, st.sampled_from([torch.float32, torch.bfloat16]), st.floats(0, 0.99))
def test_values_are_dropped_or_scaled_and_keep_their_shape(
    shape: tuple[int, ...], dtype: torch.dtype, share: float
) -> None:
    found = drop(torch.ones(shape, dtype=dtype), share)
    assert found.shape == shape
    assert found.dtype == dtype
    kept = found[found != 0]
    torch.testing.assert_close(
        kept, torch.full_like(kept, 1 / (1 - share)), atol=0, rtol=1e-2 if dtype == torch.bfloat16 else 1e-3
    )


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_so_many_are_dropped_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    count = 2_000_000
    found = drop(torch.ones(count), share)
    deviation = (share * (1 - share) / count) ** 0.5
    assert abs(float((found == 0).float().mean()) - share) < 4 * deviation + 2**-17
    assert abs(float(found.mean()) - 1) < 4 * deviation / (1 - share) + 1e-4


def test_every_place_in_a_drawn_word_drops_alike() -> None:
    torch.manual_seed(0)
    dropped = (drop(torch.ones(400_000), 0.25) == 0).view(-1, 4).float()
    torch.testing.assert_close(dropped.mean(dim=0), torch.full((4,), 0.25), atol=0.006, rtol=0)
    assert float(torch.corrcoef(dropped.T).fill_diagonal_(0).abs().max()) < 0.015


@pytest.mark.parametrize(("share", "expected"), [(0.0, 3.0), (1.0, 0.0)])
def test_none_and_all(share: float, expected: float) -> None:
    assert drop(torch.full((5, 3), 3.0), share).unique().tolist() == [expected]


def test_masks_come_from_the_seed_and_are_new_with_every_call() -> None:
    values = torch.ones(3, 1000)
    torch.manual_seed(1)
    first, second = drop(values, 0.3), drop(values, 0.3)
    torch.manual_seed(1)
    assert torch.equal(drop(values, 0.3), first)
    assert not torch.equal(first, second)


def test_gradients_pass_where_values_passed() -> None:
    values = torch.randn(40, 50).transpose(0, 1).requires_grad_()
    found = drop(values, 0.4)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values, found)


def test_nothing_is_dropped_outside_of_training() -> None:
    values = torch.randn(100)
    assert Dropout(0.5).eval()(values) is values
    assert not torch.equal(Dropout(0.5)(values), values)


def test_every_dropout_of_a_model_is_replaced_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.3), nn.ReLU()), nn.Dropout(0.1))
    model[1].eval()
    names = list(model.state_dict())
    replace_dropout(model)
    found = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert [(type(one), one.p, one.training) for one in found] == [
        (Dropout, 0.3, False),
        (Dropout, 0.1, True),
    ]
    assert list(model.state_dict()) == names


def test_so_many_tokens_are_hidden_and_special_ones_stay() -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, 50, (500, 400))
    found = TokenDropout(0.15, mask_id=4, special_ids=(0, 1, 2, 3, 4))(ids)
    assert found.dtype == ids.dtype
    ordinary = ids > 4
    assert torch.equal(found[~ordinary], ids[~ordinary])
    hidden = found[ordinary] == 4
    assert float(hidden.float().mean()) == pytest.approx(0.15, abs=0.004)
    assert torch.equal(found[ordinary][~hidden], ids[ordinary][~hidden])
    assert not torch.equal(TokenDropout(0.15, 4, (0, 1, 2, 3, 4))(ids), found)


def test_where_pytorch_draws_on_all_threads_its_own_masks_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.ones(1000)
    monkeypatch.setattr(module, "_draws_with_mkl", lambda: True)
    torch.manual_seed(3)
    found = drop(values, 0.3)
    torch.manual_seed(3)
    assert torch.equal(found, functional.dropout(values, 0.3))


@pytest.mark.parametrize(
    ("maker", "expected"), [("GenuineIntel", True), ("AuthenticAMD", False), (None, False)]
)
def test_intels_processors_draw_with_mkl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: str | None, expected: bool
) -> None:
    path = tmp_path / "cpuinfo"
    if maker:
        path.write_text(f"vendor_id\t: {maker}\n", encoding="utf-8")
    monkeypatch.setattr(module, "_PROCESSOR", path)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert module._draws_with_mkl.__wrapped__() == expected
