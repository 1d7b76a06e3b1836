"""Domain adaptation: what continued pre-training on unlabelled reviews gives where labels are few.

The included encoder reads the unlabelled reviews of online_shopping_10_cats, without those that also stand in
ChnSentiCorp's dev and test rows; then both encoders are fine-tuned on a few labelled rows of ChnSentiCorp.
With `--folder` a benchmark that was stopped goes on from its last checkpoint or finished training.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks import accuracy, curves, datasets, machine, record
from benchmarks.datasets import DatasetError, Splits
from benchmarks.kept import Kept, digest
from benchmarks.options import add_training, positive
from loadtests.table import table
from train.pretrain import PRETRAINING_NAME

REVIEWS = Path("online_shopping_10_cats") / "online_shopping_10_cats.zip"
LABELLED = "chnsenticorp"
BASE = "bert-mini-chinese"
ADAPTED = f"{BASE}, adapted"
RECIPE = accuracy.RECIPES / f"{LABELLED}.toml"
LABELS = (100, 500, 2000)
HEADER = ("labelled rows", "model", "accuracy", "macro-F1", "seeds")
_MOST_DEV = 500
_FEWEST_STEPS = 300
_BATCH = 16
_SMALL_BATCHES = ("finetune.optimizer=adamw", "finetune.learning_rate=2e-4", f"finetune.batch_size={_BATCH}")
"""Of a step of so few tokens Muon, which the recipe for all rows takes, would be too large a part."""


@dataclass(frozen=True, slots=True)
class Point:
    """One fine-tuned model on the test rows that do not stand in train."""

    labels: int
    model: str
    seed: int
    accuracy: float
    macro_f1: float


def main(argv: Sequence[str]) -> int:
    """Adapt, fine-tune on few rows with each seed, print the table, draw the curves, write the JSON."""
    options = _parser().parse_args(argv)
    host = machine.describe(accuracy.PACKAGES)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-adaptation-") as temporary:
            folder = _made(options.folder or Path(temporary))
            encoder = adapt(folder, options)
            bases = {BASE: accuracy.ENCODER, ADAPTED: encoder}
            points = measure(Path(temporary), bases, options, Kept(folder / "points.jsonl"))
            report = json.loads((encoder / PRETRAINING_NAME).read_text(encoding="utf-8"))["pretraining"]
    except (DatasetError, accuracy.TrainingFailedError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{host}\n\n{table(HEADER, rows(points))}")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": {name: str(value) for name, value in vars(options).items()},
        "pretraining": report,
        "points": [asdict(point) for point in points],
    }
    path = record.write("adaptation", content, options.results)
    drawn = curves.draw(lines_of(points), path.with_suffix(".png"))
    print(f"\n{path}\n{drawn or ''}")
    return 0


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be made ({error.strerror}); name another folder.") from error
    return folder.absolute()


def adapt(folder: Path, options: argparse.Namespace) -> Path:
    """Continue pre-training on the reviews, from where it was stopped, and return the encoder.

    An encoder of as many minutes that is there and learned the same texts is taken as it is.
    """
    corpus = folder / "reviews.jsonl"
    corpus.write_text("".join(f"{json.dumps({'text': text})}\n" for text in reviews(options.data)))
    held = [options.data / LABELLED / f"{name}.tsv#text_a" for name in ("dev", "test")]
    recipe = folder / "adaptation.toml"
    lists = {"files": [f"{corpus}#text"], "exclude": [str(path) for path in held]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in lists.items()]
    recipe.write_text("\n".join(["[corpus]", *lines, ""]), encoding="utf-8")
    overrides = [
        f"pretrain.base_model={BASE}",
        f"pretrain.max_minutes={options.minutes}",
        "pretrain.epochs=30",
        "pretrain.max_length=256",
        "pretrain.muon_learning_rate=2e-3",
        "pretrain.adamw_learning_rate=5e-4",
        f"run.directory={folder / f'adaptation-{options.minutes:g}-minutes'}",
        "pretrain.resume=true",
    ]
    return Path(accuracy.run_train("pretrain", recipe, overrides, home=folder / "bentoml"))


def reviews(data: Path) -> list[str]:
    """Return the texts of the reviews, labels left behind.

    Raises
    ------
    DatasetError
        The file is missing.
    """
    try:
        with zipfile.ZipFile(data / REVIEWS) as archive, archive.open(archive.namelist()[0]) as file:
            found = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline="")))
    except OSError as error:
        raise DatasetError(f"{data / REVIEWS} cannot be read ({error.strerror}); name its folder.") from error
    return [text for row in found if (text := row["review"].strip().lstrip("\ufeff"))]


def measure(folder: Path, bases: dict[str, Path], options: argparse.Namespace, kept: Kept) -> list[Point]:
    """Fine-tune every base on the same few rows, drawn anew with every seed, but for what is kept."""
    splits = datasets.read(LABELLED, options.data)
    points = []
    for labels in options.labels or LABELS:
        for seed in range(1, options.seeds + 1):
            few = drawn(splits, labels, seed)
            for name, base in bases.items():
                settings = _settings(len(few.train), seed, options.overrides)
                depends_on = _dependencies(base, settings, labels)
                train = partial(_fine_tuned, folder, few, [f"finetune.base_model={base}", *settings])
                points += [
                    Point(labels, name, seed, **figures) for figures in kept.measured(depends_on, train)
                ]
                print(points[-1], file=sys.stderr, flush=True)
    return points


def drawn(splits: Splits, labels: int, seed: int) -> Splits:
    """Return so many training rows, no more dev rows than those, and the test rows that leak nothing."""
    generator = random.Random(seed)
    dev = generator.sample(splits.dev, min(labels, _MOST_DEV, len(splits.dev)))
    return Splits(
        generator.sample(splits.train, min(labels, len(splits.train))), dev, splits.leak_free_test()
    )


def _settings(labelled: int, seed: int, overrides: Sequence[str]) -> list[str]:
    epochs = max(4, -(-_FEWEST_STEPS * _BATCH // labelled))
    return [
        f"finetune.seed={seed}",
        f"finetune.epochs={min(epochs, 20)}",
        *_SMALL_BATCHES,
        *overrides,
    ]


def _dependencies(base: Path, settings: Sequence[str], labels: int) -> dict[str, object]:
    """Return what decides the figures of a training, but for the code and the data."""
    files = [RECIPE, *(base / name for name in accuracy.READ[BASE])]
    return {"labels": labels, "settings": list(settings), "files": digest(files)}


def _fine_tuned(folder: Path, splits: Splits, settings: Sequence[str]) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory(dir=folder) as run:
        training = accuracy.Training(RECIPE, Path(run), settings)
        training.run(splits)
        found = training.evaluate(splits.test)
    return [{name: found[name] for name in ("accuracy", "macro_f1")}]


def rows(points: Sequence[Point]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`: means over the seeds, and the range of the accuracies."""
    groups: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.labels, point.model), []).append(point)
    return [
        (
            f"{labels:,}",
            model,
            accuracy.mean_and_range([point.accuracy for point in group]),
            f"{mean(point.macro_f1 for point in group):.4f}",
            str(len(group)),
        )
        for (labels, model), group in groups.items()
    ]


def lines_of(points: Sequence[Point]) -> dict[str, list[tuple[int, list[float]]]]:
    """Return for every model its accuracies by number of labelled rows, in ascending order."""
    models = dict.fromkeys(point.model for point in points)
    counts = sorted({point.labels for point in points})
    return {
        model: [
            (count, [point.accuracy for point in points if (point.model, point.labels) == (model, count)])
            for count in counts
        ]
        for model in models
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks adaptation", description=(__doc__ or "").partition("\n")[0]
    )
    add_training(parser)
    parser.add_argument("--minutes", type=float, default=15.0, help="of pre-training; default: %(default)g")
    parser.add_argument(
        "--labels",
        type=positive,
        action="append",
        help=f"labelled rows; default: {', '.join(map(str, LABELS))}",
    )
    parser.add_argument(
        "--folder", type=Path, help="keeps encoder and finished trainings; the next call goes on from them"
    )
    return parser
