"""Wrong labels: how many that were flipped the list of `train noise` shows, and what mending them gives.

A tenth of the labels of 10,000 news titles is flipped, with several seeds; then the same without flips on
cic_dataclue, whose labels are wrong by its authors' intention and whose test labels are right.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from benchmarks import datasets, machine, record
from benchmarks.accuracy import PACKAGES, RECIPES, mean_and_range
from benchmarks.datasets import DatasetError, Rows
from benchmarks.options import add_training, positive
from loadtests.table import table
from train.config import Recipe
from train.data.loader import Splits
from train.data.relabel import Suspect
from train.data.rows import Row
from train.noise import suspects_of
from train.quick_models import QUICK_MODELS, score
from train.recipe import read_recipe

FLIPPED_SET = "thucnews_titles"
NOISY_SET = "cic_dataclue"
FLIPPED = 0.1
HEADER = ("data set", "model", "flipped in the list", "flagged", "of them flipped", "seconds")
ARMS_HEADER = ("data set", "model", "training labels", "test accuracy", "macro-F1")

Labels = dict[int, str | None]
"""Number of a training row → its label in place of the given one; None: the row goes."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Test figures of the model that learned one version of the labels."""

    labels: str
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What one search found; `share` of the listed and `flagged_share` of the flagged rows were flipped."""

    dataset: str
    model: str
    seed: int
    rows: int
    listed: int
    flagged: int
    share: float | None
    flagged_share: float | None
    seconds: float
    arms: tuple[Arm, ...]


def main(argv: Sequence[str]) -> int:
    """Search with each chosen model, on each chosen set, print both tables, write the JSON."""
    options = _parser().parse_args(argv)
    host = machine.describe((*PACKAGES, "cleanlab"))
    measures = {FLIPPED_SET: measure_flipped, NOISY_SET: measure_noisy}
    try:
        found = [
            one
            for name in options.dataset or measures
            for model in options.model or ["linear"]
            for one in measures[name](model, options)
        ]
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{host}\n\n{table(HEADER, rows(found))}\n\n{table(ARMS_HEADER, arm_rows(found))}")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": {name: str(value) for name, value in vars(options).items()},
        "findings": [asdict(one) for one in found],
    }
    print(f"\n{record.write('noise', content, options.results)}")
    return 0


def measure_flipped(model: str, options: argparse.Namespace) -> list[Finding]:
    """Flip labels of the titles with each seed, search, and measure what mending them gives."""
    given = datasets.read(FLIPPED_SET, options.data)
    if options.rows is not None:
        given = given.first(options.rows)
    found = []
    for seed in range(1, options.seeds + 1):
        flips = flipped(given.train, seed)
        versions: dict[str, Labels] = {"as they were": {}, f"{len(flips):,} flipped": dict(flips)}
        found.append(_measured(FLIPPED_SET, given, versions, model, seed, options.overrides))
    return found


def measure_noisy(model: str, options: argparse.Namespace) -> list[Finding]:
    """Search among labels that are wrong already."""
    given = read_noisy(options.data / NOISY_SET)
    if options.rows is not None:
        given = given.first(options.rows)
    return [_measured(NOISY_SET, given, {"as they are": {}}, model, 1, options.overrides)]


def read_noisy(folder: Path) -> datasets.Splits:
    """Read what customers say, JSON lines with label_des and sentence.

    Raises
    ------
    DatasetError
        A file is missing.
    """
    names = ("train", "dev", "test_public")
    try:
        contents = [(folder / f"{name}.json").read_text(encoding="utf-8") for name in names]
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}); name the folder of {NOISY_SET}."
        ) from error
    parts = ([json.loads(line) for line in content.splitlines() if line.strip()] for content in contents)
    return datasets.Splits(*([(row["label_des"], row["sentence"]) for row in part] for part in parts))


def flipped(rows: Rows, seed: int) -> dict[int, str]:
    """Return other labels for a tenth of the rows, each other label equally likely."""
    generator = random.Random(seed)
    labels = sorted({label for label, _ in rows})
    chosen = generator.sample(range(len(rows)), round(FLIPPED * len(rows)))
    return {at: generator.choice([label for label in labels if label != rows[at][0]]) for at in chosen}


def _measured(
    name: str,
    given: datasets.Splits,
    versions: dict[str, Labels],
    model: str,
    seed: int,
    overrides: Sequence[str],
) -> Finding:
    """Search among the last version of the labels; train on each, and on what a list makes of that one."""
    recipe = recipe_of(model, seed, overrides)
    searched = list(versions.values())[-1]
    splits = splits_of(given, searched)
    flips = set(searched)
    with tempfile.TemporaryDirectory(prefix="benchmark-noise-") as folder:
        started = time.monotonic()
        suspects = suspects_of(recipe, splits, Path(folder) / "search")
        seconds = time.monotonic() - started
        listed = suspects[: round(recipe.noise.share * len(splits.train))]
        versions = versions | mended(given, searched, suspects, listed)
        arms = tuple(
            _arm(recipe, text, splits_of(given, labels), Path(folder) / str(number))
            for number, (text, labels) in enumerate(versions.items())
        )
    issues = [suspect for suspect in suspects if suspect.is_issue]
    print(name, model, seed, _share(listed, flips), *arms, sep="\n  ", file=sys.stderr, flush=True)
    return Finding(
        *(name, model, seed, len(splits.train), len(listed), len(issues)),
        *(_share(listed, flips), _share(issues, flips), round(seconds, 1), arms),
    )


def mended(
    given: datasets.Splits, searched: Labels, suspects: Sequence[Suspect], listed: Sequence[Suspect]
) -> dict[str, Labels]:
    """Return the labels after a person went through the list, where the truth is known, and without one."""
    issues = [suspect for suspect in suspects if suspect.is_issue]
    truth: Labels = {suspect.row.number: given.train[suspect.row.number][0] for suspect in listed}
    made: dict[str, Labels] = {"listed rows corrected": searched | truth} if searched else {}
    return {
        **made,
        "listed: as suggested": searched | {suspect.row.number: suspect.suggested for suspect in listed},
        "flagged: as suggested": searched | {suspect.row.number: suspect.suggested for suspect in issues},
        "flagged rows dropped": searched | {suspect.row.number: None for suspect in issues},
    }


def splits_of(given: datasets.Splits, labels: Labels) -> Splits:
    """Return rows as training has them, numbered from 0, the training rows with other labels."""
    train = [
        (number, label, text)
        for number, (old, text) in enumerate(given.train)
        if (label := labels.get(number, old)) is not None
    ]
    names = tuple(sorted({label for label, _ in given.train}))
    known = set(names)
    dev, test = (
        [
            Row(text, None, label, split, number, number)
            for number, (label, text) in enumerate(part)
            if label in known
        ]
        for split, part in (("dev", given.dev), ("test", given.test))
    )
    return Splits([Row(text, None, label, "train", at, at) for at, label, text in train], dev, test, names)


def recipe_of(model: str, seed: int, overrides: Sequence[str]) -> Recipe:
    """Return the recipe of the titles for a search with one model; no file that it names is read."""
    settings = [
        "data.train=sample:train",
        f"noise.model={model}",
        f"noise.seed={seed}",
        f"finetune.seed={seed}",
    ]
    return read_recipe(RECIPES / f"{FLIPPED_SET}.toml", [*settings, *overrides])


def rows(found: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`: means over the seeds, and ranges."""
    return [
        (
            *key,
            _shares([one.share for one in group]),
            f"{mean(one.flagged for one in group):,.0f} of {group[0].rows:,}",
            _shares([one.flagged_share for one in group]),
            f"{mean(one.seconds for one in group):,.0f}",
        )
        for key, group in _grouped(found).items()
    ]


