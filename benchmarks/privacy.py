"""How exactly personal data are found in invented Chinese sentences, and what that costs; it knows no recipe.

Every kind is drawn in many frames without blanks around it, beside numbers that only look like it. A value
counts as found where kind, start and end are right. Status 1 where a kind that is on by default misses
`LEAST`; names, which are off by default, are only stated.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from benchmarks import machine, options, record
from benchmarks.privacy_negatives import NEGATIVES
from benchmarks.privacy_values import ANNOUNCED, VALUES, full_width
from loadtests.table import table
from runtime.pii import DEFAULT_KINDS, Span, find

LEAST = 0.99
HEADER = ("kind", "values", "found", "false", "precision", "recall")
_BEFORE = (
    "您好，", "客户反映", "麻烦您记一下", "昨天下单以后一直没人理，", "（", "“", "", "备注:", "房间很干净，",
    "物流太慢了！", "\n", "如需退货", "[", "3天了，", "我是老客户，",
)  # fmt: skip
_AFTER = (
    "，请尽快处理。", "谢谢", "有问题请联系", "）", "”", "。", "", "！", "收到请回复", "]不客气", "的", "\n",
    "\t第二栏", "；另外", "/", "请查收", "呢？", "~", "、还有",
)  # fmt: skip
_BETWEEN = ("，", "和", "。", "、", " ", "，还有", "/", "；", "另外", "")
_LATIN = ("email", "url_credentials", "wechat")
"""Kinds that end in letters: Latin ones must not follow at once."""

_TITLES = (
    "基金经理",
    "历史老师",
    "各位先生女士",
    "这位小姐",
    "医生很好",
    "叫了外卖",
    "本人",
    "客户很满意",
    "联系人很热情",
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and the personal data in it."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind."""

    values: int
    right: int
    wrong: int

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 1 where nothing was."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of the values that was found; 1 where there are none."""
        return self.right / self.values if self.values else 1.0


def sentences(count: int, kinds: Sequence[str], seed: int) -> list[Sentence]:
    """Draw sentences with one value, two values, a value beside a negative, and negatives alone."""
    chance = Random(seed)
    negatives = (
        NEGATIVES if set(kinds) != {"name"} else tuple(lambda one: one.choice(_TITLES) for _ in range(9))
    )
    drawn = []
    for number in range(count):
        parts: list[tuple[str, str | None]] = [(chance.choice(_BEFORE), None)]
        kind = kinds[number % len(kinds)]
        form = chance.choices(("one", "two", "beside", "none"), (50, 15, 10, 25))[0]
        if form in ("none", "beside"):
            parts.append((negatives[number // len(kinds) % len(negatives)](chance), None))
        if form == "beside":
            parts.append((chance.choice(("，", "。", "；")), None))
        if form != "none":
            parts += _value(kind, chance)
        if form == "two":
            second = _value(chance.choice(kinds), chance, announced=True)
            glued = second[0][0][:1].isascii() and kind in _LATIN
            parts += [("，" if glued else chance.choice(_BETWEEN), None), *second]
        parts.append((chance.choice(_AFTER), None))
        drawn.append(_joined(parts))
    return drawn


def _value(kind: str, chance: Random, *, announced: bool = False) -> list[tuple[str, str | None]]:
    """Draw a value with the words that announce it, before or, where they may, behind."""
    cue, value = VALUES[kind](chance)
    if kind in ("mobile", "resident_id", "bank_card", "email", "plate", "qq") and chance.random() < 0.05:
        value = full_width(value)
    if kind == "url_credentials":
        return [(cue, None), (value, kind), ("@db.example.com/x", None)]
    if kind not in ANNOUNCED and not announced and chance.random() < 0.2:
        return [(value, kind), (chance.choice(("是我的", "，这是", "，")) + cue.strip("：: 是"), None)]
    return [(cue or "是" * announced, None), (value, kind)]


def _joined(parts: Iterable[tuple[str, str | None]]) -> Sentence:
    text, spans = "", []
    for part, kind in parts:
        if kind is not None:
            spans.append(Span(len(text), len(text) + len(part), kind))
        text += part
    return Sentence(text, tuple(spans))


def score(drawn: Sequence[Sentence], kinds: Sequence[str]) -> dict[str, Found]:
    """Compare what is found with what is there, kind by kind."""
    counts = {kind: [0, 0, 0] for kind in kinds}
    for sentence in drawn:
        there = set(sentence.spans)
        for span in there:
            counts[span.kind][0] += 1
        for span in find(sentence.text, kinds):
            counts[span.kind][1 if span in there else 2] += 1
    return {kind: Found(*count) for kind, count in counts.items()}


def rows(found: dict[str, Found]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`."""
    return [
        (
            kind,
            f"{one.values:,}",
            f"{one.right:,}",
            f"{one.wrong:,}",
            f"{one.precision:.4f}",
            f"{one.recall:.4f}",
        )
        for kind, one in found.items()
    ]


def failures(found: dict[str, Found]) -> list[str]:
    """Return the kinds, on by default, whose precision or recall is below `LEAST`."""
    return [
        kind
        for kind in DEFAULT_KINDS
        if kind in found and min(found[kind].precision, found[kind].recall) < LEAST
    ]


def microseconds(texts: Sequence[str]) -> float:
    """Return the time that finding takes in a text, in the mean."""
    started = time.perf_counter()
    for text in texts:
        find(text)
    return (time.perf_counter() - started) / len(texts) * 1e6


def main(argv: Sequence[str]) -> int:
    """Draw, find, compare; print the table, write the JSON."""
    parser = ArgumentParser(
        prog="python -m benchmarks privacy", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sentences", type=options.positive, default=30_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the invention; default: %(default)s")
    parser.add_argument("--results", type=Path, default=record.FOLDER, help="default: %(default)s")
    chosen = parser.parse_args(argv)
    drawn = sentences(chosen.sentences, DEFAULT_KINDS, chosen.seed)
    named = sentences(max(1, chosen.sentences // 10), ("name",), chosen.seed)
    found = score(drawn, DEFAULT_KINDS) | score(named, ("name",))
    cost = microseconds([sentence.text for sentence in drawn])
    print(f"{len(drawn) + len(named):,} sentences, {cost:.1f} µs each to search\n")
    print(table(HEADER, rows(found)))
    content: dict[str, object] = {
        "machine": asdict(machine.describe(())),
        "settings": options.plain(chosen),
        "microseconds_per_sentence": cost,
        "kinds": {
            kind: {**asdict(one), "precision": one.precision, "recall": one.recall}
            for kind, one in found.items()
        },
    }
    print(f"\n{record.write('privacy', content, chosen.results)}")
    missed = failures(found)
    if missed:
        print(f"below {LEAST}: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))
