"""Saves a BERT with random weights into a model store: speed does not depend on their values.

python -m benchmarks.model SHAPE PRECISION     prints the directory; BENTOML_HOME chooses the store
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from loadtests.corpus import generate
from loadtests.server import ROOT

NAME = "bert-classifier"
LABELS = ("负面", "正面")
MAX_LENGTH = 512
PROBES = 32
Precision = Literal["fp32", "bf16"]
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.2,
    },
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "initializer_range": 0.05,
    },
}
"""`base` is bert-base-chinese but for its vocabulary; `tiny` is for tests.

Weights spread further than the usual 0.02: otherwise all texts get the same answer, and comparing answers
would prove nothing.
"""


def save_in(home: Path, shape: str, precision: Precision) -> Path:
    """Save a model as `bert-classifier:<precision>` in the store of a BentoML home and return its directory.

    It runs in a process of its own: BentoML opens one store a process, and the memory is returned.
    """
    command = [sys.executable, "-m", "benchmarks.model", shape, precision]
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    printed = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return Path(printed.stdout.strip())


def write(directory: Path, shape: str, precision: Precision) -> None:
    """Write a servable directory: weights, tokenizer, manifest and probes."""
    from runtime.classifier import Classifier
    from runtime.manifest import Manifest, digest_files
    from runtime.probes import Probe, write_probes

    _write_weights_and_tokenizer(directory, shape)
    manifest = Manifest(
        labels=LABELS,
        backend="torch",
        precision=precision,
        max_length=MAX_LENGTH,
        # None, because the naive service has none: both must see the same tokens.
        normalizers=(),
        base_model="random weights",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    manifest.write(directory)
    texts = generate(PROBES, seed=7)
    logits = Classifier.load(directory, verify=False).logits(texts)
    rows = zip(texts, logits.tolist(), strict=True)
    write_probes(directory, [Probe(text=text, logits=tuple(row)) for text, row in rows])
    manifest.model_copy(update={"files": digest_files(directory)}).write(directory)


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
    build_tokenizer(vocabulary).save_pretrained(directory)


def main(argv: Sequence[str]) -> int:
    """Save the model of the named shape and precision and print its directory."""
    import bentoml
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    shape, precision = argv[0], cast(Precision, argv[1])
    with bentoml.models.create(f"{NAME}:{precision}") as model:
        write(Path(model.path), shape, precision)
    print(bentoml.models.get(f"{NAME}:{precision}").path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
