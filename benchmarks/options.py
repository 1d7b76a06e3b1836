"""The options that benchmarks share, and what `--quick` makes of them; it runs nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import record
from benchmarks.model import SHAPES
from runtime.cpus import available_cpus

QUICK: dict[str, object] = {
    "shape": "tiny",
    "rounds": 1,
    "seconds": 0.3,
    "texts": 40,
    "connections": 8,
    "http_seconds": 1,
}
"""What `--quick` means where an option is not given: every path is run, no figure means anything."""


def parser(name: str, description: str | None, *, seconds: float) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark; `seconds` is the least time of one measurement."""
    found = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}", description=(description or "").partition("\n")[0]
    )
    found.add_argument("--quick", action="store_true", help="a tiny model, once: to see that everything runs")
    found.add_argument("--shape", choices=list(SHAPES), default="base", help="default: BERT-%(default)s")
    found.add_argument("--rounds", type=positive, default=3, help="default: %(default)s")
    found.add_argument(
        "--seconds", type=float, default=seconds, help="least time of a measurement; default: %(default)g"
    )
    found.add_argument(
        "--threads",
        type=positive,
        default=available_cpus(),
        help="of an engine; default: the %(default)s CPUs that affinity and cgroup quota allow",
    )
    found.add_argument("--device", default="cpu", help="cpu or cuda; default: %(default)s")
    found.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    return found


def add_contenders(found: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options that choose texts and contenders."""
    found.add_argument("--texts", type=positive, help="texts of one pass; default: 48, of few tokens 512")
    found.add_argument(
        "--only", action="append", choices=list(names), default=[], help="may be repeated; default: each"
    )
    found.add_argument(
        "--infinity", type=Path, help="the program infinity_emb; default: the one on the path, if any"
    )


def add_training(found: argparse.ArgumentParser) -> None:
    """Add the options of benchmarks that train on public data."""
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    found.add_argument("--data", type=Path, default=data, help="folder of the data sets; %(default)s")
    found.add_argument("--seeds", type=positive, default=3, help="trainings of each; default: %(default)s")
    found.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    found.add_argument("overrides", nargs="*", metavar="section.key=value", help="laid over the recipes")


def finish(found: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse, with `QUICK` in place of the defaults where it is asked for."""
    if found.parse_args(argv).quick:
        known = {action.dest for action in found._actions}  # noqa: SLF001 - there is no public list of them
        found.set_defaults(**{name: value for name, value in QUICK.items() if name in known})
    return found.parse_args(argv)


def plain(chosen: argparse.Namespace) -> dict[str, object]:
    """Return what was chosen as JSON can say it."""
    return {
        name: value if isinstance(value, int | float | list | None) else str(value)
        for name, value in vars(chosen).items()
    }


def positive(value: str) -> int:
    """Read a number of at least 1."""
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number.")
    return number
