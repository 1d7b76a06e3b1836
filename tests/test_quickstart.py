"""The first command a newcomer runs, for real: training, store, server, answers, stop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import quickstart
from train.data.sample import DEMO

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    "finetune.base_model=scratch",
    "finetune.epochs=1",
    "finetune.batch_size=256",
    "scratch.layers=1",
    "scratch.hidden_size=32",
    "scratch.heads=2",
    "scratch.intermediate_size=32",
)


def run_quickstart(home: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "quickstart.py", *overrides, f"run.directory={home / 'run'}"],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def answered(output: str) -> list[tuple[str, float, str]]:
    lines = re.findall(r"^   (正面|负面)  (\d\.\d{3})  (.+)$", output, re.MULTILINE)
    return [(label, float(score), text) for label, score, text in lines]


def test_it_trains_saves_serves_and_asks(tmp_path: Path) -> None:
    done = run_quickstart(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    found = answered(done.stdout)
    assert [text for _, _, text in found] == list(DEMO)
    assert all(0.5 <= score <= 1 for _, score, _ in found)
    assert len(list((tmp_path / "models" / "bert-classifier").glob("*/manifest.json"))) == 1
    address = re.search(r"POST (http://\S+)/classify", done.stdout)
    assert address
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address[1]}/livez", timeout=5)  # noqa: S310 - our own address


def test_what_comes_next_can_be_run(tmp_path: Path) -> None:
    commands = re.findall(r"^  \S.*?\s{2,}(.+)$", quickstart.NEXT.format(python="python"), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        program, *words = command.split()
        if program == "make":
            found = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, check=False)
        else:
            shown = [word.replace("all", "show") if word == "all" else word for word in words]
            found = subprocess.run([sys.executable, *shown], cwd=ROOT, capture_output=True, check=False)
        assert found.returncode == 0, (command, found.stderr)


def test_a_failed_training_is_told_and_nothing_is_served(tmp_path: Path) -> None:
    done = run_quickstart(tmp_path, "finetune.epoch=1")
    assert done.returncode == 1
    assert "epochs" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("quickstart failed: ")
    assert not (tmp_path / "models").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_full_quickstart_learns_negation(tmp_path: Path) -> None:
    done = run_quickstart(tmp_path)
    assert done.returncode == 0, done.stderr
    accuracy = re.search(r"([\d.]+)% of [\d,]+ test reviews", done.stdout)
    assert accuracy
    assert float(accuracy[1]) >= 95
    labels = {text: label for label, _, text in answered(done.stdout)}
    assert labels["一点也不吵，睡得很好。"] == "正面"
    assert labels["说好的安静呢？一点也不安静。"] == "负面"
