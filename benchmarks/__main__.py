"""Runs one benchmark: `python -m benchmarks [NAME] [options]`; each prints a table and writes JSON."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

from loadtests.thresholds import nearest

BENCHMARKS: dict[str, str] = {
    "http": "benchmarks.serving",
    "accuracy": "benchmarks.accuracy",
}
"""Name on the command line → module whose `main(arguments)` returns an exit status."""
DEFAULT = "http"


def main(argv: Sequence[str]) -> int:
    """Run the benchmark that the first argument names, `DEFAULT` when it names none."""
    name, arguments = (argv[0], argv[1:]) if argv and not argv[0].startswith("--") else (DEFAULT, argv)
    if name not in BENCHMARKS:
        print(f"no benchmark is called {name!r}; {nearest(name, BENCHMARKS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(BENCHMARKS[name])
    status: int = module.main(arguments)
    return status


if __name__ == "__main__":
    # A terminated benchmark must still stop the servers it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
