"""Who is measured, in one table: which model each loads, and whether as an engine, on HTTP, or both."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.model import REFERENCE, Precision, Variant

LARGEST_DIFFERENCE: dict[Precision, float] = {"fp32": 0.001, "bf16": 0.05, "int8": 0.2}
"""How far an answer may lie from that of float32, in probability, by the precision that computes.

Random weights answer at random, so quantisation changes them more than it changes those of a trained model;
that one's bounds are the business of `python -m train export`.
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """What is measured.

    Parameters
    ----------
    model : Variant
        Whose directory it loads.
    precision : str
        What it computes in.
    loader : str, optional
        Key of `engines.LOADERS`; None: it has no part in `engine`.
    server : str, optional
        Key of `servers.SERVERS`; None: it has no part in `http`.
    is_ours : bool
        False for what others have made.
    """

    model: Variant
    precision: Precision
    loader: str | None = None
    server: str | None = None
    is_ours: bool = False

    @classmethod
    def ours(cls, backend: str, precision: Precision) -> Contender:
        """Return a backend of the project in one precision."""
        return cls(Variant(backend, precision), precision, "classifier", "service", is_ours=True)


SEED_LOOP = "seed loop fp32"
PIPELINE = "HF pipeline fp32"
NAIVE = "naive BentoML fp32"
INFINITY = "infinity bf16"
CONTENDERS: dict[str, Contender] = {
    SEED_LOOP: Contender(REFERENCE, "fp32", loader="seed"),
    PIPELINE: Contender(REFERENCE, "fp32", loader="pipeline"),
    NAIVE: Contender(REFERENCE, "fp32", server="naive"),
    INFINITY: Contender(REFERENCE, "bf16", server="infinity"),
    "torch fp32": Contender.ours("torch", "fp32"),
    "torch bf16": Contender.ours("torch", "bf16"),
    "openvino bf16": Contender.ours("openvino", "bf16"),
    "openvino int8": Contender.ours("openvino", "int8"),
}
GPU_PIPELINE = "HF pipeline bf16"
GPU_CONTENDERS: dict[str, Contender] = {
    GPU_PIPELINE: replace(CONTENDERS[PIPELINE], precision="bf16"),
    **{name: CONTENDERS[name] for name in (NAIVE, "torch fp32", "torch bf16")},
}


def available(
    device: str, infinity: Path | None, only: Sequence[str] = ()
) -> tuple[dict[str, Contender], list[str]]:
    """Return the contenders that can run here, and a sentence about each that cannot."""
    table = GPU_CONTENDERS if device.startswith("cuda") else CONTENDERS
    found, missing = {}, []
    for name, contender in table.items():
        if only and name not in only:
            continue
        if problem := _problem(contender, infinity):
            missing.append(f"{name} is left out: {problem}")
        else:
            found[name] = contender
    return found, missing


def find_infinity(given: Path | None) -> Path | None:
    """Return the program `infinity_emb`: the given one, or the one on the path."""
    found = given or shutil.which("infinity_emb")
    return Path(found) if found else None


def _problem(contender: Contender, infinity: Path | None) -> str | None:
    from train.exporters import EXPORTERS

    if contender.server == "infinity" and infinity is None:
        return "infinity_emb is not installed; install it into an environment of its own and give --infinity."
    if contender.model.backend not in EXPORTERS:
        return f"there is no exporter for {contender.model.backend}."
    if find_spec(contender.model.backend) is None:
        return f"the package {contender.model.backend} is not installed; install it."
    return None
