"""Which rows the adaptation benchmark learns, draws and measures; the trainings are stood in for."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import accuracy, adaptation
from benchmarks.adaptation import Point
from benchmarks.datasets import DatasetError, Splits
from train.recipe import read_recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with 40 labelled reviews, one of them in train and test, and three unlabelled ones."""
    folder = tmp_path / "data"
    (folder / "chnsenticorp").mkdir(parents=True)
    rows = [f"{number % 2}\t{'好差'[number % 2] * 3}第{number}条" for number in range(40)]
    for name, part in {"train": rows[:24], "dev": rows[24:32], "test": [rows[0], *rows[32:]]}.items():
        text = "\n".join(["label\ttext_a", *part, ""])
        (folder / "chnsenticorp" / f"{name}.tsv").write_text(text, encoding="utf-8")
    (folder / "online_shopping_10_cats").mkdir()
    with zipfile.ZipFile(folder / adaptation.REVIEWS, "w") as archive:
        archive.writestr("reviews.csv", 'cat,label,review\n书籍,1,\ufeff很好\n酒店,0,\n酒店,1,"不, 错"\n')
    return folder


def test_reviews_are_read_without_their_labels_and_without_empty_ones(data: Path) -> None:
    assert adaptation.reviews(data) == ["很好", "不, 错"]


def test_missing_reviews_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"online_shopping_10_cats.zip cannot be read"):
        adaptation.reviews(tmp_path)


def test_rows_are_drawn_by_seed_and_the_test_rows_leak_nothing() -> None:
    rows = [(str(number % 2), str(number)) for number in range(100)]
    splits = Splits(rows[:80], rows[80:90], [rows[0], *rows[90:]])
    first, again, other = (adaptation.drawn(splits, 20, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.train != other.train
    assert [len(part) for part in (first.train, first.dev, first.test)] == [20, 10, 10]
    assert rows[0] not in first.test
    assert len(adaptation.drawn(splits, 5, 1).dev) == 5


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the arguments of every training, which are stood in for: what is adapted reaches 90 %."""
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command[3:])
        if command[3] == "pretrain":
            recipe = read_recipe(Path(command[4]), command[5:])
            corpus = recipe.unlabelled()
            (reviews,) = (Path(name.partition("#")[0]) for name in corpus.files)
            assert len(reviews.read_text(encoding="utf-8").splitlines()) == 2
            assert [Path(name).name for name in corpus.exclude] == ["dev.tsv#text_a", "test.tsv#text_a"]
            encoder = Path(recipe.run.directory) / "encoder"
            assert recipe.pretrain.resume
            encoder.mkdir(parents=True, exist_ok=True)
            for name in accuracy.READ[adaptation.BASE]:
                if not (encoder / name).exists():
                    (encoder / name).write_text(str(encoder), encoding="utf-8")
            (encoder / "pretraining.json").write_text('{"pretraining": {"steps": 7}}', encoding="utf-8")
            return subprocess.CompletedProcess(command, 0, stdout=f"{encoder}\n")
        is_adapted = any("/adaptation-" in part for part in command)
        metrics = tmp_path / "metrics.json"
        metrics.write_text(json.dumps(dict.fromkeys(("accuracy", "macro_f1", "mcc"), 0.8 + 0.1 * is_adapted)))
        return subprocess.CompletedProcess(command, 0, stdout=f"{metrics}\n")

    monkeypatch.setattr(accuracy, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))
    return calls


def test_both_bases_are_trained_on_the_same_rows_and_stand_in_table_plot_and_json(
    data: Path, tmp_path: Path, calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(data), "--results", str(tmp_path / "results"), "--seeds", "2"]
    assert adaptation.main([*options, "--labels", "10", "--labels", "20"]) == 0
    assert [call[0] for call in calls] == ["pretrain", *["finetune", "evaluate"] * 8]
    bases = [part for call in calls for part in call if part.startswith("finetune.base_model=")]
    assert len(set(bases)) == 2
    printed = capsys.readouterr().out
    assert "0.9000 (0.9000-0.9000)" in printed
    results = sorted(path.suffix for path in (tmp_path / "results").iterdir())
    assert results == [".json", ".png"]
    (path,) = (tmp_path / "results").glob("*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["pretraining"] == {"steps": 7}
    assert len(content["points"]) == 8


def test_a_folder_keeps_encoder_and_finished_trainings(
    data: Path, tmp_path: Path, calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(data), "--results", str(tmp_path / "results"), "--seeds", "1"]
    options += ["--folder", str(tmp_path / "kept"), "--labels", "10"]
    assert adaptation.main(options) == 0
    first = capsys.readouterr().out
    calls.clear()
    assert adaptation.main(options) == 0
    assert [call[0] for call in calls] == ["pretrain"]  # which resumes, or finds that nothing is left to do
    assert "0.9000" in first
    assert "0.9000" in capsys.readouterr().out
    (encoder,) = (tmp_path / "kept").glob("adaptation-15-minutes/encoder")
    for changed, trainings in (("finetune.learning_rate=1e-4", 2), ("finetune.learning_rate=2e-5", 2)):
        calls.clear()
        assert adaptation.main([*options, changed]) == 0
        assert [call[0] for call in calls] == ["pretrain", *["finetune", "evaluate"] * trainings]
    (encoder / "model.safetensors").write_text("other", encoding="utf-8")
    calls.clear()
    assert adaptation.main(options) == 0
    assert [call[0] for call in calls] == ["pretrain", "finetune", "evaluate"]
    assert not list((tmp_path / "kept").glob("tmp*"))


def test_other_minutes_make_another_encoder(data: Path, tmp_path: Path, calls: list[list[str]]) -> None:
    options = ["--data", str(data), "--results", str(tmp_path / "results"), "--seeds", "1", "--labels", "10"]
    options += ["--folder", str(tmp_path / "kept")]
    for minutes in ("1", "0.5"):
        assert adaptation.main([*options, "--minutes", minutes]) == 0
    assert {path.name for path in (tmp_path / "kept").glob("adapt*-*")} == {
        "adaptation-0.5-minutes",
        "adaptation-1-minutes",
    }


def test_a_folder_that_cannot_be_made_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert adaptation.main(["--data", str(data), "--folder", str(tmp_path / "file")]) == 2
    assert (
        f"{tmp_path / 'file'} cannot be made (File exists); name another folder." in capsys.readouterr().err
    )


def test_lines_hold_the_accuracies_of_each_model_by_rows() -> None:
    points = [
        Point(labels, model, seed, labels / 1000 + seed, 0.5)
        for labels in (500, 100)
        for model in ("a", "b")
        for seed in (1, 2)
    ]
    assert adaptation.lines_of(points) == {
        name: [(100, [1.1, 2.1]), (500, [1.5, 2.5])] for name in ("a", "b")
    }
    assert adaptation.rows(points)[0] == ("500", "a", "2.0000 (1.5000-2.5000)", "0.5000", "2")


def test_a_failed_training_ends_with_status_2(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="")
    monkeypatch.setattr(
        accuracy, "subprocess", SimpleNamespace(run=lambda *_, **__: failed, PIPE=subprocess.PIPE)
    )
    assert adaptation.main(["--data", str(data)]) == 2
    assert "ended with status 1" in capsys.readouterr().err
