"""Fine-tuning the included encoder on public data, by the command line, beside random weights and the floor.

The model from scratch has the same architecture, vocabulary and recipe but for the learning rate; the floor
counts characters. Where test rows also stand in train, models are measured again without them. Hours of
training are not lost when it is stopped: `--kept` names a file from which it goes on.
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
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import datasets, floor, machine, record
from benchmarks.datasets import DATASETS, DatasetError, Rows, Splits
from benchmarks.kept import Kept, digest
from benchmarks.options import add_training
from loadtests.server import ROOT
from loadtests.table import table

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers", "scikit-learn")
RECIPES = Path(__file__).with_name("recipes")
ENCODER = ROOT / "train" / "encoders" / "bert-mini-chinese"
HEADER = ("data set", "test rows", "model", "accuracy", "macro-F1", "seconds")

ARMS: dict[str, tuple[str, ...]] = {
    "bert-mini-chinese": (),
    "from scratch": ("finetune.base_model=scratch", "finetune.learning_rate=3e-4"),
}
"""What is trained → settings laid over the recipe of a data set."""

READ: dict[str, tuple[str, ...]] = {
    "bert-mini-chinese": ("config.json", "tokenizer.json", "model.safetensors"),
    "from scratch": ("tokenizer.json",),
}
"""What is trained → the files of `ENCODER` that it reads."""


class TrainingFailedError(RuntimeError):
    """`python -m train` failed; it has told why on standard error."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on one set of test rows; `seconds` is the time of training, `seed` what it was drawn with."""

    dataset: str
    test_rows: int
    model: str
    accuracy: float
    macro_f1: float
    seconds: float
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """Runs `python -m train` for one data set, in folders of its own."""

    recipe: Path
    folder: Path
    overrides: Sequence[str]

    def run(self, splits: Splits) -> float:
        """Run `train finetune` and return its seconds."""
        named = {"train": splits.train, "dev": splits.dev, "test": splits.test}
        paths = {name: datasets.write(rows, self.folder / f"{name}.jsonl") for name, rows in named.items()}
        started = time.monotonic()
        self._train("finetune", [f"data.{name}={path}" for name, path in paths.items()])
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
        return run_train(command, self.recipe, arguments, home=self.folder / "bentoml")


def run_train(command: str, recipe: Path, overrides: Sequence[str], *, home: Path) -> str:
    """Run `python -m train` with a model store of its own, and return what it prints.

    Raises
    ------
    TrainingFailedError
        It did not end well.
    """
    done = subprocess.run(
        [sys.executable, "-m", "train", command, str(recipe), *overrides],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TrainingFailedError(
            f"`python -m train {command} {recipe}` ended with status {done.returncode}."
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
    print(f"{host}\n\n{table(HEADER, rows(found))}")
    print(*gain_lines(found), sep="\n")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": {name: str(value) for name, value in vars(options).items()},
        "figures": [asdict(figures) for figures in found],
    }
    print(f"\n{record.write('accuracy', content, options.results)}")
    return 0


def rows(found: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`: means over the seeds, and the range of the accuracies."""
    return [
        (
            dataset,
            f"{group[0].test_rows:,}",
            model,
            mean_and_range([one.accuracy for one in group]),
            f"{mean(one.macro_f1 for one in group):.4f}",
            f"{mean(one.seconds for one in group):,.0f}",
        )
        for (dataset, model), group in _grouped(found).items()
    ]


def gain_lines(found: Sequence[Figures]) -> list[str]:
    """Say by how much the first arm's mean accuracy exceeds the second's, per set and over all of them."""
    groups = _grouped(found)
    first, second = ARMS
    gains = {
        dataset: 100 * (_mean(group) - _mean(groups[dataset, second]))
        for (dataset, model), group in groups.items()
        if model == first and (dataset, second) in groups
    }
    lines = [f"{first} over {second}, {dataset}: {gain:+.1f} points" for dataset, gain in gains.items()]
    return [*lines, f"mean: {mean(gains.values()):+.1f} points"] if gains else []


def _grouped(found: Sequence[Figures]) -> dict[tuple[str, str], list[Figures]]:
    groups: dict[tuple[str, str], list[Figures]] = {}
    for one in found:
        groups.setdefault((one.dataset, one.model), []).append(one)
    return groups


def _mean(group: Sequence[Figures]) -> float:
    return mean(one.accuracy for one in group)


def mean_and_range(values: Sequence[float]) -> str:
    """Return `mean (lowest-highest)`, the range only where there is one."""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{mean(values):.4f} ({min(values):.4f}-{max(values):.4f})"


def measure(name: str, options: argparse.Namespace) -> list[Figures]:
    """Train on one data set and return its figures, with and without leaked rows where there are any."""
    splits = datasets.read(name, options.data)
    if options.rows is not None:
        splits = splits.first(options.rows)
    tests = {name: splits.test}
    if len(leak_free := splits.leak_free_test()) < len(splits.test):
        tests[f"{name}, leak-free"] = leak_free
    found = list(_floors(splits, tests))
    kept = Kept(options.kept)
    for arm in options.arm or ARMS:
        for seed in range(1, options.seeds + 1):
            overrides = [*ARMS[arm], f"finetune.seed={seed}", *options.overrides]
            depends_on = _dependencies(name, arm, overrides, options.rows)
            train = partial(_trained, name, splits, tests, overrides, arm, seed)
            found += [Figures(**one) for one in kept.measured(depends_on, train)]
            print(name, arm, seed, found[-1].accuracy, file=sys.stderr, flush=True)
    return found


def _dependencies(name: str, arm: str, overrides: Sequence[str], rows: int | None) -> dict[str, object]:
    """Return what decides the figures of a training, but for the code and the data."""
    files = digest([RECIPES / f"{name}.toml", *(ENCODER / file for file in READ[arm])])
    return {"dataset": name, "arm": arm, "overrides": list(overrides), "rows": rows, "files": files}


def _floors(splits: Splits, tests: Mapping[str, Rows]) -> Iterator[Figures]:
    for name in floor.FLOORS:
        started = time.monotonic()
        model = floor.fit(name, splits.train)
        seconds = time.monotonic() - started
        for title, rows in tests.items():
            found = floor.figures(model, rows)
            yield Figures(title, len(rows), name, found["accuracy"], found["macro_f1"], round(seconds, 1))


def _trained(
    name: str, splits: Splits, tests: Mapping[str, Rows], overrides: Sequence[str], arm: str, seed: int
) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="benchmark-train-") as folder:
        training = Training(RECIPES / f"{name}.toml", Path(folder), overrides)
        seconds = training.run(splits)
        for title, rows in tests.items():
            found = training.evaluate(rows)
            accuracy, macro_f1 = found["accuracy"], found["macro_f1"]
            yield asdict(Figures(title, len(rows), arm, accuracy, macro_f1, round(seconds, 1), seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks accuracy", description=(__doc__ or "").partition("\n")[0]
    )
    add_training(parser)
    parser.add_argument("--dataset", action="append", choices=list(DATASETS), help="default: each")
    parser.add_argument("--arm", action="append", choices=list(ARMS), help="default: each")
    parser.add_argument(
        "--kept", type=Path, help="JSON lines of finished trainings; those are not repeated, new ones added"
    )
    parser.add_argument("--rows", type=int, help="rows of each split, for trying things out; default: all")
    return parser
