"""Recorded texts with the logits they must give: the proof that a model still is what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.errors import ProbeError
from runtime.files import read_file, stored
from runtime.tokenizer import TextInput

PROBES_NAME = "probes.jsonl"

PROBE_TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2, "int8": 3e-2}
"""Largest allowed change of a probability, by precision: between machines fp32 differs by summation order
alone, bf16 also by whether the processor has bf16 matrix units, int8 where a value falls to the other side of
a rounding. A processor without int8 products of 32 bits overflows in them, and changes more than that."""


class Probe(BaseModel):
    """A text (and its pair) with its expected logits, one per label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    text_pair: str | None = None
    logits: tuple[float, ...]

    @property
    def input(self) -> TextInput:
        """The text as the tokenizer takes it."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


def write_probes(directory: Path, probes: Sequence[Probe]) -> None:
    """Write `probes.jsonl`, one probe a line, atomically."""
    path = directory / PROBES_NAME
    beside = path.with_suffix(".jsonl.part")
    beside.write_text("".join(probe.model_dump_json() + "\n" for probe in probes), encoding="utf-8")
    beside.replace(path)


def read_probes(directory: Path, key: bytes | None = None) -> list[Probe]:
    """Read `probes.jsonl`.

    Raises
    ------
    ProbeError
        The file is missing, empty, or a line is not a probe.
    ProtectionError
        It is encrypted, and the key is missing or another one, or it was changed.
    """
    path = stored(directory, PROBES_NAME)
    try:
        lines = read_file(directory, PROBES_NAME, key).decode("utf-8").split("\n")
        probes = [Probe.model_validate_json(line) for line in lines if line]
    except (OSError, ValueError) as error:
        reason = (
            f"{error.error_count()} fields are wrong" if isinstance(error, ValidationError) else str(error)
        )
        raise ProbeError(f"{path} cannot be read ({reason}); save the model again.") from error
    if not probes:
        raise ProbeError(f"{path} holds no probe; save the model again.")
    return probes


def check_probes(probes: Sequence[Probe], found: npt.NDArray[np.float32], precision: str) -> float:
    """Compare logits found now with those recorded and return the largest change of a probability.

    Parameters
    ----------
    probes : sequence of Probe
    found : float32 of shape (number of probes, num_labels)
    precision : key of `PROBE_TOLERANCE`

    Raises
    ------
    ProbeError
        The shapes differ, or a probability changed by more than the tolerance of the precision.
    """
    widths = {len(probe.logits) for probe in probes}
    if widths != {found.shape[1]}:
        raise ProbeError(
            f"the probes have {widths} logits, the model gives {found.shape[1]}; save the model again."
        )
    recorded = np.array([probe.logits for probe in probes], dtype=np.float32)
    changes = np.abs(softmax(found) - softmax(recorded)).max(axis=1)
    worst = int(np.argmax(changes))
    allowed = PROBE_TOLERANCE[precision]
    if not changes[worst] <= allowed:
        raise ProbeError(
            f"probe {worst + 1} changed by {changes[worst]:.4f} in probability, {allowed} is allowed for "
            f"{precision}; this machine or these files do not compute what was saved: save the model again "
            "and compare the versions in the manifest."
        )
    return float(changes[worst])


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the probabilities of each row; float32 of the same shape (rows, num_labels)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)
