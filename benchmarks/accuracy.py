"""Training from random weights on public data, by the command line, beside the floor of character counts.

No pretrained weights are used, so figures stand beside the floor and not beside published ones of BERT. Where
test rows also stand in train, the model is measured again without them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import datasets, floor, machine, record
from benchmarks.datasets import DATASETS, DatasetError, Rows, Splits
from loadtests.server import ROOT
from loadtests.table import table

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers", "scikit-learn")
RECIPES = Path(__file__).with_name("recipes")
HEADER = ("data set", "test rows", "model", "accuracy", "macro-F1", "seconds")


class TrainingFailedError(RuntimeError):
    """`python -m train` failed; it has told why on standard error."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on one set of test rows; `seconds` is all that it took to train it."""

    dataset: str
    test_rows: int
    model: str
    accuracy: float
    macro_f1: float
    seconds: float

    def row(self) -> tuple[str, ...]:
        """Return the cells under `HEADER`."""
        shares = f"{self.accuracy:.4f}", f"{self.macro_f1:.4f}"
        return (self.dataset, f"{self.test_rows:,}", self.model, *shares, f"{self.seconds:,.0f}")


@dataclass(frozen=True, slots=True)
class Training:
    """Runs `python -m train` for one data set, in folders of its own."""

    recipe: Path
    folder: Path
    overrides: Sequence[str]

    def run(self, splits: Splits) -> float:
        """Run `train all` and return its seconds."""
        named = {"train": splits.train, "dev": splits.dev, "test": splits.test}
        paths = {name: datasets.write(rows, self.folder / f"{name}.jsonl") for name, rows in named.items()}
        started = time.monotonic()
        self._train("all", [f"data.{name}={path}" for name, path in paths.items()])
        return time.monotonic() - started

    def evaluate(self, rows: Rows) -> dict[str, float]:
        """Measure the trained model on some rows through `train evaluate`."""
        train = f"data.train={self.folder / 'train.jsonl'}"
        test = f"data.test={datasets.write(rows, self.folder / 'measured.jsonl')}"
        metrics = Path(self._train("evaluate", [train, test]))
        found: dict[str, float] = json.loads(metrics.read_text(encoding="utf-8"))
        return found

    def _train(self, command: str, overrides: Sequence[str]) -> str:
        arguments = [*overrides, f"run.directory={self.folder / 'run'}", *self.overrides]
        environment = {
            **os.environ,
            "BENTOML_HOME": str(self.folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
        }
        done = subprocess.run(
            [sys.executable, "-m", "train", command, str(self.recipe), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TrainingFailedError(
                f"`python -m train {command} {self.recipe}` ended with status {done.returncode}."
            )
        return done.stdout.strip()


def main(argv: Sequence[str]) -> int:
    """Train and measure on every chosen data set, print the table, write the JSON."""
    options = _parser().parse_args(argv)
    host = machine.describe(PACKAGES)
    try:
        found = [figures for name in options.dataset or DATASETS for figures in measure(name, options)]
    except (DatasetError, TrainingFailedError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{host}\n\n{table(HEADER, [figures.row() for figures in found])}")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": {name: str(value) for name, value in vars(options).items()},
        "figures": [asdict(figures) for figures in found],
    }
    print(f"\n{record.write('accuracy', content, options.results)}")
    return 0


def measure(name: str, options: argparse.Namespace) -> list[Figures]:
    """Train on one data set and return its figures, with and without leaked rows where there are any."""
    splits = datasets.read(name, options.data)
    if options.rows is not None:
        splits = splits.first(options.rows)
    tests = {name: splits.test}
    if len(leak_free := splits.leak_free_test()) < len(splits.test):
        tests[f"{name}, leak-free"] = leak_free
    return [*_floors(splits, tests), *_trained(name, splits, tests, options.overrides)]


def _floors(splits: Splits, tests: Mapping[str, Rows]) -> Iterator[Figures]:
    for name in floor.FLOORS:
        started = time.monotonic()
        model = floor.fit(name, splits.train)
        seconds = time.monotonic() - started
        for title, rows in tests.items():
            yield Figures(title, len(rows), name, **floor.figures(model, rows), seconds=round(seconds, 1))


def _trained(
    name: str, splits: Splits, tests: Mapping[str, Rows], overrides: Sequence[str]
) -> Iterator[Figures]:
    with tempfile.TemporaryDirectory(prefix="benchmark-train-") as folder:
        training = Training(RECIPES / f"{name}.toml", Path(folder), overrides)
        seconds = training.run(splits)
        for title, rows in tests.items():
            found = training.evaluate(rows)
            yield Figures(
                title, len(rows), "python -m train", found["accuracy"], found["macro_f1"], round(seconds, 1)
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks accuracy", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder of the data sets; %(default)s",
    )
    parser.add_argument("--dataset", action="append", choices=list(DATASETS), help="default: each")
    parser.add_argument("--rows", type=int, help="rows of each split, for trying things out; default: all")
    parser.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="laid over the recipes")
    return parser
