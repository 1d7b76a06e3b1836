"""The texts that serving benchmarks post; it knows no server."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from loadtests.corpus import generate
from loadtests.server import ROOT

CHNSENTICORP = ROOT.parent / "shared" / "data" / "chnsenticorp" / "test.tsv"


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


def bodies(texts: Sequence[str], per_request: int) -> list[bytes]:
    """Return the JSON bodies that together ask for all texts once."""
    chunks = (texts[start : start + per_request] for start in range(0, len(texts), per_request))
    return [json.dumps({"texts": chunk}, ensure_ascii=False).encode() for chunk in chunks]
