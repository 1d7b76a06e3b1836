"""Dropout of values and of tokens, drawn from PyTorch's generator; it knows no model.

Where PyTorch does not draw with Intel's MKL, `torch.nn.Dropout` takes 64 random bits an element, one after
the other on one thread: a tenth of the time of a small BERT's step. 16 bits decide as well, in under half the
time; the share dropped is right to 1 in 65,536.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

_STEPS = 1 << 16
_PER_WORD = 4
_LOWEST_WORD = -(1 << 63)
_PROCESSOR = Path("/proc/cpuinfo")


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` for tensors on a CPU, with other random masks than that draws from the same seed."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Return the input, while training with a share of `p` set to 0 and the rest scaled up."""
        return drop(input, self.p) if self.training else input


def drop(values: Tensor, share: float) -> Tensor:
    """Set a share of the values to 0 and divide the others by what is kept, so that the mean stays.

    Parameters
    ----------
    values : Tensor
        Of any shape, on a CPU.
    share : float
        From 0 to 1; rounded to a multiple of 1 / 65,536.
    """
    if _draws_with_mkl():
        return functional.dropout(values, share)
    dropped = round(share * _STEPS)
    if dropped == 0:
        return values
    if dropped == _STEPS:
        return values * 0
    words = torch.empty(-(-values.numel() // _PER_WORD), dtype=torch.int64).random_(_LOWEST_WORD, None)
    drawn = words.view(torch.int16)[: values.numel()].view(values.shape)
    kept = (drawn >= dropped - _STEPS // 2).to(values.dtype)
    return values * kept.mul_(_STEPS / (_STEPS - dropped))


@dataclass(frozen=True, slots=True)
class TokenDropout:
    """Hides a share of a text's tokens behind `[MASK]`, so that no single one can be learned by heart.

    Word dropout (Iyyer et al., ACL 2015) with the sign that a BERT knows from its pre-training.

    Attributes
    ----------
    share : float
        From 0 to 1, of the tokens that are not special.
    mask_id : int
    special_ids : tuple of int
        Tokens that always stay: those that frame and pad a text, and `[UNK]`.
    """

    share: float
    mask_id: int
    special_ids: tuple[int, ...]

    def __call__(self, input_ids: Tensor) -> Tensor:
        """Return a copy in which each token shows `[MASK]` with a probability of `share`."""
        special = torch.isin(input_ids, torch.tensor(self.special_ids, device=input_ids.device))
        drawn = torch.rand(input_ids.shape, device=input_ids.device) < self.share
        return input_ids.masked_fill(drawn & ~special, self.mask_id)


def replace_dropout(model: nn.Module) -> None:
    """Put `Dropout` in the place of every `torch.nn.Dropout` in a model."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))


@cache
def _draws_with_mkl() -> bool:
    """Tell whether PyTorch draws on all threads, which it does on Intel's processors only."""
    is_intel = _PROCESSOR.is_file() and "GenuineIntel" in _PROCESSOR.read_text(encoding="utf-8")
    return is_intel and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
