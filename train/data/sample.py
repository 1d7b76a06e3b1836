"""Generated Chinese reviews: a seeded grammar whose labels follow from what each sentence asserts.

Knows nothing of files, tokens or models. The sentences are synthetic and say so wherever they are shown.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Literal, NamedTuple, TypeVar
from zlib import crc32

from train.data.lexicon import (
    ASCII_STYLE,
    DOMAINS,
    EMOJI,
    ENDINGS,
    PARTICLES,
    PATTERNS,
    SHAPES,
    VERDICTS,
    Domain,
)

__all__ = ["DEMO", "LABELS", "SIZES", "Claim", "Split", "claims", "reviews"]

Split = Literal["train", "dev", "test"]
LABELS = {False: "负面", True: "正面"}
SIZES: dict[Split, int] = {"train": 24_000, "dev": 1_000, "test": 2_000}
LENGTHS = range(5, 121)
CLAUSES = ("plain", "plain", "clause")
CLAIMS = (*CLAUSES, *CLAUSES, "remark", "remark", "thing")

# Written by hand, in nobody's split: what the quickstart asks the finished model.
DEMO = (
    "房间很干净，服务员也热情，下次还来！",
    "排队一小时，结果菜又咸又凉，不会再来了。",
    "一点也不吵，睡得很好。",
    "说好的安静呢？一点也不安静。",
    "虽然屏幕很漂亮，但是系统太卡，用着难受。",
    "价格是有点贵，不过质量真的没话说👍",
    "谁说这本书无聊？我一口气看完了。",
    "没有理由不推荐这台iPhone！",
)


class Claim(NamedTuple):
    """One assertion that can stand in a sentence; no claim belongs to two splits."""

    text: str
    subject: str
    word: str
    domain: str
    role: str
    positive: bool


def reviews(split: Split, seed: int = 0) -> list[tuple[str, str]]:
    """Return `SIZES[split]` different (text, label) pairs, both labels equally often.

    No claim, that is no combination of pattern, subject and word, occurs in two splits: the test set asks
    whether the model understood the pattern, not whether it saw these words together before.
    """
    rng = Random(f"{split} {seed}")  # a text seed is hashed with SHA-512, the same on every Python
    pools = _pools(split, seed)
    texts: dict[str, str] = {}
    while len(texts) < SIZES[split]:
        positive = len(texts) % 2 == 0
        text = _Review(rng, pools, positive).compose()
        if len(text) in LENGTHS:
            texts.setdefault(text, LABELS[positive])
    return list(texts.items())


def claims() -> Iterator[Claim]:
    """Yield everything the lexicon can assert; polarity is the word's, turned round by a negated pattern."""
    for name, domain in DOMAINS.items():
        for pattern in PATTERNS:
            for subject, word, good in _words(domain, pattern.role):
                if pattern.words in ("any", "good" if good else "bad"):
                    yield Claim(pattern.text, subject, word, name, pattern.role, good != pattern.negated)
        for opening in domain.openings.split("/"):
            for praise, blame in VERDICTS:
                yield Claim(f"{opening}，{praise}", "", "", name, "verdict", True)
                yield Claim(f"{opening}，{blame}", "", "", name, "verdict", False)


def _words(domain: Domain, role: str) -> Iterator[tuple[str, str, bool]]:
    for subject, good, bad in [("", domain.wants, domain.flaws)] if role == "thing" else domain.aspects:
        yield from ((subject, word, True) for word in good.split())
        yield from ((subject, word, False) for word in bad.split())


@cache
def _pools(split: Split, seed: int) -> dict[tuple[str, str, bool], list[Claim]]:
    pools: dict[tuple[str, str, bool], list[Claim]] = {}
    for claim in claims():
        if _split_of(claim, seed) == split:
            pools.setdefault((claim.domain, claim.role, claim.positive), []).append(claim)
    return pools


def _split_of(claim: Claim, seed: int) -> Split:
    share = crc32(f"{seed}|{claim.text}|{claim.subject}|{claim.word}".encode()) % 20
    return "train" if share < 16 else "dev" if share < 17 else "test"


T = TypeVar("T")


class _NothingLeftError(Exception):
    """A small split has no claim left about a subject that this review has not spoken of yet."""


class _Review:
    """One review in the making: its polarity, its domain, and the subjects already spoken of."""

    def __init__(self, rng: Random, pools: dict[tuple[str, str, bool], list[Claim]], positive: bool) -> None:
        self._rng, self._pools, self._positive = rng, pools, positive
        self._name = self._pick(tuple(DOMAINS))
        self._domain = DOMAINS[self._name]
        self._item = self._pick(self._domain.items.split("/")) if self._chance(0.2) else ""
        self._subjects: set[str] = set()

    def compose(self) -> str:
        """Fill one shape from left to right, then end it the way people do; "" where claims run out."""
        groups = [
            shapes
            for weight, label, shapes in SHAPES
            if label in (None, self._positive)
            for _ in range(weight)
        ]
        shape = self._pick(self._pick(groups))
        try:
            text = re.sub(r"\{(\w)\}", lambda slot: self._fill(slot[1]), shape)
        except _NothingLeftError:
            return ""
        return self._finish(text.replace("？，", "？"))

    def _fill(self, slot: str) -> str:
        if slot == "o":
            return self._pick(self._domain.openings.split("/"))
        if slot == "t":
            return self._pick(VERDICTS)[not self._positive].replace("{v}", self._domain.verb)
        if slot == "V":
            return self._claim("verdict", self._positive)
        positive = self._positive != (slot == "x")
        roles = CLAIMS if slot == "Y" else CLAUSES
        there = [role for role in roles if (self._name, role, positive) in self._pools]
        return self._claim(self._pick(there), positive)

    def _claim(self, role: str, positive: bool) -> str:
        pool = self._pools.get((self._name, role, positive), [])
        if all(claim.subject in self._subjects for claim in pool):
            raise _NothingLeftError
        claim = self._pick(pool)
        while claim.subject in self._subjects:
            claim = self._pick(pool)
        text = claim.text
        if claim.subject:
            self._subjects.add(claim.subject)
            text = text.replace("的{a}", "的" + claim.subject)
            text = text.replace("{a}", self._owner("的") + claim.subject) if "{a}" in text else text
        elif role == "thing":
            text = self._owner("") + text
        rival = self._pick(self._domain.rivals.split("/"))
        return text.replace("{w}", claim.word).replace("{r}", rival).replace("{v}", self._domain.verb)

    def _owner(self, of: str) -> str:
        item, self._item = self._item, ""
        return item and item + of

    def _finish(self, text: str) -> str:
        if not text.endswith("？"):
            if text[-1] not in "了的" and self._chance(0.15):
                text += self._pick(PARTICLES.split())
            text += self._pick(ENDINGS.split()) if self._chance(0.8) else ""
        if self._chance(0.08):
            text += self._pick(EMOJI[self._positive].split())
        return text.translate(ASCII_STYLE) if self._chance(0.06) else text

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _pick(self, options: Sequence[T]) -> T:
        # Random.random is the one method whose sequence Python promises to keep.
        return options[int(self._rng.random() * len(options))]
