"""The engines that compute logits, named in one table; nothing above this package knows which one runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from runtime.errors import BackendError, nearest
from runtime.tokenizer import Batch


class Backend(Protocol):
    """One method: token ids in, logits out."""

    def logits(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return float32 of shape (batch_size, num_labels)."""
        ...


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Precision of the manifest, device and threads of the machine (None: the engine's default)."""

    precision: str
    device: str = "cpu"
    threads: int | None = None


BACKENDS: dict[str, str] = {
    "torch": "runtime.backends.torch:TorchBackend",
}
"""Name in the manifest → `module:Class`, which is called with the model directory and `BackendOptions`."""


def load_backend(name: str, directory: Path, options: BackendOptions) -> Backend:
    """Import the named engine and load the model into it.

    Raises
    ------
    BackendError
        The name is unknown, its library is not installed, or the files do not fit.
    """
    if name not in BACKENDS:
        raise BackendError(f"the model names backend {name!r}; {nearest(name, BACKENDS)}")
    module_name, class_name = BACKENDS[name].split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {name!r} needs the package {error.name!r}, which is not installed; "
            f"install it with `pip install {error.name} -c constraints.txt`."
        ) from error
    factory: Callable[[Path, BackendOptions], Backend] = getattr(module, class_name)
    return factory(directory, options)
