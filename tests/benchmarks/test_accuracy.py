"""The accuracy benchmark trains by the command line and reports model and floors on the same rows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import accuracy
from benchmarks.accuracy import Figures
from benchmarks.datasets import DATASETS
from benchmarks.floor import FLOORS
from train.pretrained import read_config, read_tokenizer
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
@pytest.mark.parametrize("arm", accuracy.ARMS)
def test_each_data_set_has_a_recipe_for_every_arm(name: str, arm: str, tmp_path: Path) -> None:
    overrides = [*accuracy.ARMS[arm], "data.train=x.jsonl", f"run.directory={tmp_path}"]
    recipe = read_recipe(accuracy.RECIPES / f"{name}.toml", overrides)
    assert recipe.finetune.base_model == ("scratch" if arm == "from scratch" else arm)
    assert recipe.run.directory == tmp_path


@pytest.mark.parametrize("name", DATASETS)
def test_the_model_from_scratch_has_the_shape_and_vocabulary_of_the_encoder(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(accuracy.ROOT)
    arms = [
        read_recipe(accuracy.RECIPES / f"{name}.toml", [*overrides, "data.train=x.jsonl"])
        for overrides in accuracy.ARMS.values()
    ]
    configs = [read_config(recipe) for recipe in arms]
    shape = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    assert [getattr(configs[0], key) for key in shape] == [getattr(configs[1], key) for key in shape]
    assert configs[0].hidden_dropout_prob == configs[1].hidden_dropout_prob
    vocabularies = [
        read_tokenizer(recipe, config).get_vocab() for recipe, config in zip(arms, configs, strict=True)
    ]
    assert vocabularies[0] == vocabularies[1]


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
    assert accuracy.main([*options, "--seeds", "2", "finetune.epochs=1"]) == 0

    assert [call[0] for call in calls] == ["finetune", "evaluate", "evaluate"] * 4
    assert all("finetune.epochs=1" in call for call in calls)
    seeds = [part for call in calls for part in call if part.startswith("finetune.seed=")]
    assert (
        seeds
        == ["finetune.seed=1"] * 3
        + ["finetune.seed=2"] * 3
        + ["finetune.seed=1"] * 3
        + ["finetune.seed=2"] * 3
    )
    assert sum("finetune.base_model=scratch" in call for call in calls) == 6
    assert all(call[1] == str(accuracy.RECIPES / "chnsenticorp.toml") for call in calls)
    (path,) = (tmp_path / "results").iterdir()
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert {(found["dataset"], found["test_rows"]) for found in figures} == {
        ("chnsenticorp", 9),
        ("chnsenticorp, leak-free", 8),
    }
    assert {found["model"] for found in figures} == {*FLOORS, *accuracy.ARMS}
    for arm in accuracy.ARMS:
        assert [found["accuracy"] for found in figures if found["model"] == arm] == [1 / 9, 1 / 8] * 2
    printed = capsys.readouterr().out
    assert printed.count("0.1111 (0.1111-0.1111)") == 2
    assert "chnsenticorp, leak-free: +0.0 points" in printed


def test_finished_trainings_are_kept_and_only_new_ones_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[str] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        runs.append(command[3])
        metrics = tmp_path / "metrics.json"
        metrics.write_text(json.dumps({"accuracy": len(runs), "macro_f1": 0.5}), encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, stdout=f"{metrics}\n")

    monkeypatch.setattr(accuracy, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))
    monkeypatch.setattr(accuracy, "ENCODER", tmp_path)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    options = ["--data", str(data), "--dataset", "chnsenticorp", "--kept", str(tmp_path / "kept.jsonl")]

    def finetuned(seeds: int) -> tuple[int, str]:
        runs.clear()
        assert accuracy.main([*options, "--seeds", str(seeds), "--results", str(tmp_path / "results")]) == 0
        printed = capsys.readouterr().out
        return runs.count("finetune"), printed.partition("results/")[0]

    assert finetuned(1)[0] == 2
    count, printed = finetuned(2)
    assert count == 2
    assert finetuned(2) == (0, printed)
    (tmp_path / "model.safetensors").write_text("other weights", encoding="utf-8")
    assert finetuned(2)[0] == 2


def test_means_and_gains_are_over_seeds_and_sets() -> None:
    def figures(dataset: str, model: str, *accuracies: float) -> list[Figures]:
        return [Figures(dataset, 10, model, value, value, 1.0, seed) for seed, value in enumerate(accuracies)]

    found = [
        *figures("a", "bert-mini-chinese", 0.8, 0.9),
        *figures("a", "from scratch", 0.7, 0.8),
        *figures("b", "bert-mini-chinese", 0.5),
        *figures("b", "from scratch", 0.52),
        *figures("c", "bert-mini-chinese", 0.9),
    ]
    assert accuracy.rows(found)[0] == (
        "a",
        "10",
        "bert-mini-chinese",
        "0.8500 (0.8000-0.9000)",
        "0.8500",
        "1",
    )
    assert accuracy.gain_lines(found) == [
        "bert-mini-chinese over from scratch, a: +10.0 points",
        "bert-mini-chinese over from scratch, b: -2.0 points",
        "mean: +4.0 points",
    ]
    assert accuracy.gain_lines(found[-1:]) == []


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
    small = ["finetune.epochs=1", "scratch.hidden_size=40", "scratch.layers=1"]
    options = ["--data", str(data), "--dataset", "chnsenticorp", "--results", str(tmp_path / "results")]
    assert accuracy.main([*options, "--seeds", "1", *small]) == 0
    printed = capsys.readouterr().out
    assert "bert-mini-chinese over from scratch, chnsenticorp, leak-free: " in printed
