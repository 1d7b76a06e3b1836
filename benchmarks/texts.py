"""The texts that are measured and posted, by length; it knows no engine and no server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.corpus import generate
from loadtests.server import ROOT

CHNSENTICORP = ROOT.parent / "shared" / "data" / "chnsenticorp" / "test.tsv"
REVIEWS, SHORT, LONG, MIX = "reviews", "short", "long", "mix"
SHORT_TOKENS = 32
LONG_TOKENS = 512
MIX_PERIOD = 10
"""One text in so many is long in the mix; the others are short."""
_SPECIAL_TOKENS = 2  # [CLS] and [SEP]


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts of one kind of length, told apart by its name."""

    name: str
    texts: list[str]


def load(count: int, path: Path = CHNSENTICORP) -> tuple[str, list[str]]:
    """Return where texts come from and `count` of them: real reviews where that file is present.

    They are drawn with a fixed seed: the same every time, with the lengths of the whole file.
    """
    if not path.is_file():
        return "generated reviews", list(generate(count, seed=0))
    rows = path.read_text(encoding="utf-8").split("\n")[1:]
    reviews = [row.split("\t", 1)[1] for row in rows if row]
    random.Random(0).shuffle(reviews)
    return str(path), [reviews[index % len(reviews)] for index in range(count)]


def uniform(count: int, tokens: int, seed: int = 0) -> list[str]:
    """Return `count` texts of exactly `tokens` tokens: Chinese characters, of which BERT makes one each."""
    characters = _characters(seed)
    length = tokens - _SPECIAL_TOKENS
    return ["".join(next(characters) for _ in range(length)) for _ in range(count)]


def mix(short: Sequence[str], long: Sequence[str]) -> list[str]:
    """Put a long text behind every nine short ones, while there are so many of both."""
    per_long = MIX_PERIOD - 1
    blocks = min(len(short) // per_long, len(long))
    return [
        text
        for block in range(blocks)
        for text in (*short[block * per_long : (block + 1) * per_long], long[block])
    ]


def workloads(reviews: Sequence[str], in_flight: int = 1) -> list[Workload]:
    """Return reviews, short and long texts and their mix: a pass costs about the same number of tokens.

    Of each kind there are at least so many as are in flight at once: a service that computes equal texts
    once must not profit from a short list.
    """
    short = uniform(max(MIX_PERIOD - 1, in_flight, len(reviews)), SHORT_TOKENS)
    long = uniform(max(in_flight, len(reviews) // 8), LONG_TOKENS, seed=1)
    kinds = {REVIEWS: list(reviews), SHORT: short, LONG: long, MIX: mix(short, long)}
    return [Workload(name, texts) for name, texts in kinds.items()]


def mix_over_ideal(short: float, long: float, mixed: float) -> float:
    """Return the rate of the mix over that at which long texts cost what they cost alone; all in texts/s."""
    return mixed * ((MIX_PERIOD - 1) / short + 1 / long) / MIX_PERIOD


def _our_body(chunk: list[str]) -> dict[str, object]:
    return {"texts": chunk}


def bodies(
    texts: Sequence[str], per_request: int, body: Callable[[list[str]], dict[str, object]] = _our_body
) -> list[bytes]:
    """Return the JSON bodies that together ask for all texts once."""
    chunks = (list(texts[start : start + per_request]) for start in range(0, len(texts), per_request))
    return [json.dumps(body(chunk), ensure_ascii=False).encode() for chunk in chunks]


def _characters(seed: int) -> Iterator[str]:
    while True:
        for review in generate(64, seed):
            yield from (character for character in review if "\u4e00" <= character <= "\u9fff")
        seed += 2  # short and long texts start from different ones
