"""The exception tree is what its docstring draws, and names are suggested by closeness."""

from __future__ import annotations

import re

from runtime import errors
from runtime.errors import BentobertError, nearest


def test_every_error_is_drawn_in_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BentobertError)
    }
    assert len(defined) >= 13
    assert drawn == defined


def test_nearest_names_the_closest_or_else_all() -> None:
    assert nearest("learning_rat", ["epochs", "learning_rate"]) == "did you mean 'learning_rate'?"
    assert nearest("zzz", ["epochs", "batch_size"]) == "allowed: batch_size, epochs"
