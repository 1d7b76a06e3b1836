"""Preparation: what `doctor` and `prepare` take for ever more rows, and whether they find what is planted.

Sentences of 50 characters are drawn in which each character follows the last as often as in real reviews, or
in those of the sample where there are none. Among them are equal and near duplicates, rows that contradict
each other and rows of dev and test, in known numbers and places. The commands run as anybody runs them, in
processes of their own.
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import adaptation, machine, record
from benchmarks.datasets import DatasetError
from benchmarks.duplicates import drawn, edited
from benchmarks.isolated import isolated
from benchmarks.options import positive
from loadtests.server import ROOT
from loadtests.table import table
from train.data import sample

HEADER = ("rows", "command", "seconds", "CPU seconds", "times half the rows", "peak memory MB")
PLANTED_HEADER = ("rows", "planted", "rows or pairs", "found")
SIZES = (250_000, 500_000, 1_000_000, 2_000_000)
PACKAGES = ("pyarrow", "datasets", "datasketch", "numpy")
RUNS: dict[str, tuple[str, ...]] = {
    "doctor": ("doctor",),
    "prepare": ("prepare",),
    "prepare, equal texts only": ("prepare", "prepare.near_duplicates=0"),
    "prepare, personal data replaced": ("prepare", "privacy.mode=surrogate"),
}
"""Name in the table → arguments of the command line beside the recipe; the second one's result is checked."""

_STATUSES = {"doctor": (0, 1), "prepare": (0,)}
"""Exit statuses of a command that did its work: the doctor fails where the data have errors, as here."""

_RESULTS = {"doctor": "doctor.html", "prepare": "prepared"}
CHECKED = "prepare"
LABELS = ("好评", "中评", "差评")

GOAL_ROWS = 1_000_000
MOST_SECONDS = 720
MOST_MB = 4096
MOST_TIMES = 2.2
"""What `CHECKED` may take for so many rows, and for twice as many against once."""

LEAST_NEAR = 0.99
"""Share of near duplicates that must be found; of all others, every one must."""

_ONE_IN = 50
_HELD_OUT_ONE_IN = 20
_SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command takes for so many rows."""

    rows: int
    name: str
    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Planted:
    """Numbers of training rows: pairs that are alike, or contradict each other, and rows that leak."""

    equal: list[tuple[int, int]]
    near: list[tuple[int, int]]
    conflicts: list[tuple[int, int]]
    leaks: list[int]


@dataclass(frozen=True, slots=True)
class Found:
    """How many of what was planted, of one kind, were dropped for the right reason."""

    rows: int
    kind: str
    planted: int
    found: int


class CommandError(RuntimeError):
    """A command failed; the message is one sentence with its last words."""


def main(argv: Sequence[str]) -> int:
    """Measure every command at every size, print the tables, write the JSON; 1 where a goal is missed."""
    options = _parser().parse_args(argv)
    host = machine.describe(PACKAGES)
    costs: list[Cost] = []
    found: list[Found] = []
    try:
        for size in options.rows or SIZES:
            with tempfile.TemporaryDirectory(prefix="preparation-") as folder:
                measure(Path(folder), size, options.data, costs, found)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{host}\n\n{table(HEADER, rows(costs))}\n\n{table(PLANTED_HEADER, planted_rows(found))}")
    content: dict[str, object] = {
        "machine": asdict(host),
        "texts": "real reviews" if _has_reviews(options.data) else "sample",
        "costs": [asdict(one) for one in costs],
        "planted": [asdict(one) for one in found],
    }
    print(f"\n{record.write('preparation', content, options.results)}")
    problems = missed(costs, found)
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m benchmarks preparation", description=(__doc__ or "").partition("\n")[0]
    )
    data = ROOT.parent / "shared" / "data"
    found.add_argument("--data", type=Path, default=data, help="folder of the data sets; %(default)s")
    found.add_argument(
        "--rows", type=positive, action="append", help=f"may be repeated, in rising order; default: {SIZES}"
    )
    found.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    return found


def measure(folder: Path, size: int, data: Path, costs: list[Cost], found: list[Found]) -> None:
    """Write so many rows into a folder, run every command on them, and look for what was planted.

    Raises
    ------
    CommandError
        One failed.
    """
    planted = isolated(write, folder, size, data)
    for name, (command, *overrides) in RUNS.items():
        run = folder / "run" / str(len(costs))
        arguments = [command, str(folder / "mine.toml"), f"run.directory={run}", *overrides]
        costs.append(cost(name, size, arguments, _STATUSES[command]))
        if not (run / _RESULTS[command]).exists():
            raise CommandError(f"{command} left no {_RESULTS[command]} in {run}.")
        print(f"{name}: {size:,} rows in {costs[-1].seconds:.0f} s", file=sys.stderr)
        if name == CHECKED:
            found += look_for(planted, dropped(run / "prepared"), size)


def write(folder: Path, size: int, data: Path) -> Planted:
    """Write three splits as csv and the recipe; to be called in a process of its own, for the memory."""
    chance = random.Random(0)
    held_out = max(2, size // _HELD_OUT_ONE_IN)
    many = max(1, size // _ONE_IN)
    alone = size - 2 * held_out - 4 * many
    texts = drawn(source(data), alone + 2 * held_out)
    letters = sorted(set("".join(texts[:1000])))
    labelled = [(text, chance.choice(LABELS)) for text in texts]
    train, dev, test = labelled[:alone], labelled[alone : alone + held_out], labelled[alone + held_out :]
    same, similar, other = (train[many * kind : many * (kind + 1)] for kind in range(3))
    planted = [
        *same,
        *((edited(text, letters, chance), label) for text, label in similar),
        *((text, LABELS[LABELS.index(label) - 1]) for text, label in other),
        *((dev, test)[at % 2][at // 2 % held_out] for at in range(many)),
    ]
    order = chance.sample(range(size - 2 * held_out), size - 2 * held_out)
    everything = [*train, *planted]
    for name, content in (("train", [everything[at] for at in order]), ("dev", dev), ("test", test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *content])
    lines = [f'{name} = "{folder / name}.csv"' for name in ("train", "dev", "test")]
    (folder / "mine.toml").write_text("\n".join(["[data]", *lines]), encoding="utf-8")
    number = {at: place + 2 for place, at in enumerate(order)}  # rows count from 1, the header is one
    pairs = [(number[at], number[alone + at]) for at in range(3 * many)]
    equal, near, contrary = (pairs[many * kind : many * (kind + 1)] for kind in range(3))
    return Planted(equal, near, contrary, [number[alone + 3 * many + at] for at in range(many)])


def source(data: Path) -> list[str]:
    """Return texts to learn from which character follows which."""
    if _has_reviews(data):
        return adaptation.reviews(data)
    return [text for text, _ in sample.reviews("train")]


def _has_reviews(data: Path) -> bool:
    try:
        return bool(adaptation.reviews(data))
    except DatasetError:
        return False


def cost(name: str, size: int, arguments: Sequence[str], statuses: Sequence[int] = (0,)) -> Cost:
    """Run a command of `python -m train`, which ends with one of these statuses, and return what it took.

    Raises
    ------
    CommandError
        It failed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        command = [sys.executable, "-m", "train", *arguments]
        with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
            peak = max(_peaks(process), default=0.0)
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode not in statuses:
            output.seek(0)
            last = output.read().strip().rpartition("\n")[2]
            raise CommandError(f"{' '.join(arguments)} ended with {process.returncode}: {last}")
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(size, name, seconds, cpu_seconds, peak)


