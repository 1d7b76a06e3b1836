"""Rows in which nothing is wrong, to plant defects in."""

from __future__ import annotations

import random

COMMON = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主"
    "发年动同工也能下过子说产种面而方后多"
)
LABELS = ("正面", "负面")


def sentences(count: int, seed: int = 0, length: int = 24) -> list[str]:
    """Return texts of common characters, no two of which are alike."""
    chance = random.Random(seed)
    return ["".join(chance.choices(COMMON, k=length)) + "。" for _ in range(count)]


def clean(count: int = 40, seed: int = 0) -> list[tuple[str, str]]:
    """Return rows of two labels; other seeds give other texts."""
    return [(text, LABELS[at % 2]) for at, text in enumerate(sentences(count, seed))]


def csv_bytes(
    rows: list[tuple[str, str]], mark: str = ",", end: str = "\n", encoding: str = "utf-8"
) -> bytes:
    """Return a file with a header and a line per row."""
    return "".join(f"{mark.join(row)}{end}" for row in [("text", "label"), *rows]).encode(encoding)
