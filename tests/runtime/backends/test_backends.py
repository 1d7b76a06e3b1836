"""The table of engines holds only engines, and every way of not finding one is a sentence."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from runtime import backends
from runtime.backends import BACKENDS, BackendOptions, load_backend
from runtime.errors import BackendError


@pytest.mark.parametrize("name", BACKENDS)
def test_an_entry_names_a_class_with_the_one_method(name: str) -> None:
    module, class_name = BACKENDS[name].split(":")
    backend = getattr(importlib.import_module(module), class_name)
    assert list(inspect.signature(backend.logits).parameters) == ["self", "batch"]


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="did you mean 'torch'"):
        load_backend("pytorch", tmp_path, BackendOptions(precision="fp32"))


def test_a_missing_library_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(backends.BACKENDS, "absent", "no_such_engine:Engine")
    with pytest.raises(BackendError, match="pip install no_such_engine"):
        load_backend("absent", tmp_path, BackendOptions(precision="fp32"))
