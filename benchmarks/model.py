"""Saves a BERT with random weights into a model store: speed does not depend on their values.

python -m benchmarks.model SHAPE BACKEND-PRECISION ...

It prints a directory a line; BENTOML_HOME chooses the store.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from loadtests.corpus import generate
from loadtests.server import ROOT

if TYPE_CHECKING:
    from runtime.manifest import Manifest

NAME = "bert-classifier"
LABELS = ("负面", "正面")
MAX_LENGTH = 512
PROBES = 32
CALIBRATION_TEXTS = 100
Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.2,
    },
    "small": {
        "hidden_size": 312,
        "num_hidden_layers": 4,
        "num_attention_heads": 12,
        "intermediate_size": 1200,
        "initializer_range": 0.08,
    },
    "mini": {
        "hidden_size": 320,
        "num_hidden_layers": 4,
        "num_attention_heads": 5,
        "intermediate_size": 1280,
        "initializer_range": 0.08,
    },
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "initializer_range": 0.05,
    },
}
"""`base` is bert-base-chinese but for its vocabulary, `small` the shape of TinyBERT; `tiny` is for tests.

Weights spread further than the usual 0.02: otherwise all texts get the same answer, and comparing answers
would prove nothing.
"""


class SaveError(RuntimeError):
    """A model could not be made; the message is for the user."""


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """One export of the model: the engine that runs it, and in which precision."""

    backend: str
    precision: Precision

    @classmethod
    def parse(cls, name: str) -> Variant:
        """Read `backend-precision`.

        Raises
        ------
        SaveError
            The name is of another form.
        """
        backend, _, given = name.rpartition("-")
        for precision in PRECISIONS:
            if backend and precision == given:
                return cls(backend, precision)
        raise SaveError(f"{name!r} is no backend and precision; write it as torch-bf16 or openvino-int8.")

    def __str__(self) -> str:
        return f"{self.backend}-{self.precision}"

    @property
    def tag(self) -> str:
        """The model's name in the store."""
        return f"{NAME}:{self}"


REFERENCE = Variant("torch", "fp32")
"""What every other variant is exported from, and what transformers can load."""


def save_in(home: Path, shape: str, variants: Sequence[Variant]) -> dict[Variant, Path]:
    """Save the model in every variant into the store of a BentoML home and return the directories.

    It runs in a process of its own: BentoML opens one store a process, and the memory is returned.

    Raises
    ------
    SaveError
        An exporter failed.
    """
    command = [sys.executable, "-m", "benchmarks.model", shape, *map(str, variants)]
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, text=True)
    if done.returncode:
        raise SaveError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    paths = done.stdout.splitlines()[-len(variants) :]
    return dict(zip(variants, map(Path, paths), strict=True))


def write(directory: Path, shape: str, variant: Variant) -> None:
    """Write a servable directory: weights, tokenizer, manifest and probes."""
    _write_weights_and_tokenizer(directory, shape)
    finish(directory, variant)


def finish(directory: Path, variant: Variant) -> None:
    """Turn a directory of float32 weights into one of the variant, with manifest and probes."""
    from runtime.classifier import Classifier
    from runtime.probes import Probe, write_probes
    from train.artifact import record_digests

    _export(directory, variant)
    manifest = _manifest(variant)
    manifest.write(directory)
    texts = generate(PROBES, seed=7)
    logits = Classifier.load(directory, verify=False).logits(texts)
    rows = zip(texts, logits.tolist(), strict=True)
    write_probes(directory, [Probe(text=text, logits=tuple(row)) for text, row in rows])
    record_digests(directory, manifest)


def _manifest(variant: Variant) -> Manifest:
    from runtime.manifest import Manifest

    return Manifest(
        labels=LABELS,
        backend=variant.backend,
        precision=variant.precision,
        max_length=MAX_LENGTH,
        # None, because the naive service has none: both must see the same tokens.
        normalizers=(),
        base_model="random weights",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _export(directory: Path, variant: Variant) -> None:
    from runtime.tokenizer import Tokenizer
    from train.exporters import EXPORTERS

    calibration = Tokenizer.load(directory, MAX_LENGTH).encode(generate(CALIBRATION_TEXTS, seed=11))
    EXPORTERS[variant.backend](directory, variant.precision, calibration)


def _write_weights_and_tokenizer(directory: Path, shape: str) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from train.data.vocabulary import build_tokenizer, gb2312_vocabulary

    vocabulary = gb2312_vocabulary()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=MAX_LENGTH,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        **SHAPES[shape],
    )
    BertForSequenceClassification(config).save_pretrained(directory)
    tokenizer = build_tokenizer(vocabulary)
    # infinity cuts texts at what the tokenizer says and nowhere else.
    tokenizer.model_max_length = MAX_LENGTH
    tokenizer.save_pretrained(directory)


def main(argv: Sequence[str]) -> int:
    """Save the model of the named shape in the named variants and print their directories, in order."""
    import bentoml
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    shape, variants = argv[0], [Variant.parse(name) for name in argv[1:]]
    with tempfile.TemporaryDirectory(prefix="benchmark-weights-") as folder:
        _write_weights_and_tokenizer(Path(folder), shape)
        for variant in variants:
            with bentoml.models.create(variant.tag) as model:
                shutil.copytree(folder, model.path, dirs_exist_ok=True)
                finish(Path(model.path), variant)
    for variant in variants:
        print(bentoml.models.get(variant.tag).path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
