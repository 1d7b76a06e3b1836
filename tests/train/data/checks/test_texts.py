from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.data.checks.clean_rows import clean, csv_bytes
from tests.train.data.checks.test_batch import batch
from train.data.checks.finding import Finding
from train.data.checks.texts import _SPARE_PLAIN, Cleanable, Invisible, Misread, Unusable, _doubtful
from train.data.clean import CLEANERS

Find = Callable[..., list[Finding]]


def jsonl(*rows: dict[str, object]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_unusable_rows_are_sorted_by_what_they_lack(find: Find) -> None:
    rows = jsonl(
        {"text": "好", "label": "a"},
        {"text": " ", "label": "a"},
        {"text": None, "label": None},
        {"text": "好"},
        {"text": ["好"], "label": "a"},
        {"text": "好", "label": "a" * 3},
        {"text": "好", "label": {"a": 1}},
    )
    found = {one["check"]: one for one in find(Unusable, train=rows)}
    assert {name: one["rows"] for name, one in found.items()} == {
        "empty_text": [2, 3],
        "missing_label": [4],
        "unusable_row": [5, 7],
    }
    assert "has a list as 'text' where text is needed" in found["unusable_row"]["what"]


def test_a_missing_pair_is_an_empty_text(find: Find) -> None:
    rows = jsonl({"text": "好", "pair": "坏", "label": "a"}, {"text": "好", "pair": "", "label": "a"})
    (finding,) = find(Unusable, "data.text_pair=pair", train=rows)
    assert (finding["check"], finding["rows"]) == ("empty_text", [2])


@settings(max_examples=40)
@given(
    st.lists(
        st.text(
            st.one_of(
                st.characters(exclude_categories=["Cs"]),
                st.sampled_from("我很好。<br>&nbsp;锟斤拷 http://a.cn\u200b\ufffd"),
            ),
            max_size=20,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_row_that_a_cleaner_drops_is_spared(texts: list[str]) -> None:
    rows = batch([text or "x" for text in texts])
    doubtful = set(_doubtful(rows).tolist())
    for name in _SPARE_PLAIN:
        keeps = CLEANERS[name](rows.rows).to_pylist()
        assert {at for at, keep in enumerate(keeps) if not keep} <= doubtful, name
    assert len(_SPARE_PLAIN) == 8


def test_plain_rows_are_spared_and_pairs_are_not() -> None:
    assert _doubtful(batch(["房间很干净，服务也好。", "好", "房间<b>很</b>干净"])).tolist() == [1, 2]
    assert _doubtful(batch(["房间很干净"], ["好"])).tolist() == [0]


def test_the_remedy_keeps_the_cleaners_of_the_recipe(find: Find) -> None:
    rows = [*clean(), ("<b>房间</b>很干净", "正面"), ("好", "正面")]
    found = {one["check"]: one for one in find(Cleanable, 'prepare.cleaners=["one_character"]', train=rows)}
    assert found["html_remnant"]["fix"] == 'prepare.cleaners=["one_character", "html_remnant"]'
    assert found["html_remnant"]["settings"] == {"prepare.cleaners": ["one_character", "html_remnant"]}
    assert (found["one_character"]["fix"], found["one_character"]["settings"]) == ("prepare drops them", {})
    assert "with a text that is one character" in found["one_character"]["what"]


def test_texts_in_another_language_are_in_order_where_most_are(find: Find) -> None:
    english = [(f"this is the sentence number {at}", "ab"[at % 2]) for at in range(10)]
    assert find(Cleanable, train=english) == []
    (finding,) = find(Cleanable, train=[*clean(), *english])
    assert (finding["check"], finding["severity"], finding["count"]) == ("foreign", "info", 10)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *(
            (text, wrong)
            for text in ("schön", "很好，谢谢，再见。", "“引”——€5")
            for wrong in ("cp1252", "latin-1")
        ),
        ("很好，谢谢，再见。", "gbk"),
    ],
)
def test_misread_texts_are_found_and_right_ones_are_not(find: Find, text: str, wrong: str) -> None:
    misread = text.encode().decode(wrong, errors="replace")
    (finding,) = find(Misread, train=[*clean(), (misread, "正面"), (text, "负面")])
    assert finding["rows"] == [41]


@pytest.mark.parametrize(
    "text",
    [
        "Ça va? Très bien, « oui », café», 20°",
        "São Paulo, AÇÃO",
        "â la carte… ¿qué?",
        "锛很好",
        "30°C±2 “好”",
    ],
)
def test_words_with_accents_are_not_taken_for_misread(find: Find, text: str) -> None:
    assert find(Misread, train=[*clean(2), (text, "正面")]) == []


def test_invisible_characters_are_in_order_where_they_are_removed(find: Find) -> None:
    rows = [*clean(), ("很\u200b好", "正面")]
    (finding,) = find(Invisible, train=rows)
    assert (finding["rows"], finding["fix"]) == (
        [41],
        'data.normalizers=["fold_fullwidth", "remove_invisible"]',
    )
    assert find(Invisible, finding["fix"], train=rows) == []


def test_a_second_byte_order_mark_is_seen(find: Find) -> None:
    content = csv_bytes(clean(4), encoding="utf-8-sig") + csv_bytes(clean(4), encoding="utf-8-sig")
    (finding,) = find(Invisible, suffix=".csv", train=content)
    assert finding["rows"] == [6]
