"""Near-duplicates: how many texts with one character changed are found, and what more and more texts cost.

Real Chinese texts of 15 characters or more get one edit each: a character is changed, added or left out, at
any place. Beside it stands what tools find that take what is between spaces and punctuation for a word. For
time and memory, sentences are drawn in which each character follows the last as often as in real reviews.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from datasketch import MinHash, MinHashLSH

from benchmarks import adaptation, datasets, machine, record
from benchmarks.datasets import DatasetError
from benchmarks.isolated import isolated
from benchmarks.options import positive
from loadtests.table import table
from train.data.clusters import partition
from train.data.dedup import jaccard, normalised
from train.data.edits import LONGEST, SHORTEST

HEADER = (
    *("texts with one edit", "pairs", "found", "of them over the threshold", "similar indeed"),
    *("by words", "seconds"),
)
GROWTH_HEADER = (
    *("sentences drawn", "seconds", "CPU seconds", "times the last"),
    *("peak memory MB", "MB besides the texts", "capped"),
)
SIZES = (100_000, 200_000, 400_000)
LENGTH = 50
PACKAGES = ("numpy", "datasketch")

_WORDS = re.compile(r"\W+")
_WORDS_PER_SHINGLE = 5
_WORD_PERMUTATIONS = 128
_DRAWN_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """What of a data set was found, as shares.

    `recall` of the edited texts are in the cluster of their original; `recall_over` of those whose similarity
    reaches the threshold. `precision` of the texts that were put to an earlier one are connected to it by
    pairs that are similar indeed. `by_words` of the edited texts are found by MinHash of words.
    """

    texts: str
    pairs: int
    recall: float
    recall_over: float
    precision: float
    by_words: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What comparing a number of sentences takes: time by the clock and of all processors, and memory.

    `peak_mb` is the most that the process held, `texts_mb` what it held before, with the texts.
    """

    sentences: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    texts_mb: float
    capped: int


def main(argv: Sequence[str]) -> int:
    """Measure what is found and what it costs, print both tables, write the JSON."""
    options = _parser().parse_args(argv)
    host = machine.describe(PACKAGES)
    try:
        found = [measure(name, read(options.data), options) for name, read in SOURCES.items()]
        reviews = adaptation.reviews(options.data)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 2
    costs = [isolated(cost, reviews, size, options.threshold) for size in options.size or SIZES]
    print(f"{host}\n\n{table(HEADER, rows(found))}\n\n{table(GROWTH_HEADER, growth_rows(costs))}")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": {name: str(value) for name, value in vars(options).items()},
        "found": [asdict(one) for one in found],
        "costs": [asdict(one) for one in costs],
    }
    print(f"\n{record.write('duplicates', content, options.results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m benchmarks duplicates", description=(__doc__ or "").partition("\n")[0]
    )
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    found.add_argument("--data", type=Path, default=data, help="folder of the data sets; %(default)s")
    found.add_argument("--texts", type=positive, default=10_000, help="of each set; default: %(default)s")
    found.add_argument(
        "--size", type=positive, action="append", help=f"sentences drawn; may be repeated; default: {SIZES}"
    )
    found.add_argument("--threshold", type=float, default=0.7, help="default: %(default)s")
    found.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    return found


def _texts_of(name: str) -> Callable[[Path], list[str]]:
    def read(data: Path) -> list[str]:
        splits = datasets.read(name, data)
        return [text for _, text in [*splits.train, *splits.dev, *splits.test]]

    return read


SOURCES: dict[str, Callable[[Path], list[str]]] = {
    "chnsenticorp": _texts_of("chnsenticorp"),
    "thucnews_titles": _texts_of("thucnews_titles"),
    "online_shopping_10_cats": adaptation.reviews,
}


def measure(name: str, texts: Sequence[str], options: argparse.Namespace) -> Found:
    """Edit texts of a data set, and look for each in the cluster of its original."""
    generator = random.Random(0)
    different = {normalised(text): text for text in texts if len(normalised(text)) > LONGEST}
    originals = generator.sample(sorted(different.values()), min(options.texts, len(different)))
    letters = sorted({letter for text in originals for letter in normalised(text)})
    edits = [edited(text, letters, generator) for text in originals]
    started = time.perf_counter()
    cluster = partition([*originals, *edits], options.threshold).related
    seconds = time.perf_counter() - started
    hit = cluster[: len(originals)] == cluster[len(originals) :]
    over = np.array([alike(*pair, options.threshold) for pair in zip(originals, edits, strict=True)])
    return Found(
        name,
        len(originals),
        float(hit.mean()),
        float(hit[over].mean()),
        precision([*originals, *edits], cluster.tolist(), options.threshold),
        recall_by_words(originals, edits, options.threshold),
        seconds,
    )


def edited(text: str, letters: Sequence[str], generator: random.Random) -> str:
    """Return a text with one character changed, added or left out, at any place."""
    at = generator.randrange(len(text))
    letter = generator.choice(letters)
    return generator.choice(
        [text[:at] + letter + text[at + 1 :], text[:at] + letter + text[at:], text[:at] + text[at + 1 :]]
    )


