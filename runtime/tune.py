"""`python -m runtime.tune MODEL_DIR …`: what models cost on this machine, and the settings that suit it best.

Give the same model as it was exported for several engines and precisions: each is timed with several numbers
of threads, and what it can take within a latency is computed from that, for your texts or those it was
tested with.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.batching import Cost
from runtime.capacity import Capacity, Load
from runtime.classifier import Classifier
from runtime.cpus import available_cpus
from runtime.errors import BentobertError, UsageError
from runtime.keys import find_key
from runtime.manifest import MANIFEST_NAME, Manifest
from runtime.probes import read_probes
from runtime.tokenizer import TextInput

_MOST_TEXTS = 2_000
_HEADER = (
    *("model", "what computes", "ms a call", "us a token", "tokens a batch", "texts/s at most"),
    "texts/s within {:g} ms",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model with a number of threads: what computes, what that costs, and what it can take."""

    directory: Path
    threads: int
    compute: str
    cost: Cost
    capacity: Capacity
    lengths: tuple[int, ...]


def measure(directory: Path, threads: int, texts: Sequence[TextInput], p95_seconds: float) -> Candidate:
    """Load a model, time its forward passes and compute what it can take."""
    classifier = Classifier.load(directory, threads=threads, key=_key(directory))
    classifier.warm_up()
    lengths = tuple(len(encoding) for encoding in classifier.encode(texts))
    load = Load(lengths, classifier.cost)
    capacity = load.capacity(p95_seconds)
    return Candidate(directory, threads, classifier.compute, classifier.cost, capacity, lengths)


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Return the one that takes most within the latency, of those that take nothing the fastest."""
    return max(candidates, key=lambda one: (one.capacity.within, one.capacity.highest))


def statement(chosen: Candidate, p95_ms: float) -> str:
    """Return what the best candidate can take, as a sentence."""
    ordered = sorted(chosen.lengths)
    mix = (
        f"texts of {sum(ordered) / len(ordered):.0f} tokens in the mean, "
        f"{ordered[(95 * len(ordered) - 1) // 100]} at p95"
    )
    if takes_nothing(chosen):
        idle = 1000 * chosen.capacity.idle_p95_seconds
        return (
            f"This machine does not answer within {p95_ms:g} ms for {mix}: alone, a text takes {idle:.0f} ms "
            "at p95; give a higher --latency-ms, or a smaller model."
        )
    return (
        f"{chosen.directory} takes {chosen.capacity.within:.3g} texts/s at p95 < {p95_ms:g} ms for {mix}, "
        "one a request."
    )


def takes_nothing(candidate: Candidate) -> bool:
    """Tell whether the latency is below what even a lone text takes."""
    return candidate.capacity.within < 1e-3 * candidate.capacity.highest


def settings(chosen: Candidate) -> Iterator[str]:
    """Yield the settings of the service that this candidate stands for."""
    store = chosen.directory.resolve().parents
    if len(store) > 1 and store[1].name == "models":
        yield f"CLASSIFIER_MODEL={store[0].name}:{chosen.directory.resolve().name}"
    yield "CLASSIFIER_WORKERS=1"
    yield f"CLASSIFIER_THREADS={chosen.threads}"


def main(argv: Sequence[str]) -> int:
    """Time every model with every number of threads; print the table, the statement and the settings."""
    options = _parser().parse_args(argv)
    try:
        texts = _texts(options.texts, options.models)
        candidates = [
            measure(directory, threads, texts, options.latency_ms / 1000)
            for directory in options.models
            for threads in options.threads or _doubling(available_cpus())
        ]
    except BentobertError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    chosen = best(candidates)
    print("\n".join(_table(candidates, options.latency_ms)))
    print(f"\n{statement(chosen, options.latency_ms)}")
    if takes_nothing(chosen):
        return 1
    print("\n" + "\n".join(settings(chosen)))
    return 0


def _texts(path: Path | None, models: Sequence[Path]) -> list[TextInput]:
    """Return the texts of a file, one a line, or those that the first model was tested with."""
    for directory in models:
        if not (directory / MANIFEST_NAME).is_file():
            raise UsageError(
                f"{directory} has no {MANIFEST_NAME}; give folders that `python -m train save` or `export` "
                "printed."
            )
    if path is None:
        return [probe.input for probe in read_probes(models[0], _key(models[0]))]
    if any(Manifest.read(directory).text_pair for directory in models):
        raise UsageError("--texts holds single texts and a model compares two; leave --texts out.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); give a text file in UTF-8.") from error
    texts: list[TextInput] = [line for line in lines if line.strip()]
    if not texts:
        raise UsageError(f"{path} holds no text; give a file with one text a line.")
    return texts[:: max(1, len(texts) // _MOST_TEXTS)]


def _key(directory: Path) -> bytes | None:
    """Return the key that the service would take, for a model that needs one."""
    if not Manifest.read(directory).is_encrypted:
        return None
    return find_key(os.environ.get("CLASSIFIER_KEY_FILE") or None, "CLASSIFIER_KEY")


def _table(candidates: Sequence[Candidate], latency_ms: float) -> Iterator[str]:
    header = [*_HEADER[:-1], _HEADER[-1].format(latency_ms)]
    rows = [header, *(_row(candidate) for candidate in candidates)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(candidate: Candidate) -> list[str]:
    cost, capacity = candidate.cost, candidate.capacity
    return [
        candidate.directory.name,
        candidate.compute,
        f"{1e3 * cost.fixed:.2f}",
        f"{1e6 * cost.token:.1f}",
        str(cost.budget),
        f"{capacity.highest:.3g}",
        f"{capacity.within:.3g}",
    ]


def _doubling(most: int) -> list[int]:
    """Return 1, 2, 4 … and the most."""
    return sorted({most} | {1 << power for power in range(most.bit_length()) if 1 << power <= most})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runtime.tune", description=(__doc__ or "").partition(": ")[2].partition("\n")[0]
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL_DIR", help="a saved or exported model")
    parser.add_argument("--texts", type=Path, help="file with one text a line; default: the model's probes")
    parser.add_argument(
        "--latency-ms", type=_positive, default=200.0, help="wanted p95 latency; default: %(default)g"
    )
    parser.add_argument(
        "--threads",
        type=lambda value: [_count(part) for part in value.split(",")],
        help="numbers of threads to try, as in 1,2,4; default: up to the CPUs that may be used",
    )
    return parser


def _positive(value: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return number


def _count(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1024:
        raise argparse.ArgumentTypeError(f"{value} is not a number of threads from 1 to 1024")
    return int(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
