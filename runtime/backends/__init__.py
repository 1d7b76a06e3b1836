"""The engines that compute logits, named in one table; nothing above this package knows which one runs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from runtime.errors import BackendError, nearest
from runtime.tokenizer import Batch


class Backend(Protocol):
    """One method: token ids in, logits out; and what it runs on, for people to read."""

    @property
    def compute(self) -> str:
        """What really computes here: precision, device, threads and library."""
        ...

    def logits(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return float32 of shape (batch_size, num_labels)."""
        ...


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Precision of the manifest, device and threads of the machine (None: the engine's default).

    `key` opens what is encrypted of the model.
    """

    precision: str
    device: str = "cpu"
    threads: int | None = None
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine's class is, as `module:Class`, the package it needs, and what it runs on and in.

    The class is called with the model directory and `BackendOptions`. `unread` names the files of a model
    directory that others need, and serving with this engine does not.
    """

    factory: str
    library: str
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    unread: tuple[str, ...] = ()


BACKENDS: dict[str, Engine] = {
    "torch": Engine("runtime.backends.torch:TorchBackend", "torch", ("cpu", "cuda"), ("fp32", "bf16")),
    "openvino": Engine(
        "runtime.backends.openvino:OpenVinoBackend",
        "openvino",
        ("cpu",),
        ("fp32", "bf16", "int8"),
        unread=("model.safetensors",),
    ),
}
"""By the name in the manifest."""


def check_precision(backend: str, precision: str) -> None:
    """Check that the engine exists and runs this precision.

    Raises
    ------
    BackendError
        It does not.
    """
    if backend not in BACKENDS:
        raise BackendError(f"{backend!r} is not a backend; {nearest(backend, BACKENDS)}")
    if precision not in BACKENDS[backend].precisions:
        runs = [name for name, engine in BACKENDS.items() if precision in engine.precisions]
        raise BackendError(
            f"backend {backend!r} does not run {precision!r}, only "
            f"{', '.join(BACKENDS[backend].precisions)}; "
            f"{precision!r} runs on {', '.join(runs) or 'none'}."
        )


def check_engine(backend: str, precision: str, device: str) -> None:
    """Check, without importing it, that the engine is installed and runs this precision on this device.

    Raises
    ------
    BackendError
        It is not, or does not.
    """
    check_precision(backend, precision)
    engine = BACKENDS[backend]
    if device != "auto" and device.partition(":")[0] not in engine.devices:
        runs = [name for name, other in BACKENDS.items() if device.partition(":")[0] in other.devices]
        raise BackendError(
            f"device {device!r} cannot run a model of backend {backend!r}; give auto or "
            f"{' or '.join(engine.devices)}, or export the model for {' or '.join(runs) or 'another one'}."
        )
    if importlib.util.find_spec(engine.library) is None:
        raise BackendError(
            f"the model's backend {backend!r} needs the package {engine.library!r}, which is not installed; "
            f"install it with `pip install {engine.library} -c constraints.txt`."
        )


def load_backend(name: str, directory: Path, options: BackendOptions) -> Backend:
    """Import the named engine and load the model into it.

    Raises
    ------
    BackendError
        The name is unknown, it does not run this precision on this device, its library is not installed, or
        the files do not fit.
    ProtectionError
        The files are encrypted, and the key is missing or another one, or they were changed.
    """
    check_engine(name, options.precision, options.device)
    module_name, class_name = BACKENDS[name].factory.split(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        library = BACKENDS[name].library
        raise BackendError(
            f"the model's backend {name!r} cannot be imported ({str(error).splitlines()[0]}); install it "
            f"anew with `pip install --force-reinstall {library} -c constraints.txt`."
        ) from error
    factory: Callable[[Path, BackendOptions], Backend] = getattr(module, class_name)
    return factory(directory, options)
