"""`python -m deploy`: builds the image of the newest saved model, runs it hardened, checks it, reports.

The report is a table on stderr and one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.container import (
    check_answers,
    check_confinement,
    hardened,
    shown_key,
    stop_under_load,
    wait_until_ready,
    worker_memory_mb,
)
from deploy.engine import (
    CheckError,
    DeployError,
    Engine,
    find_engine,
    no_container,
    say,
    why_no_private_engine,
)
from deploy.image import build_bento, build_image, image_size_bytes, tag_latest
from deploy.private_engine import DEFAULT_WORK, make_private_engine


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured on one container from start to stop."""

    engine: str
    image: str
    image_size_mb: float
    ready_seconds: float
    worker_memory_mb: float
    user_id: str
    requests_in_flight: int
    answered_after_sigterm: int
    stop_seconds: float
    exit_code: int


def engine_for(work: Path, wheels: Path | None) -> Engine:
    """Return an engine that works here: the one there is, or a private one."""
    engine = find_engine()
    if engine is not None:
        return engine
    reason = why_no_private_engine()
    if reason is not None:
        raise DeployError(f"{no_container(reason)}; start docker or podman, or run this as root on Debian.")
    return make_private_engine(work, wheels)


def build_run_and_check(engine: Engine, *, memory: str = "2g", key_file: Path | None = None) -> Report:
    """Build the image, run it hardened, check it, stop it under load."""
    options = [] if key_file is None else shown_key(key_file)
    image = build_image(engine, build_bento())
    say(f"running {image} hardened")
    started = time.monotonic()
    with hardened(engine, image, memory=memory, options=options) as container:
        ready_seconds = wait_until_ready(container, started)
        check_answers(container)
        memory_mb = worker_memory_mb(container)
        user_id = check_confinement(container)
        stop = stop_under_load(container)
    return Report(
        engine=engine.binary,
        image=image,
        image_size_mb=round(image_size_bytes(engine, image) / 1e6, 1),
        ready_seconds=round(ready_seconds, 2),
        worker_memory_mb=round(memory_mb, 1),
        user_id=user_id,
        requests_in_flight=stop.in_flight,
        answered_after_sigterm=stop.answered,
        stop_seconds=round(stop.seconds, 2),
        exit_code=stop.exit_code,
    )


def default_wheels() -> Path | None:
    """Return the first local folder of PIP_FIND_LINKS that holds a wheel of torch."""
    folders = [Path(place) for place in os.environ.get("PIP_FIND_LINKS", "").split() if "://" not in place]
    return next((folder for folder in folders if any(folder.glob("torch-*.whl"))), None)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    parser.add_argument("--memory", default="2g", help="memory limit of the container (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, default=DEFAULT_WORK, help="storage of a private engine (default: %(default)s)"
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        default=default_wheels(),
        help="folder with a torch wheel for a private engine's builds (default: found in PIP_FIND_LINKS)",
    )
    parser.add_argument(
        "--key-file", type=Path, help="key of an encrypted model, a file of the container's user alone"
    )
    options = parser.parse_args(arguments)
    try:
        engine = engine_for(options.work, options.wheels)
        report = build_run_and_check(engine, memory=options.memory, key_file=options.key_file)
        tag_latest(engine, report.image)
    except (DeployError, CheckError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in asdict(report).items():
        print(f"{name.replace('_', ' '):<24}{value}", file=sys.stderr)
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
