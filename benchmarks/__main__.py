"""Runs one benchmark: `python -m benchmarks [NAME] [options]`; each prints tables and writes JSON.

all         engines and HTTP services beside baselines, with a plot; what runs without a name
http        services on HTTP
engine      engines without HTTP, beside the ceiling
dispatcher  the service with each of its dispatchers
ceiling     matrix products alone
pretraining tokens per second of `pretrain` beside autocast and the ceiling
accuracy    fine-tuning on public data
adaptation  continued pre-training where labels are few
duplicates  near-duplicates found in Chinese texts, with time and memory
noise       wrong labels found, and what mending them gives
preparation time and memory of doctor and prepare, by the number of rows
privacy     personal data found in invented sentences
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

from loadtests.thresholds import nearest

BENCHMARKS: dict[str, str] = {
    "all": "benchmarks.suite:everything",
    "http": "benchmarks.suite:http",
    "engine": "benchmarks.suite:engines",
    "dispatcher": "benchmarks.dispatcher:main",
    "ceiling": "benchmarks.ceiling:main",
    "pretraining": "benchmarks.pretraining:main",
    "accuracy": "benchmarks.accuracy:main",
    "adaptation": "benchmarks.adaptation:main",
    "duplicates": "benchmarks.duplicates:main",
    "noise": "benchmarks.noise:main",
    "preparation": "benchmarks.preparation:main",
    "privacy": "benchmarks.privacy:main",
}
"""Name on the command line → `module:function`, which takes the arguments and returns an exit status."""
DEFAULT = "all"


def main(argv: Sequence[str]) -> int:
    """Run the benchmark that the first argument names, `DEFAULT` when it names none."""
    if argv and argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    name, arguments = (argv[0], argv[1:]) if argv and not argv[0].startswith("--") else (DEFAULT, argv)
    if name not in BENCHMARKS:
        print(f"no benchmark is called {name!r}; {nearest(name, BENCHMARKS)}", file=sys.stderr)
        return 2
    module, _, function = BENCHMARKS[name].partition(":")
    status: int = getattr(importlib.import_module(module), function)(arguments)
    return status


if __name__ == "__main__":
    # A terminated benchmark must still stop the servers it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
