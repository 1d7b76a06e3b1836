"""Muon for the matrices of the encoder, AdamW for everything else, as one optimizer; it knows no schedule.

Muon (Jordan et al., 2024; torch.optim.Muon) orthogonalises the momentum of a matrix before it is applied. A
small BERT from random weights leaves the plateau of word frequencies in a fraction of AdamW's steps; a
step of 4,096 tokens takes a tenth longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from typing_extensions import override

_MOMENTA = (0.9, 0.98)
_ENCODER = ".encoder."


class MuonAndAdamW(Optimizer):
    """Two optimizers that step, save and load together.

    Parameters
    ----------
    model : nn.Module
        A BERT with a head. Matrices of its encoder go to Muon, all other parameters to AdamW.
    matrix_rate, other_rate : float
        Learning rates; Muon's is scaled to the size of AdamW's updates (arXiv 2502.16982).
    weight_decay : float
        Of matrices; biases and the weights of LayerNorm do not decay.
    iterations : int
        Of Newton and Schulz's method, in which an update becomes orthogonal; the time of a step grows with
        them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        matrix_rate: float,
        other_rate: float,
        weight_decay: float,
        iterations: int = 5,
    ) -> None:
        names = dict(model.named_parameters())
        encoder = [weight for name, weight in names.items() if _ENCODER in name and weight.dim() == 2]
        taken = {id(weight) for weight in encoder}
        others = [weight for weight in names.values() if id(weight) not in taken]
        self._muon = Muon(
            encoder,
            lr=matrix_rate,
            weight_decay=weight_decay,
            adjust_lr_fn="match_rms_adamw",
            ns_steps=iterations,
        )
        self._adamw = AdamW(decay_groups(others, weight_decay), lr=other_rate, betas=_MOMENTA, fused=True)
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})
        self._join()

    @override
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Step with both; gradients are those of a backward pass that is done."""
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the states of both."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    @override
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` gave."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])
        self._join()

    def _join(self) -> None:
        """Share the groups, which schedules write to, and the states, which nobody else does."""
        self.param_groups = [*self._muon.param_groups, *self._adamw.param_groups]


def adamw(model: nn.Module, *, rate: float, weight_decay: float) -> Optimizer:
    """Return AdamW for all parameters."""
    groups = decay_groups(list(model.parameters()), weight_decay)
    return AdamW(groups, lr=rate, betas=_MOMENTA, fused=True)


def decay_groups(weights: Sequence[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters in two groups: matrices decay, biases and the weights of LayerNorm do not."""
    decaying = [weight for weight in weights if weight.dim() > 1]
    others = [weight for weight in weights if weight.dim() <= 1]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