def _peaks(process: subprocess.Popen[bytes]) -> Iterator[float]:
    """Yield the most memory that a process held so far, in MB, again and again until it ends.

    `getrusage` would count what this process held when it started the other.
    """
    path = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        fields = path.read_text(encoding="ascii").split()
        if "VmHWM:" in fields:  # gone as soon as the process has ended
            yield int(fields[fields.index("VmHWM:") + 1]) / 1024
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def dropped(folder: Path) -> dict[int, str]:
    """Return the step that dropped each training row that is gone, by its number."""
    found = pq.read_table(folder / "dropped.parquet", filters=[("split", "==", "train")])
    return dict(zip(found.column("number").to_pylist(), found.column("step").to_pylist(), strict=True))


def look_for(planted: Planted, steps: Mapping[int, str], size: int) -> list[Found]:
    """Count what was dropped as it had to be: the later of two alike, both of a contradiction, every leak."""
    repeats = {
        kind: sum(steps.get(max(pair)) == "duplicate" for pair in pairs)
        for kind, pairs in (("equal", planted.equal), ("near", planted.near))
    }
    contrary = sum(all(steps.get(row) == "conflict" for row in pair) for pair in planted.conflicts)
    leaks = sum(steps.get(row) in ("in_dev", "in_test") for row in planted.leaks)
    return [
        Found(size, "equal", len(planted.equal), repeats["equal"]),
        Found(size, "near", len(planted.near), repeats["near"]),
        Found(size, "conflict", len(planted.conflicts), contrary),
        Found(size, "leak", len(planted.leaks), leaks),
    ]


def missed(costs: Sequence[Cost], found: Sequence[Found]) -> list[str]:
    """Return a sentence for each goal that is missed."""
    problems = [
        f"{one.rows:,} rows: {one.found:,} of {one.planted:,} found of the kind {one.kind}."
        for one in found
        if one.found < one.planted * (LEAST_NEAR if one.kind == "near" else 1)
    ]
    for one in costs:
        if one.name == CHECKED and one.rows == GOAL_ROWS and one.seconds > MOST_SECONDS:
            problems.append(f"{one.rows:,} rows took {one.seconds:.0f} s, more than {MOST_SECONDS}.")
        if one.name == CHECKED and one.rows == GOAL_ROWS and one.peak_mb > MOST_MB:
            problems.append(f"{one.rows:,} rows took {one.peak_mb:,.0f} MB, more than {MOST_MB:,}.")
        times = growth(one, costs)
        if one.name == CHECKED and one.rows == 2 * GOAL_ROWS and times is not None and times > MOST_TIMES:
            problems.append(f"{one.rows:,} rows took {times:.2f} times half of them, more than {MOST_TIMES}.")
    return problems


def growth(one: Cost, costs: Sequence[Cost]) -> float | None:
    """Return the time over that of the same command with half the rows, None where that was not measured."""
    half = [other for other in costs if other.name == one.name and 2 * other.rows == one.rows]
    return one.seconds / half[0].seconds if half else None


def rows(costs: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`."""
    found: list[tuple[str, ...]] = []
    for one in costs:
        times = growth(one, costs)
        figures = (f"{one.seconds:.1f}", f"{one.cpu_seconds:.1f}", "" if times is None else f"{times:.2f}")
        found.append((f"{one.rows:,}", one.name, *figures, f"{one.peak_mb:,.0f}"))
    return found


def planted_rows(found: Sequence[Found]) -> list[tuple[str, ...]]:
    """Return the cells under `PLANTED_HEADER`."""
    return [(f"{one.rows:,}", one.kind, f"{one.planted:,}", f"{one.found:,}") for one in found]
