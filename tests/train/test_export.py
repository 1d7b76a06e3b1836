from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from runtime.classifier import Classifier
from runtime.errors import TrainingError, UsageError
from runtime.manifest import Manifest
from train import export
from train.config import Recipe
from train.data.loader import load_rows
from train.data.rows import Row
from train.export import EXPORTERS, Parity, compare
from train.recipe import read_recipe
from train.run import RunDirectory

PRECISIONS = ("fp32", "bf16")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("backend", EXPORTERS)
def test_every_export_is_served_and_loads_with_transformers(
    run_copy: tuple[Path, RunDirectory], backend: str, precision: str
) -> None:
    path, directory = run_copy
    recipe = read_recipe(path, [f"export.backend={backend}", f"export.precision={precision}"])
    assert export.run(recipe) == directory.export
    manifest = Manifest.read(directory.export)
    assert (manifest.backend, manifest.precision) == (backend, precision)
    served, original = (Classifier.load(folder) for folder in (directory.export, directory.model))
    texts = ["房间很好", "房间太差"]
    np.testing.assert_allclose(served.predict_proba(texts), original.predict_proba(texts), atol=2e-2)
    model = AutoModelForSequenceClassification.from_pretrained(directory.export)
    assert model.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def test_parity_stands_in_the_manifest(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    export.run(read_recipe(path, ["export.precision=bf16"]))
    parity = Manifest.read(directory.export).parity
    assert parity is not None
    assert set(parity) == set(Parity.__slots__)
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


def harm(directory: Path, precision: str) -> None:
    """Swap the two labels in the weights."""
    path = directory / "model.safetensors"
    weights = load_file(path)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, path, {"format": "pt"})


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


@pytest.mark.parametrize(
    ("agreement", "drop", "passes"),
    [(1.0, 0.0, True), (0.995, 0.5, True), (0.994, 0.0, False), (1.0, 0.51, False), (0.999, -2.0, True)],
)
def test_the_gate_is_where_it_is_said_to_be(agreement: float, drop: float, passes: bool) -> None:
    parity = Parity(rows=1000, label_agreement=agreement, accuracy_drop=drop, max_probability_change=0.1)
    if passes:
        export._gate(parity, "x")
    else:
        with pytest.raises(TrainingError):
            export._gate(parity, "x")


def test_parity_counts_what_differs(finished: Recipe, tmp_path: Path) -> None:
    source = RunDirectory.of(finished).model
    shutil.copytree(source, tmp_path / "harmed")
    harm(tmp_path / "harmed", "fp32")
    original, harmed = Classifier.load(source), Classifier.load(tmp_path / "harmed", verify=False)
    rows = load_rows(finished, "dev", original.manifest.labels)
    found = compare(original, harmed, rows)
    assert found.label_agreement == 0.0
    assert found.accuracy_drop == pytest.approx(100.0)
    assert found.max_probability_change > 0.1


def test_without_a_model_finetune_is_named(project: Path) -> None:
    with pytest.raises(UsageError, match="run `python -m train finetune` first"):
        export.run(read_recipe(project))


@pytest.mark.parametrize(("count", "most", "expected"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8])])
def test_many_dev_rows_are_thinned_evenly(count: int, most: int, expected: list[int]) -> None:
    rows = [Row("text", None, "label", "dev.csv", number, number) for number in range(count)]
    assert [row.number for row in export._evenly(rows, most)] == expected
