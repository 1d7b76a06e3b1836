"""The last step of every servable directory: probes, digests and manifest, then proof that it loads."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path

from runtime.backends import BACKENDS
from runtime.classifier import Classifier
from runtime.envelope import SUFFIX
from runtime.manifest import Manifest, digest_files
from runtime.probes import Probe, write_probes
from train.data.rows import Row

WEIGHTS_NAME = "model.safetensors"
TRAINING_NAME = "training.json"
EXPORT_NAME = "export.json"
PROBES = 32


def finish(directory: Path, manifest: Manifest, dev: Sequence[Row]) -> Manifest:
    """Complete a directory that holds weights and tokenizer, and return its final manifest.

    Raises
    ------
    ModelError
        What was written cannot be served.
    """
    manifest.write(directory)
    classifier = Classifier.load(directory, verify=False)
    rows = probe_rows(dev, PROBES)
    logits = classifier.logits([row.input for row in rows]).tolist()
    write_probes(
        directory,
        [
            Probe(text=row.text, text_pair=row.text_pair, logits=tuple(found))
            for row, found in zip(rows, logits, strict=True)
        ],
    )
    complete = record_digests(directory, manifest)
    Classifier.load(directory)
    return complete


def record_digests(directory: Path, manifest: Manifest, key: bytes | None = None) -> Manifest:
    """Write the manifest with the digests of all other files, sealed where there is a key, and return it."""
    digests = digest_files(directory)
    unread = [name + suffix for name in BACKENDS[manifest.backend].unread for suffix in ("", SUFFIX)]
    spare = {name: digests.pop(name) for name in unread if name in digests}
    complete = manifest.model_copy(update={"files": digests, "spare_files": spare})
    if key is not None:
        complete = complete.sealed(key)
    complete.write(directory)
    return complete


def probe_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """Choose rows spread over labels and lengths, the same ones every time.

    Labels take turns; within a label the shortest text comes first, then those that halve what is between.
    """
    members: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (len(row.text) + len(row.text_pair or ""), row.text)):
        members.setdefault(row.label, []).append(row)
    turns = zip_longest(*(_spread(members[label]) for label in sorted(members)))
    return [row for turn in turns for row in turn if row is not None][:count]


def versions() -> dict[str, str]:
    """Return the versions that decide what a model computes."""
    packages = ("torch", "transformers", "tokenizers", "datasets", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def now() -> str:
    """Return the time in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _spread(rows: Sequence[Row]) -> list[Row]:
    """Reorder by the reversed bits of the position: every beginning of the result is spread evenly."""
    bits = max(1, (len(rows) - 1).bit_length())
    return [rows[index] for index in sorted(range(len(rows)), key=lambda i: f"{i:0{bits}b}"[::-1])]
