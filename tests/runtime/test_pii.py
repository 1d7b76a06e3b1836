"""Personal data are found where they stand and nowhere else, masked once and for all, in linear time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from re import _parser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import pii
from runtime.classifier import Classifier
from runtime.normalize import NORMALIZERS
from runtime.pii import DEFAULT_KINDS, RECOGNIZERS, Span, find, fold, mask

EXAMPLES = {
    "url_credentials": ("连https://", "root:a1b2", "@db.cn/x"),
    "email": ("邮箱", "zhang.san@163.com", "给我"),
    "mac": ("网卡", "00-1A-2B-3C-4D-5E", "在线"),
    "ip": ("来自", "192.168.1.10", "的"),
    "resident_id": ("身份证", "11010519491231002X", "请查"),
    "bank_card": ("卡号", "6225880123456783", "请查"),
    "mobile": ("手机号", "13812345678", "请回电"),
    "landline": ("座机", "010-62345678", "转接"),
    "passport": ("护照", "E12345678", "过期"),
    "plate": ("车", "京A12345", "停"),
    "wechat": ("微信号", "abc_123", "加我"),
    "qq": ("QQ", "12345678", "在"),
    "name": ("我叫", "张小燕", "，你好"),
}
PIECES = st.sampled_from(
    [
        *(part for example in EXAMPLES.values() for part in example),
        *(recognizer.placeholder for recognizer in RECOGNIZERS.values()),
        *"0123456789.-:@ /+()【】，元吖Xv",
        *(
            "138",
            "1234",
            "5678",
            "86",
            "+86",
            "400",
            "::",
            "://",
            "转8",
            "QQ",
            "微信:",
            "京A",
            "2001:db8::1",
            "Ｅ１",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40)
KINDS = st.lists(st.sampled_from(list(RECOGNIZERS)), min_size=1, max_size=4, unique=True).map(tuple)
ALL = tuple(RECOGNIZERS)


@pytest.mark.parametrize("kind", RECOGNIZERS)
def test_a_value_is_found_between_chinese_characters(kind: str) -> None:
    before, value, after = EXAMPLES[kind]
    text = before + value + after
    assert find(text, ALL) == [Span(len(before), len(before + value), kind)]
    assert mask(text, (kind,)) == before + RECOGNIZERS[kind].placeholder + after
    others = tuple(other for other in RECOGNIZERS if other != kind)
    assert Span(len(before), len(before + value), kind) not in find(text, others)


def test_every_kind_has_its_own_placeholder_and_an_example() -> None:
    assert len({recognizer.placeholder for recognizer in RECOGNIZERS.values()}) == len(RECOGNIZERS) == 13
    assert list(EXAMPLES) == list(RECOGNIZERS)
    assert set(RECOGNIZERS) - set(DEFAULT_KINDS) == {"name"}


def test_full_width_values_are_found_where_they_stand() -> None:
    text = "手机１３８１２３４５６７８，邮箱ａ１＠ｑｑ．ｃｏｍ，（０１０）６２３４５６７８"
    found = [(span.kind, text[span.start : span.end]) for span in find(text)]
    assert found == [
        ("mobile", "１３８１２３４５６７８"),
        ("email", "ａ１＠ｑｑ．ｃｏｍ"),
        ("landline", "（０１０）６２３４５６７８"),
    ]


def test_a_value_of_two_kinds_is_of_the_one_decided_first() -> None:
    assert [span.kind for span in find("13812345678@qq.com")] == ["email"]
    assert [span.kind for span in find("微信13812345678")] == ["mobile"]
    assert [span.kind for span in find("https://me:x@a.com")] == ["url_credentials"]


@given(text=st.text(max_size=60))
def test_folding_keeps_every_position(text: str) -> None:
    assert len(fold(text)) == len(text)


@given(text=TEXTS, kinds=KINDS)
def test_spans_are_sorted_apart_and_of_the_kinds_asked_for(text: str, kinds: tuple[str, ...]) -> None:
    spans = find(text, kinds)
    assert spans == sorted(spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    assert all(0 <= span.start < span.end <= len(text) and span.kind in kinds for span in spans)
    assert find(text, kinds[::-1]) == spans


@given(text=TEXTS, kinds=KINDS | st.just(ALL))
def test_what_is_masked_holds_nothing_more(text: str, kinds: tuple[str, ...]) -> None:
    masked = mask(text, kinds)
    assert find(masked, kinds) == []
    assert mask(masked, kinds) == masked


@given(left=TEXTS, right=TEXTS)
def test_masking_does_not_depend_on_what_stands_far_away(left: str, right: str) -> None:
    between = "。\n" + "的" * 20 + "。\n"
    assert (
        mask(left + between + right, ALL)
        == mask(left + between, ALL) + mask(between + right, ALL)[len(between) :]
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a@qq.com13812345678", "【邮箱】【手机号】"),
        ("13812345678-13912345678", "【手机号】-【手机号】"),
        ("13812345678京A12345", "【手机号】【车牌】"),
        ("00:1a:2b:3c:4d:5e:13812345678", "【MAC】:【手机号】"),
        ("11010519491231002X/10.2.3.4", "【身份证】/【IP】"),
    ],
)
def test_neighbours_are_both_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(text=TEXTS)
def test_a_text_that_is_passed_over_at_once_holds_nothing(text: str) -> None:
    if not pii._RUN.search(text):
        assert pii._round(fold(text), DEFAULT_KINDS) == []


PATTERNS = [
    pattern.pattern
    for recognizer in RECOGNIZERS.values()
    for pattern in (*recognizer.patterns, recognizer.needs)
]


def parts(parsed: object) -> Iterator[tuple[object, object]]:
    """Yield every operation of a parsed pattern, at any depth."""
    if isinstance(parsed, _parser.SubPattern):
        for operation, argument in parsed:
            yield operation, argument
            yield from parts(argument)
    elif isinstance(parsed, list | tuple):
        for one in parsed:
            yield from parts(one)


def most_repeats(pattern: str) -> list[int]:
    """Return how often each repeated part of a pattern may stand."""
    found = parts(_parser.parse(pattern))
    return [int(argument[1]) for name, argument in found if str(name) in ("MAX_REPEAT", "MIN_REPEAT")]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_bounded_and_knows_no_word_boundary(pattern: str) -> None:
    assert max(most_repeats(pattern), default=0) <= 128
    assert r"\b" not in pattern


@pytest.mark.parametrize("pattern", ["a*", "(?:b|c(?=d+))", "a{2,}", "[a-z]{0,500}?"])
def test_an_unbounded_pattern_is_seen(pattern: str) -> None:
    assert max(most_repeats(pattern)) > 128


HOSTILE = [
    "1", "1 ", "138", "13812345678-", "6225 ", "1.", "1:", "a:", "a.", "a@", "@a.", "a@a.", "://a:",
    "://:", "(010)",
    "京A", "QQ", "微信", "微信:", "a-", "2001:", "::", "00-", "86", "+86 ", "E", "我叫张", "张三先生",
    "电话", "13812345678.",
    "a@qq.com13812345678", "192.168.1.1.", "400-",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_in_proportion_to_the_text(piece: str) -> None:
    half, whole = (seconds(piece * (length // len(piece))) for length in (15_000, 30_000))
    assert whole < 3 * half + 0.02


@pytest.mark.parametrize(
    "link",
    [
        "400-123-4567 ",
        "00:1a:2b:3c:4d:5e-00-1a-2b-3c-4d-5e:",
        "13812345678.00:1a:2b:3c:4d:5e:",
        "13812345678@wxid_abcdef12",
    ],
)
def test_values_that_hide_each_other_do_not_cost_the_square(link: str) -> None:
    half, whole = (seconds(link * (length // len(link))) for length in (15_000, 30_000))
    assert whole < 3 * half + 0.02


@pytest.mark.parametrize("mark", [" ", "-", "/", "、", "，", "\n", ":", "; ", "."])
@pytest.mark.parametrize("kind", [kind for kind in DEFAULT_KINDS if kind != "url_credentials"])
def test_a_list_of_values_is_found_at_once_or_is_no_list(
    kind: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, value, _ = EXAMPLES[kind]
    values = [before + value if kind in ("qq", "wechat") else value] * 20
    once = pii.find(mark.join(values))
    monkeypatch.setattr(pii, "_MOST_ROUNDS", 3)
    assert pii.find(mark.join(values)) == once
    if mark in "/、，\n; ":
        assert [span.kind for span in once] == [kind] * 20


def seconds(text: str) -> float:
    """Return the processor time of finding in a text: the least of two, what disturbs only adds."""
    times = []
    for _ in range(2):
        started = time.process_time()
        find(text, ALL)
        times.append(time.process_time() - started)
    return min(times)


def test_serving_masks_before_it_tokenises(tiny_model_dir: Path) -> None:
    classifier = Classifier.load(tiny_model_dir, threads=1)
    names = ("fold_fullwidth", "mask_pii")
    masking = Classifier(
        classifier.manifest.model_copy(update={"normalizers": names}),
        classifier.tokenizer,
        classifier.backend,
    )
    texts = ["房间很好，电话13812345678", "房间很好，电话１５９８７６５４３２１", "房间很好，电话【手机号】"]
    one, other, masked = (masking.logits([text])[0] for text in texts)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, masked)
    bare = [classifier.logits([text])[0] for text in texts[:2]]
    assert not np.array_equal(*bare)


@given(text=TEXTS)
def test_the_normalizers_are_the_masks(text: str) -> None:
    assert NORMALIZERS["mask_pii"](text) == mask(text)
    for kind in RECOGNIZERS:
        assert NORMALIZERS[f"mask_{kind}"](text) == mask(text, (kind,))


@pytest.mark.parametrize("blank", ["\u00a0", "\u2002", "\u2003", "\u2009", "\u202f", "\u3000"])
def test_any_blank_may_stand_between_the_digits(blank: str) -> None:
    assert [span.kind for span in find(f"电话138{blank}1234{blank}5678")] == ["mobile"]
