"""Serves a model, loads it with Locust and holds the run against thresholds: `python -m loadtests --help`.

Exit status 0: every threshold was kept; 1: one was broken; 2: the command line, a file or a server failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from loadtests import thresholds
from loadtests.scenarios import SCENARIOS
from loadtests.server import ROOT, Server, ServerError, bentoml_server
from loadtests.summary import HEADER, Summary
from loadtests.table import table

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
# Handed on to Locust when given; the locustfile holds their defaults.
_LOCUST_OPTIONS = ("users", "spawn-rate", "run-time", "texts", "seed")


class LoadTestError(RuntimeError):
    """Locust did not run; the message is one sentence for the user."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios named on the command line and return the exit status."""
    options = _parser().parse_args(argv)
    try:
        broken = _run(options)
    except (thresholds.ThresholdsError, ServerError, LoadTestError) as error:
        print(error, file=sys.stderr)
        return 2
    for sentence in broken:
        print(sentence, file=sys.stderr)
    return 1 if broken else 0


def _run(options: argparse.Namespace) -> list[str]:
    limits = thresholds.read(options.thresholds)
    for scenario in options.scenarios:
        if scenario not in limits:
            raise thresholds.ThresholdsError(f"{options.thresholds} has no section [{scenario}]; add it.")
    folder = options.reports / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{'-'.join(options.scenarios)}"
    folder.mkdir(parents=True)
    with _service(options, folder) as server:
        host = server.url if server else options.host
        summaries = [_load(scenario, host, folder, options) for scenario in options.scenarios]
    print(table(HEADER, [summary.row() for summary in summaries]))
    print(f"\nreports: {folder}")
    return [
        sentence
        for summary in summaries
        for sentence in thresholds.breaches(summary, limits[summary.scenario])
    ]


def _service(options: argparse.Namespace, folder: Path) -> AbstractContextManager[Server | None]:
    if options.host:
        return nullcontext()
    _progress(f"starting the service for {options.model or 'its own choice of model'}")
    return bentoml_server(model=options.model, log_path=folder / "server.log")


def _load(scenario: str, host: str, folder: Path, options: argparse.Namespace) -> Summary:
    """Run one scenario; its HTML report, CSV files, figures and log stand in `folder` under its name."""
    _progress(f"{scenario}: against {host}, log in {folder / scenario}.log")
    summary, log = folder / f"{scenario}.json", folder / f"{scenario}.log"
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"),
        *("--host", host, "--scenario", scenario, "--summary", str(summary)),
        *("--html", str(folder / f"{scenario}.html"), "--csv", str(folder / scenario)),
        # Requests under way at the end count too, or the slowest would be missing from the figures.
        *("--stop-timeout", "60"),
        # Failed requests are the thresholds' business: another status means that Locust itself failed.
        *("--exit-code-on-error", "0"),
    ]
    for option in _LOCUST_OPTIONS:
        value = getattr(options, option.replace("-", "_"))
        if value is not None:
            command += [f"--{option}", str(value)]
    with log.open("wb") as output:
        status = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status or not summary.is_file():
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise LoadTestError(f"Locust ended with status {status}: {last or 'no output'}; see {log}.")
    return Summary(**json.loads(summary.read_text(encoding="utf-8")))


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _count(given: str) -> str:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number of users; give 1 or more")
    return given


def _scenario(name: str) -> str:
    if name not in SCENARIOS:
        raise argparse.ArgumentTypeError(
            f"no scenario is called {name!r}; {thresholds.nearest(name, SCENARIOS)}"
        )
    return name


def _absolute(path: str) -> Path:
    return Path(path).resolve()  # Locust runs in another folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Serve a model, load it with Locust, and exit with status 1 when a threshold is broken.",
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        type=_scenario,
        metavar="SCENARIO",
        help=f"{', '.join(SCENARIOS)}; default: steady",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--model", help="tag in the BentoML model store; default: the service's own choice")
    target.add_argument(
        "--host", help="address of a service that already runs, for instance http://host:3000"
    )
    parser.add_argument(
        "--users", type=_count, help="open requests at the height of the scenario; default: 16"
    )
    parser.add_argument("--spawn-rate", help="users that come or go per second; default: 100")
    parser.add_argument("--run-time", help="length of a scenario, for instance 90s or 5m; default: 60s")
    parser.add_argument(
        "--texts", type=_absolute, help="file with one text a line; default: generated Chinese reviews"
    )
    parser.add_argument("--seed", help="which texts are drawn, in which order; default: 0")
    parser.add_argument(
        "--thresholds", type=_absolute, default=thresholds.DEFAULT_PATH, help="default: %(default)s"
    )
    parser.add_argument(
        "--reports", type=_absolute, default=ROOT / "loadtests" / "reports", help="default: %(default)s"
    )
    parser.set_defaults(scenarios=["steady"])
    return parser


if __name__ == "__main__":
    # A terminated run must still stop its server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
