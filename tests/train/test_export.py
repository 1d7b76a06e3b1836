from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from runtime.backends import BACKENDS
from runtime.classifier import Classifier
from runtime.errors import TrainingError, UsageError
from runtime.manifest import Manifest
from runtime.tokenizer import Encoding
from tests.bert_models import swap_labels
from train import export
from train.data.loader import load_rows
from train.data.rows import Row
from train.exporters import CALIBRATION_TEXTS, EXPORTERS
from train.parity import Parity
from train.recipe import read_recipe
from train.run import RunDirectory

SERVED = [(name, precision) for name, engine in BACKENDS.items() for precision in engine.precisions]


@pytest.mark.parametrize(("backend", "precision"), SERVED)
def test_every_export_is_served_and_loads_with_transformers(
    run_copy: tuple[Path, RunDirectory], tmp_path: Path, backend: str, precision: str
) -> None:
    path, directory = run_copy
    recipe = read_recipe(path, [f"export.backend={backend}", f"export.precision={precision}"])
    assert export.run(recipe) == directory.export
    manifest = Manifest.read(directory.export)
    assert (manifest.backend, manifest.precision) == (backend, precision)
    assert set(manifest.spare_files) == set(BACKENDS[backend].unread)
    assert not set(manifest.spare_files) & set(manifest.files)
    original = Classifier.load(directory.model)
    texts = ["房间很好", "房间太差"]
    for name in manifest.spare_files:  # as in the image
        (directory.export / name).rename(tmp_path / name)
    served = Classifier.load(directory.export)
    for name in manifest.spare_files:
        (tmp_path / name).rename(directory.export / name)
    np.testing.assert_allclose(served.predict_proba(texts), original.predict_proba(texts), atol=5e-2)
    model = AutoModelForSequenceClassification.from_pretrained(directory.export)
    assert model.dtype == (torch.bfloat16 if (backend, precision) == ("torch", "bf16") else torch.float32)


def test_parity_stands_in_the_manifest(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    export.run(read_recipe(path, ["export.precision=bf16"]))
    parity = Manifest.read(directory.export).parity
    assert parity is not None
    assert set(parity) == set(Parity.__slots__)
    assert parity["neighbour_change"] <= 1e-2
    assert parity["rows"] == 24
    assert 0 < parity["max_probability_change"] < 0.05


def test_the_original_has_no_difference_to_itself(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    export.run(read_recipe(path))
    assert Manifest.read(directory.export).parity == {
        "rows": 24,
        "label_agreement": 1.0,
        "accuracy_drop": 0.0,
        "max_probability_change": 0.0,
        "neighbour_change": pytest.approx(0.0, abs=1e-5),
    }
    weights = [(folder / "model.safetensors").read_bytes() for folder in (directory.model, directory.export)]
    assert weights[0] == weights[1]


def test_half_the_bytes_hold_bf16_weights(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    export.run(read_recipe(path, ["export.precision=bf16"]))
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (directory.export, directory.model)]
    assert sizes[0] < 0.51 * sizes[1]


def test_the_export_remembers_the_weights_it_was_made_of(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    export.run(read_recipe(path, ["export.precision=bf16"]))
    recorded = json.loads((directory.export / "export.json").read_text(encoding="utf-8"))
    assert recorded["source_weights"] == Manifest.read(directory.model).files["model.safetensors"]
    assert recorded["source_weights"] != Manifest.read(directory.export).files["model.safetensors"]


def harm(directory: Path, precision: str, calibration: Sequence[Encoding]) -> None:
    """Export something else."""
    swap_labels(directory)


def test_an_export_that_answers_differently_is_refused_and_keeps_the_old_one(
    run_copy: tuple[Path, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, directory = run_copy
    export.run(read_recipe(path))
    before = (directory.export / "manifest.json").read_bytes()
    monkeypatch.setitem(EXPORTERS, "torch", harm)
    with pytest.raises(TrainingError) as raised:
        export.run(read_recipe(path, ["export.precision=bf16"]))
    message = str(raised.value)
    for part in ("torch in bf16", "0.00% of 24 dev rows", "points of accuracy", "99.5%", "0.5 points"):
        assert part in message
    assert (directory.export / "manifest.json").read_bytes() == before


def test_int8_is_fitted_to_texts_of_the_training_split(
    run_copy: tuple[Path, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, directory = run_copy
    seen: list[Sequence[Encoding]] = []
    real = EXPORTERS["openvino"]

    def export_openvino(folder: Path, precision: str, calibration: Sequence[Encoding]) -> None:
        seen.append(calibration)
        real(folder, precision, calibration)

    monkeypatch.setitem(EXPORTERS, "openvino", export_openvino)
    recipe = read_recipe(path, ["export.backend=openvino", "export.precision=int8"])
    export.run(recipe)
    export.run(read_recipe(path, ["export.backend=openvino"]))
    original = Classifier.load(directory.model)
    rows = load_rows(recipe, "train", original.manifest.labels)
    known = {tuple(encoding.input_ids) for encoding in original.encode([row.input for row in rows])}
    assert len(seen[0]) == min(CALIBRATION_TEXTS, len(rows)) == 64
    assert {tuple(encoding.input_ids) for encoding in seen[0]} <= known
    assert seen[1] == []


def test_without_a_model_finetune_is_named(project: Path) -> None:
    with pytest.raises(UsageError, match="run `python -m train finetune` first"):
        export.run(read_recipe(project))


@pytest.mark.parametrize(("count", "most", "expected"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8])])
def test_many_dev_rows_are_thinned_evenly(count: int, most: int, expected: list[int]) -> None:
    rows = [Row("text", None, "label", "dev.csv", number, number) for number in range(count)]
    assert [row.number for row in export._evenly(rows, most)] == expected
