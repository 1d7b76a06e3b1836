"""The generated reviews: balanced, disjoint, the same everywhere, and not to be solved by counting words."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from train.data.lexicon import DOMAINS, PATTERNS, VERDICTS, Pattern
from train.data.sample import DEMO, LABELS, LENGTHS, SIZES, Claim, Split, _pools, claims, reviews

SPLITS = tuple(SIZES)
DIGESTS = {
    "train": "97b0fbc86fab03c4dbc34df18df58d307bc13518520b16dfb0281a6908713eaf",
    "dev": "2370c082e4e616f900602bd718e8abb669d7a93a8509b7bcd50c2c27ba4f7269",
    "test": "619e1502c7b37febcb5272800107421325d9955a58fc2824af242272b139fd55",
}
NEGATION = re.compile("不|没有?|哪里|哪有|谁说|难道")
STRENGTHENING = ("不是一般的", "再{w}不过", "从没见过这么")

SHARES = {
    "不": (r"不", 0.3),
    "没": (r"没", 0.1),
    "并不": (r"并不", 0.02),
    "一点也不": (r"一点[也都]不", 0.02),
    "double negation": (
        r"不能说不|不可谓不|觉得.*不|不得不|没法不|没有理由不|没有一个人不|要说.*不.*不同意",
        0.05,
    ),
    "contrast": (r"虽然|但是|尽管|不过|可是|别看", 0.2),
    "mixed": (r"有好有坏|总的来说|综合", 0.05),
    "comparison": (r"比.+(多了|还)|没有.+那么|不如|不像", 0.08),
    "rhetorical question": (r"[？?]", 0.02),
    "particle": (r"[啊哦呢哈呀啦]", 0.05),
    "Latin": (r"[A-Za-z]{2}", 0.02),
    "digit": (r"\d", 0.05),
    "emoji": (r"[👍😊😋🎉🌹😂🤔👎😡😭💔😤]", 0.03),
    "no final punctuation": (r"[\u4e00-\u9fff]$", 0.1),
    "ASCII punctuation": (r"[,.!?]", 0.03),
    "short": (r"^.{5,8}$", 0.03),
    "long": (r"^.{70,120}$", 0.01),
}


def texts(split: Split) -> set[str]:
    """Return the sentences of a split."""
    return {text for text, _ in reviews(split)}


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_size_in_different_sentences(split: Split) -> None:
    assert len(reviews(split)) == len(texts(split)) == SIZES[split]
    assert all(len(text) in LENGTHS for text in texts(split))


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_balanced(split: Split) -> None:
    counts = Counter(label for _, label in reviews(split))
    assert counts == dict.fromkeys(LABELS.values(), SIZES[split] // 2)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SPLITS, 2)))
def test_splits_share_neither_sentences_nor_claims(one: Split, other: Split) -> None:
    assert texts(one).isdisjoint(texts(other))
    held = [{claim[:3] for pool in _pools(split, 0).values() for claim in pool} for split in (one, other)]
    assert min(map(len, held)) > 900
    assert held[0].isdisjoint(held[1])


def test_demo_sentences_are_in_no_split() -> None:
    assert len(DEMO) == len(set(DEMO)) >= 6
    assert all(texts(split).isdisjoint(DEMO) for split in SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_are_the_same_everywhere(split: Split) -> None:
    """Digests written down once: hash order, platform and Python version do not matter."""
    lines = "".join(f"{label}\t{text}\n" for text, label in reviews(split))
    assert hashlib.sha256(lines.encode()).hexdigest() == DIGESTS[split]


def test_another_seed_gives_other_sentences() -> None:
    assert len(texts("dev") & {text for text, _ in reviews("dev", seed=1)}) < SIZES["dev"] / 10


@pytest.mark.parametrize("name", SHARES)
def test_every_kind_of_sentence_is_frequent_enough(name: str) -> None:
    pattern, share = SHARES[name]
    found = sum(bool(re.search(pattern, text)) for text in texts("train"))
    assert share <= found / SIZES["train"] <= 0.95


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.text)
def test_a_pattern_negates_when_its_negations_are_odd_in_number(pattern: Pattern) -> None:
    count = len(NEGATION.findall(pattern.text.replace("我可不同意", "不")))
    strengthens = any(marker in pattern.text for marker in STRENGTHENING)
    assert pattern.negated == (count % 2 == 1 and not strengthens)


@pytest.mark.parametrize(
    ("subject", "word", "pattern", "label"),
    [
        ("房间", "干净", "{a}很{w}", "正面"),
        ("房间", "干净", "{a}一点也不{w}", "负面"),
        ("房间", "吵", "{a}一点也不{w}", "正面"),
        ("房间", "小", "{a}很{w}", "负面"),
        ("噪音", "小", "{a}很{w}", "正面"),
        ("情节", "精彩", "谁说{a}不{w}？", "正面"),
        ("情节", "精彩", "谁说{a}{w}？", "负面"),
        ("系统", "卡", "{a}没有{r}那么{w}", "正面"),
        ("系统", "卡", "{a}不能说不{w}", "负面"),
        ("做工", "粗糙", "{a}不是一般的{w}", "负面"),
        ("", "热水", "连{w}都没有", "负面"),
        ("", "异味", "没有任何{w}", "正面"),
    ],
)
def test_labels_are_those_a_reader_gives(subject: str, word: str, pattern: str, label: str) -> None:
    found = {claim.positive for claim in claims() if claim[:3] == (pattern, subject, word)}
    assert {LABELS[positive] for positive in found} == {label}


def test_negation_turns_every_plain_claim_round() -> None:
    polarity = {(c.domain, c.subject, c.word, c.text): c.positive for c in claims() if c.subject}
    pairs = 0
    for (*core, text), positive in polarity.items():
        if text == "{a}很{w}":
            pairs += 1
            assert polarity[*core, "{a}一点也不{w}"] is not positive
            assert polarity[*core, "谁说{a}{w}？"] is not positive
            assert polarity[*core, "谁说{a}不{w}？"] is positive
    assert pairs > 400


def test_no_word_praises_and_blames_the_same_aspect() -> None:
    rows = [row for domain in DOMAINS.values() for row in domain.aspects]
    assert len(rows) > 60
    assert [row for row in rows if set(row[1].split()) & set(row[2].split())] == []
    assert len(VERDICTS) > 20
    assert {praise for praise, _ in VERDICTS}.isdisjoint(blame for _, blame in VERDICTS)


def spoken(claim: Claim) -> Iterator[str]:
    """Yield every wording of a claim."""
    for rival in DOMAINS[claim.domain].rivals.split("/"):
        text = claim.text.replace("{a}", claim.subject).replace("{w}", claim.word)
        yield text.replace("{r}", rival)


def test_no_wording_is_both_praise_and_blame() -> None:
    polarities = defaultdict(set)
    for claim in claims():
        for text in spoken(claim):
            polarities[text].add(claim.positive)
    assert len(polarities) > 20_000
    assert [text for text, found in polarities.items() if len(found) > 1] == []


def test_the_main_clause_decides_a_contrast() -> None:
    """The conceding half says the opposite of the label, the other half the label."""
    polarity = {text: claim.positive for claim in claims() for text in spoken(claim)}
    halves = re.compile(
        r"^(?:虽然|尽管)(?P<conceded>[^，]+)，(?:但是?|可是)(?P<main>[^，。！～…啊哦呢哈呀啦]+)"
    )
    checked = 0
    for text, label in reviews("train"):
        match = halves.search(text)
        if match and match["main"] in polarity and match["conceded"] in polarity:
            checked += 1
            assert LABELS[polarity[match["main"]]] == label
            assert LABELS[polarity[match["conceded"]]] != label
    assert checked > 200


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
@example(seed=511871)  # its dev set has too few subjects for the longest shape
@example(seed=208550)  # its dev set has no opening with a verdict in one domain
def test_every_seed_gives_a_balanced_and_disjoint_sample(seed: int) -> None:
    drawn = {split: reviews(split, seed) for split in ("dev", "test")}
    assert {text for text, _ in drawn["dev"]}.isdisjoint(text for text, _ in drawn["test"])
    for split, pairs in drawn.items():
        assert Counter(label for _, label in pairs)["正面"] * 2 == SIZES[split] == len(dict(pairs))


def grams(text: str) -> list[str]:
    """Return characters and pairs of characters."""
    return [*text, *map("".join, itertools.pairwise(text))]


def test_counting_characters_does_not_solve_it() -> None:
    """Naive Bayes on characters and their pairs, the floor a model has to beat, stays below 0.8."""
    counts = {label: Counter[str]() for label in LABELS.values()}
    for text, label in reviews("train"):
        counts[label].update(grams(text))
    kinds = len({gram for counter in counts.values() for gram in counter})
    totals = {label: counter.total() for label, counter in counts.items()}

    def evidence(text: str, label: str) -> float:
        return sum(math.log((counts[label][gram] + 1) / (totals[label] + kinds)) for gram in grams(text))

    right = sum(
        max(LABELS.values(), key=lambda name: evidence(text, name)) == label
        for text, label in reviews("test")
    )
    assert 0.5 < right / SIZES["test"] < 0.8