def alike(left: str, right: str, threshold: float) -> bool:
    """Tell whether two texts are alike, in the plainest way: what is measured has to agree with it."""
    one, two = sorted((normalised(left), normalised(right)), key=len)
    if one == two or len(one) > LONGEST:
        return one == two or jaccard(_pairs(one), _pairs(two), threshold)
    if len(one) < SHORTEST or len(two) - len(one) > 1 or 1 - 1 / len(two) < threshold:
        return False
    if len(one) == len(two):
        return sum(first != second for first, second in zip(one, two, strict=True)) == 1
    return any(two[:at] + two[at + 1 :] == one for at in range(len(two)))


def precision(texts: Sequence[str], clusters: Sequence[int], threshold: float) -> float:
    """Return the share of the texts put to an earlier one that a chain of texts alike connects to it."""
    members: dict[int, list[int]] = defaultdict(list)
    for text, cluster in enumerate(clusters):
        members[cluster].append(text)
    joined = connected = 0
    for first, others in members.items():
        left, waiting = set(others) - {first}, [first]
        joined += len(left)
        while waiting:
            here = waiting.pop()
            reached = {other for other in left if alike(texts[here], texts[other], threshold)}
            left -= reached
            waiting += reached
        connected += len(others) - 1 - len(left)
    return connected / joined if joined else 1.0


def recall_by_words(originals: Sequence[str], edits: Sequence[str], threshold: float) -> float:
    """Return the share of edits whose original is found by MinHash of words, five in a row."""
    index = MinHashLSH(threshold=threshold, num_perm=_WORD_PERMUTATIONS)
    for number, text in enumerate(originals):
        if signature := _signature(text):
            index.insert(number, signature)
    signatures = map(_signature, edits)
    return sum(bool(one) and number in index.query(one) for number, one in enumerate(signatures)) / len(edits)


def _signature(text: str) -> MinHash | None:
    """Return the signature of the words of a text; None where they are too few, as those tools have it."""
    words = [word for word in _WORDS.split(text.lower()) if word]
    shingles = {
        " ".join(words[at : at + _WORDS_PER_SHINGLE]).encode()
        for at in range(len(words) - _WORDS_PER_SHINGLE + 1)
    }
    if not shingles:
        return None
    found = MinHash(num_perm=_WORD_PERMUTATIONS)
    found.update_batch(sorted(shingles))
    return found


@lru_cache(maxsize=1 << 14)
def _pairs(form: str) -> frozenset[str]:
    return frozenset(form[at : at + 2] for at in range(len(form) - 1))


def cost(reviews: Sequence[str], sentences: int, threshold: float) -> Cost:
    """Compare so many drawn sentences; to be called in a process of its own, whose memory is measured."""
    texts = drawn(reviews, sentences)
    before = _resident_mb()
    started, cpu_started = time.perf_counter(), time.process_time()
    found = partition(texts, threshold)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Cost(sentences, seconds, cpu_seconds, _peak_mb(), before, found.capped)


def drawn(reviews: Sequence[str], count: int) -> list[str]:
    """Return sentences in which each character follows the last as often as in the reviews."""
    points = np.frombuffer("".join(reviews).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters, codes = np.unique(points, return_inverse=True)
    # The last character is followed by the first, so that each has a successor.
    followers = np.roll(codes, -1)[np.argsort(codes, kind="stable")]
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    generator = np.random.default_rng(0)
    texts: list[str] = []
    while len(texts) < count:
        size = min(_DRAWN_AT_ONCE, count - len(texts))
        state = codes[generator.integers(len(codes), size=size)]
        columns = []
        for _ in range(LENGTH):
            columns.append(letters[state])
            state = followers[starts[state] + (generator.random(size) * counts[state]).astype(np.int64)]
        joined = np.stack(columns, axis=1).tobytes().decode("utf-32-le", "surrogatepass")
        texts += [joined[at : at + LENGTH] for at in range(0, len(joined), LENGTH)]
    return texts


def _resident_mb() -> float:
    """Return what the process holds now, which its peak may have left behind."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _peak_mb() -> float:
    """Return the most that this program held; `getrusage` would count the process that started it too."""
    fields = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(fields[fields.index("VmHWM:") + 1]) / 1024


def rows(found: Sequence[Found]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`."""
    return [
        (
            one.texts,
            f"{one.pairs:,}",
            *(f"{share:.4f}" for share in (one.recall, one.recall_over, one.precision, one.by_words)),
            f"{one.seconds:.1f}",
        )
        for one in found
    ]


def growth_rows(costs: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Return the cells under `GROWTH_HEADER`."""
    ratios = ["", *(f"{two.cpu_seconds / one.cpu_seconds:.2f}" for one, two in pairwise(costs))]
    return [
        (
            f"{one.sentences:,}",
            f"{one.seconds:.1f}",
            f"{one.cpu_seconds:.1f}",
            ratio,
            f"{one.peak_mb:,.0f}",
            f"{one.peak_mb - one.texts_mb:,.0f}",
            f"{one.capped:,}",
        )
        for one, ratio in zip(costs, ratios, strict=True)
    ]
