"""A small labelled set, recipes for it, and one finished run that tests may read but not change."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from train import evaluate, finetune
from train.config import Recipe
from train.recipe import read_recipe
from train.run import RunDirectory

Labelled = tuple[str, str]
Make = Callable[..., Recipe]

TINY = """
[data]
train = "train.csv"
dev = "dev.csv"
test = "test.csv"
[finetune]
base_model = "scratch"
epochs = 3
batch_size = 8
learning_rate = 5e-3
weight_decay = 0.0
max_length = 24
precision = "fp32"
seed = 3
[scratch]
hidden_size = 64
layers = 1
heads = 2
intermediate_size = 64
dropout = 0.0
[run]
directory = "run"
"""


def labelled(rows: int, offset: int = 0) -> list[Labelled]:
    """Return short texts whose label follows from one word; different offsets give different texts."""
    words = [("很好", "正面"), ("太差", "负面"), ("不错", "正面"), ("难吃", "负面")]
    return [
        (f"房间{words[i % 4][0]}，第{i + offset}天" + "，还行" * (i % 3), words[i % 4][1])
        for i in range(rows)
    ]


def write_csv(path: Path, rows: Iterable[Iterable[str]], header: tuple[str, ...] = ("text", "label")) -> Path:
    """Write a csv file with a header and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_project(folder: Path) -> Path:
    """Write data files and `tiny.toml` into a folder and return the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, offset in (("train", 64, 0), ("dev", 24, 1000), ("test", 20, 2000)):
        write_csv(folder / f"{name}.csv", labelled(rows, offset))
    text = TINY
    for name in ("train.csv", "dev.csv", "test.csv", "run"):
        text = text.replace(f'"{name}"', f'"{folder / name}"')
    (folder / "tiny.toml").write_text(text, encoding="utf-8")
    return folder / "tiny.toml"


def plain(count: int, start: int = 0) -> list[tuple[str, str]]:
    """Return rows of different, short texts: below eight characters, no two are nearly equal."""
    return [
        (f"{chr(0x4E00 + index)}家，{'很好' if index % 2 else '太差'}", "ab"[index % 2])
        for index in range(start, start + count)
    ]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: with models this small, threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the path of a recipe with its data files beside it, in an otherwise empty folder."""
    return write_project(tmp_path / "project")


@pytest.fixture
def make(project: Path) -> Make:
    """Return a function that reads the recipe of `project` with overrides."""

    def read(*overrides: str, resume: bool = False) -> Recipe:
        return read_recipe(project, overrides, resume=resume)

    return read


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Return the recipe of a run that was fine-tuned and evaluated; copy its directory before changing it."""
    recipe = read_recipe(write_project(tmp_path_factory.mktemp("finished") / "project"))
    finetune.run(recipe)
    evaluate.run(recipe)
    return recipe


@pytest.fixture
def run_copy(finished: Recipe, tmp_path: Path) -> tuple[Path, RunDirectory]:
    """Return a recipe file for a private copy of the finished run, and that copy."""
    source = RunDirectory.of(finished).root
    folder = tmp_path / "copy"
    shutil.copytree(source, folder / "run")
    recipe = source.parent / "tiny.toml"
    path = folder / "tiny.toml"
    path.write_text(recipe.read_text(encoding="utf-8").replace(str(source), str(folder / "run")), "utf-8")
    return path, RunDirectory(folder / "run")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return a recipe whose files a test has to write."""
    path = tmp_path / "mine.toml"
    lines = ["[data]", f'train = "{tmp_path}/train.csv"', "[run]", f'directory = "{tmp_path}/run"']
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def dropped(folder: Path) -> list[dict[str, Any]]:
    """Return the rows that `prepare` dropped."""
    found: list[dict[str, Any]] = pq.read_table(folder / "dropped.parquet").to_pylist()
    return found


def sheet(folder: Path) -> dict[str, Any]:
    """Return the datasheet of a prepared folder."""
    found: dict[str, Any] = json.loads((folder / "datasheet.json").read_text(encoding="utf-8"))
    return found