def arm_rows(found: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return the cells under `ARMS_HEADER`: means over the seeds, and ranges of the accuracies."""
    return [
        (
            *key,
            arms[0].labels,
            mean_and_range([arm.accuracy for arm in arms]),
            f"{mean(arm.macro_f1 for arm in arms):.4f}",
        )
        for key, group in _grouped(found).items()
        for arms in zip(*(one.arms for one in group), strict=True)
    ]


def _grouped(found: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        groups.setdefault((one.dataset, one.model), []).append(one)
    return groups


def _arm(recipe: Recipe, labels: str, splits: Splits, folder: Path) -> Arm:
    found = score(QUICK_MODELS[recipe.noise.model](recipe, splits, folder), splits.test, splits.labels)
    return Arm(labels, found["accuracy"], found["macro_f1"])


def _share(suspects: Sequence[Suspect], flips: set[int]) -> float | None:
    """Return which share of the rows was flipped; None where nobody knows what is wrong."""
    if not flips or not suspects:
        return None
    return sum(suspect.row.number in flips for suspect in suspects) / len(suspects)


def _shares(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return mean_and_range(known) if known else "not known"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks noise", description=(__doc__ or "").partition("\n")[0]
    )
    add_training(parser)
    parser.add_argument("--dataset", action="append", choices=[FLIPPED_SET, NOISY_SET], help="default: each")
    parser.add_argument("--model", action="append", choices=list(QUICK_MODELS), help="default: linear")
    parser.add_argument(
        "--rows", type=positive, help="rows of each split, for trying things out; default: all"
    )
    return parser
