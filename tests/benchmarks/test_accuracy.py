"""The accuracy benchmark trains by the command line and reports model and floors on the same rows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import accuracy
from benchmarks.datasets import DATASETS
from benchmarks.floor import FLOORS
from train.recipe import read_recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a small ChnSentiCorp, whose test set has one row of its train set."""
    folder = tmp_path / "data" / "chnsenticorp"
    folder.mkdir(parents=True)
    rows = [f"{number % 2}\t{'好差'[number % 2] * 3}第{number}条" for number in range(40)]
    parts = {"train": rows[:24], "dev": rows[24:32], "test": [rows[0], *rows[32:]]}
    for name, part in parts.items():
        (folder / f"{name}.tsv").write_text("\n".join(["label\ttext_a", *part, ""]), encoding="utf-8")
    return folder.parent


@pytest.mark.parametrize("name", DATASETS)
def test_each_data_set_has_a_recipe_from_random_weights(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(
        accuracy.RECIPES / f"{name}.toml", ["data.train=x.jsonl", f"run.directory={tmp_path}"]
    )
    assert recipe.finetune.base_model == "scratch"
    assert recipe.run.directory == tmp_path


def test_the_command_line_is_called_and_its_metrics_stand_beside_the_floors(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command[3:])
        assert "bentoml" in options["env"]["BENTOML_HOME"]
        measured = next(Path(part.partition("=")[2]) for part in command if part.startswith("data.test="))
        rows = measured.read_text(encoding="utf-8").splitlines()
        metrics = tmp_path / "metrics.json"
        metrics.write_text(json.dumps({"accuracy": 1 / len(rows), "macro_f1": 0.5}), encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, stdout=f"{metrics}\n")

    monkeypatch.setattr(accuracy, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))
    options = ["--data", str(data), "--dataset", "chnsenticorp", "--results", str(tmp_path / "results")]
    assert accuracy.main([*options, "finetune.epochs=1"]) == 0

    assert [call[0] for call in calls] == ["all", "evaluate", "evaluate"]
    assert all("finetune.epochs=1" in call for call in calls)
    assert all(call[1] == str(accuracy.RECIPES / "chnsenticorp.toml") for call in calls)
    (path,) = (tmp_path / "results").iterdir()
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert {(found["dataset"], found["test_rows"]) for found in figures} == {
        ("chnsenticorp", 9),
        ("chnsenticorp, leak-free", 8),
    }
    assert {found["model"] for found in figures} == {*FLOORS, "python -m train"}
    assert [found["accuracy"] for found in figures if found["model"] == "python -m train"] == [1 / 9, 1 / 8]
    assert "0.1111" in capsys.readouterr().out


def test_a_failed_training_ends_with_status_2(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="")
    stand_in = SimpleNamespace(run=lambda *_, **__: failed, PIPE=subprocess.PIPE)
    monkeypatch.setattr(accuracy, "subprocess", stand_in)
    assert accuracy.main(["--data", str(data), "--dataset", "chnsenticorp"]) == 2
    assert "ended with status 1" in capsys.readouterr().err


def test_missing_data_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["--data", str(tmp_path), "--dataset", "thucnews_titles"]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_benchmark_runs_at_tiny_size(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [
        "finetune.epochs=1",
        "scratch.hidden_size=32",
        "scratch.layers=1",
        "scratch.intermediate_size=64",
    ]
    options = ["--data", str(data), "--dataset", "chnsenticorp", "--results", str(tmp_path / "results")]
    assert accuracy.main([*options, *small]) == 0
    printed = capsys.readouterr().out
    assert printed.count("python -m train") == 2
