from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runtime.classifier import Classifier
from train import all as everything
from train.__main__ import main
from train.recipe import read_recipe


def test_one_command_leads_from_rows_to_a_stored_model(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["all", str(project), "store.name=from-all", "store.version=1"]) == 0
    captured = capfd.readouterr()
    stored = Path(os.environ["BENTOML_HOME"]) / "models" / "from-all" / "1"
    assert captured.out == f"{stored}\n"
    for line in ("epoch 3 of 3", "accuracy 1.0000", "saved from-all:1"):
        assert line in captured.err
    assert "Warning" not in captured.err
    assert "\r" not in captured.err
    assert Classifier.load(stored).predict(["房间太差"])[0].label == "负面"
    assert json.loads((stored / "metrics.json").read_text(encoding="utf-8"))["accuracy"] == 1.0


def test_a_missing_key_is_missed_before_any_work(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BENTOBERT_KEY", raising=False)
    assert main(["all", str(project), "protection.encrypt=true"]) == 1
    assert "there is no key" in capsys.readouterr().err
    assert not (project.parent / "run").exists()


def test_the_steps_run_in_order_and_the_last_path_is_the_result(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    for step in ("finetune", "evaluate", "export", "save"):

        def run(recipe: object, step: str = step) -> Path:
            ran.append(step)
            return Path(step)

        monkeypatch.setattr(getattr(everything, step), "run", run)
    assert everything.run(read_recipe(project)) == Path("save")
    assert ran == ["finetune", "evaluate", "export", "save"]
