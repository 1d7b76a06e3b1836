from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.classifier import Classifier
from runtime.errors import DataError, DigestError, UsageError
from runtime.manifest import Manifest, file_digest
from tests.train.conftest import write_csv
from train import evaluate, prepare
from train.config import Recipe
from train.data.loader import load_rows
from train.recipe import read_recipe
from train.run import RunDirectory


def measured(directory: RunDirectory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(directory.metrics.read_text(encoding="utf-8"))
    return found


def test_figures_are_those_of_the_served_predictions(finished: Recipe) -> None:
    directory = RunDirectory.of(finished)
    classifier = Classifier.load(directory.model)
    rows = load_rows(finished, "test", classifier.manifest.labels)
    predictions = classifier.predict([row.input for row in rows])
    right = sum(row.label == found.label for row, found in zip(rows, predictions, strict=True))
    found = measured(directory)
    assert found["accuracy"] == right / len(rows)
    assert (found["split"], found["rows"]) == ("test", 20)
    assert sum(map(sum, found["confusion"])) == 20
    assert list(found["classes"]) == list(classifier.manifest.labels)
    assert found["accuracy_interval"][0] <= found["accuracy"] <= found["accuracy_interval"][1]


def test_metrics_name_the_rows_and_the_weights_they_belong_to(finished: Recipe) -> None:
    directory = RunDirectory.of(finished)
    found = measured(directory)
    test = Path(str(finished.data.test))
    assert found["data"] == [{"path": str(test), "sha256": file_digest(test), "rows": 20}]
    assert found["weights"] == Manifest.read(directory.model).files["model.safetensors"]
    assert (found["backend"], found["precision"]) == ("torch", "fp32")


@pytest.mark.parametrize(
    ("override", "split", "rows"),
    [("evaluate.split=dev", "dev", 24), ("data.test=", "dev", 24), ("evaluate.split=test", "test", 20)],
)
def test_the_split_is_chosen_and_dev_stands_in_for_test(
    run_copy: tuple[Path, RunDirectory], override: str, split: str, rows: int
) -> None:
    path, directory = run_copy
    assert evaluate.run(read_recipe(path, [override])) == directory.metrics
    found = measured(directory)
    assert (found["split"], found["rows"]) == (split, rows)


def test_the_size_of_batches_changes_no_figure(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    before = measured(directory)
    evaluate.run(read_recipe(path, ["evaluate.batch_size=3"]))
    after = measured(directory)
    del before["seconds"], after["seconds"]
    assert after == before


def test_errors_are_listed_the_most_confident_first(
    run_copy: tuple[Path, RunDirectory], tmp_path: Path
) -> None:
    path, directory = run_copy
    lines = "".join(
        f"房间{'很好' if i % 2 else '太差'}{'，还行' * (i % 5)},{'负面' if i % 2 else '正面'}\n"
        for i in range(10)
    )
    swapped = tmp_path / "swapped.csv"
    swapped.write_text("text,label\n" + lines, encoding="utf-8")
    evaluate.run(read_recipe(path, [f"data.test={swapped}"]))
    with directory.errors.open(encoding="utf-8-sig", newline="") as file:
        errors = list(csv.DictReader(file))
    assert len(errors) == round(10 * (1 - measured(directory)["accuracy"])) >= 8
    scores = [float(error["score"]) for error in errors]
    assert scores == sorted(scores, reverse=True)
    for error in errors:
        assert error["label"] != error["predicted"]
        assert float(error["score"]) > float(error["label_score"])
        line = swapped.read_text(encoding="utf-8").split("\n")[int(error["row"]) - 1]
        assert line == f"{error['text']},{error['label']}"
    assert errors[0]["text"] in directory.report.read_text(encoding="utf-8")


def test_errors_in_prepared_rows_are_listed_where_a_person_finds_them(
    run_copy: tuple[Path, RunDirectory], tmp_path: Path
) -> None:
    path, directory = run_copy
    swapped = tmp_path / "swapped.csv"
    rows = [(f"{'很好' if i % 2 else '太差'}{'呀' * i}", "负面" if i % 2 else "正面") for i in range(10)]
    write_csv(swapped, [("房间很好", "负面"), *rows])
    settings = [f"data.test={swapped}", "prepare.near_duplicates=0", "prepare.conflicts=keep"]
    folder = prepare.run(read_recipe(path, settings))
    evaluate.run(read_recipe(path, [f"data.prepared={folder}"]))
    with directory.errors.open(encoding="utf-8-sig", newline="") as file:
        errors = list(csv.DictReader(file))
    lines = swapped.read_text(encoding="utf-8").splitlines()
    assert errors
    for error in errors:
        assert error["file"] == str(swapped)
        assert lines[int(error["row"]) - 1] == f"{error['text']},{error['label']}"
    assert f"{swapped} row {errors[0]['row']}" in directory.report.read_text(encoding="utf-8")
    assert measured(directory)["data"][0]["path"] == str(folder / "test.parquet")


def test_the_table_goes_to_standard_error(
    run_copy: tuple[Path, RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(read_recipe(run_copy[0]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "正面" in captured.err
    assert "macro-F1 " in captured.err


def test_a_label_the_model_does_not_know_is_refused(
    run_copy: tuple[Path, RunDirectory], tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("text,label\nx,正\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.csv row 2 has the unknown label '正'"):
        evaluate.run(read_recipe(run_copy[0], [f"data.test={tmp_path / 'other.csv'}"]))


@pytest.mark.parametrize(("accuracy", "warned"), [(0.75, True), (0.76, False)])
def test_a_model_no_better_than_the_most_frequent_label_is_told(
    accuracy: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    found: Any = {"accuracy": accuracy, "rows": 4, "confusion": [[3, 0], [1, 0]]}
    evaluate._warn_if_useless(found)
    assert ("most frequent label" in caplog.text) is warned


def test_without_a_model_finetune_is_named(project: Path) -> None:
    with pytest.raises(UsageError, match="run `python -m train finetune` first"):
        evaluate.run(read_recipe(project))


def test_a_changed_model_is_not_measured(run_copy: tuple[Path, RunDirectory]) -> None:
    path, directory = run_copy
    with (directory.model / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(DigestError):
        evaluate.run(read_recipe(path))
