from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.normalize import NORMALIZERS, normalize
from train.data.clean import CLEANERS
from train.data.row_steps import EMPTIED, LABEL_ORDER, OUTCOME, PRIVACY, SAMPLES, UNUSABLE, Note, RowSteps
from train.data.stream import SCHEMA


def batch(*texts: str | tuple[str, str], problems: dict[int, str] | None = None) -> pa.RecordBatch:
    pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
    count = len(texts)
    columns = {
        "text": [text for text, _ in pairs],
        "text_pair": [pair for _, pair in pairs],
        "label": ["a"] * count,
        "group": [None] * count,
        "file": ["x.csv"] * count,
        "number": list(range(1, count + 1)),
        "line": list(range(1, count + 1)),
        "problem": [(problems or {}).get(index) for index in range(count)],
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def steps(*normalizers: str, cleaners: tuple[str, ...] = (), anonymize: object = None) -> RowSteps:
    return RowSteps(normalizers, cleaners, str, anonymize)  # type: ignore[arg-type]


def note_of(table: pa.Table) -> Note:
    notes = table.column("note").drop_null().to_pylist()
    assert len(notes) == 1
    return Note.from_json(notes[0])


class Hide:
    """Writes # for digits, and has rows with 9 dropped."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, text: str) -> str | None:
        self.counts["digit"] += sum(map(str.isdigit, text))
        return None if "9" in text else "".join("#" if one.isdigit() else one for one in text)


class Count(Hide):
    """Counts and changes nothing."""

    def __call__(self, text: str) -> str:
        super().__call__(text)
        return text


def test_a_row_leaves_at_the_first_step_that_drops_it() -> None:
    made = steps("remove_invisible", cleaners=("no_letters", "one_character"))(
        batch("很好", "", "\u200b", "！", "好", problems={1: "has an empty 'text'"})
    )
    assert made.schema == OUTCOME
    assert made.column("step").to_pylist() == [None, UNUSABLE, EMPTIED, "no_letters", "one_character"]
    assert made.column("reason").to_pylist()[:2] == [None, "has an empty 'text'"]
    assert [reason is None for reason in made.column("reason").to_pylist()] == [True] + [False] * 4
    assert made.column("number").to_pylist() == [1, 2, 3, 4, 5]


def test_steps_change_both_texts_and_count_a_row_once() -> None:
    made = steps("fold_fullwidth")(batch(("ＡＢ好", "１"), ("好", "２"), ("好", "坏")))
    assert list(zip(made.column("text").to_pylist(), made.column("text_pair").to_pylist(), strict=True)) == [
        ("AB好", "1"),
        ("好", "2"),
        ("好", "坏"),
    ]
    assert note_of(made).changed == Counter(fold_fullwidth=2)


def test_an_unusable_row_is_not_changed() -> None:
    made = steps("fold_fullwidth")(batch("ＡＢ", problems={0: "has no label in 'label'"}))
    assert made.column("text").to_pylist() == ["ＡＢ"]
    assert note_of(made).changed == Counter()


UNTOUCHED = ["，：！（）①②℃㎡…—～“”", "👨‍👩‍👧👍🏽❤️☺️", "不好 没有 无 别 勿 未", "ﬁ ½ Ⅷ ㈱ ｶﾅ"]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_default_steps_leave_punctuation_emoji_and_negation_alone(text: str) -> None:
    from train.data.preparation import PrepareSection
    from train.data.sections import DataSection

    default = steps(*DataSection(train="x").normalizers, cleaners=PrepareSection().cleaners)
    made = default(batch(text, f"房间{text}ＡＢ１\u3000"))
    assert made.column("text").to_pylist() == [text, f"房间{text}AB1 "]
    assert made.column("step").to_pylist() == [None, None]


@settings(max_examples=60)
@given(
    st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=5),
    st.permutations([name for name in NORMALIZERS if not name.startswith("mask")]),
)
def test_texts_become_what_serving_makes_of_them_and_again_leaves(texts: list[str], names: list[str]) -> None:
    made = steps(*names)(batch(*texts))
    for before, after, step in zip(
        texts, made.column("text").to_pylist(), made.column("step").to_pylist(), strict=True
    ):
        served = normalize(before, names)
        while served != normalize(served, names):
            served = normalize(served, names)
        assert after == served
        assert (step == EMPTIED) == (not after.strip())


def test_a_step_is_repeated_where_a_later_one_undid_it() -> None:
    made = steps("collapse_whitespace", "remove_invisible")(batch("好 \u200b ", "不 \u200b 好", "行"))
    assert made.column("text").to_pylist() == ["好", "不 好", "行"]
    assert note_of(made).changed == Counter(collapse_whitespace=2, remove_invisible=2)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.integers(1, 4))
def test_the_size_of_batches_changes_no_row(texts: list[str], size: int) -> None:
    problems = {index: "has an empty 'text'" for index, text in enumerate(texts) if not text.strip()}
    made = steps("collapse_whitespace", cleaners=tuple(CLEANERS), anonymize=Hide())
    rows = batch(*texts, problems=problems)
    whole = made(rows)
    parts = [made(rows.slice(start, size)) for start in range(0, len(rows), size)]
    assert pa.concat_tables(parts).drop_columns(["note"]).equals(whole.drop_columns(["note"]))
    total = Note()
    for part in parts:
        total.add(note_of(part))
    assert total == note_of(whole)


def test_personal_data_is_counted_hidden_or_drops_its_row() -> None:
    made = steps(anonymize=Hide())(batch("打12", "没有", ("打3", "或9"), ("打4", "5")))
    assert made.column("text").to_pylist() == ["打##", "没有", "打#", "打#"]
    assert made.column("step").to_pylist() == [None, None, PRIVACY, None]
    note = note_of(made)
    assert note.found == Counter(digit=6)
    assert note.changed == Counter({PRIVACY: 2})


def test_labels_of_rows_that_stay_are_put_in_order_and_counted() -> None:
    rows = batch("很好", "不错", "", "一般", problems={2: "has an empty 'text'"})
    at = rows.schema.get_field_index("label")
    rows = rows.set_column(at, rows.schema.field(at), pa.array(["b|a", "a|b", "b|a", "a"]))
    ordering = RowSteps((), (), str, label_separator="|")
    made = ordering(rows)
    assert made.column("label").to_pylist() == ["a|b", "a|b", "b|a", "a"]
    assert note_of(made).changed == Counter({LABEL_ORDER: 1})
    assert ordering.names == (UNUSABLE, LABEL_ORDER, EMPTIED)
    assert steps()(rows).column("label").to_pylist() == ["b|a", "a|b", "b|a", "a"]


def test_what_took_the_place_of_personal_data_may_be_shown() -> None:
    for rest, shown in ((None, "打*密"), (lambda text: text.replace("密", "+"), "打#+")):
        made = RowSteps(
            (),
            (),
            mask=lambda text: text.replace("1", "*").replace("#", "*"),
            mask_rest=rest,
            anonymize=Hide(),
        )
        assert note_of(made(batch("打1密"))).samples[PRIVACY] == [("打*密", shown)]


def test_counts_of_one_batch_do_not_come_back_in_the_next() -> None:
    made = steps(anonymize=Hide())
    assert [note_of(made(batch("打12"))).found.total() for _ in range(2)] == [2, 2]


def test_masks_are_counted_before_they_hide_and_serving_repeats_them() -> None:
    made = RowSteps(("fold_fullwidth",), (), str, Hide(), ("mask_mobile",))
    assert made.names == ("unusable", "fold_fullwidth", "privacy", "mask_mobile", "emptied")
    assert RowSteps(("fold_fullwidth",), ("blank",), str, Hide()).names[-2:] == ("blank", "privacy")
    counting = RowSteps((), (), str, Count(), ("mask_mobile",))(batch("打１３８12345678", "没有"))
    assert counting.column("text").to_pylist() == ["打【手机号】", "没有"]
    assert note_of(counting).found == Counter(digit=11)
    assert note_of(counting).changed == Counter(mask_mobile=1)


def test_samples_are_few_short_and_masked() -> None:
    long = "好" * 200 + "Ａ" + "好" * 200
    made = RowSteps(("fold_fullwidth",), (), lambda text: text.replace("密", "*"))(
        batch(long, "密Ｂ", *[f"{index}Ｃ" for index in range(9)])
    )
    samples = note_of(made).samples["fold_fullwidth"]
    assert len(samples) == SAMPLES
    assert samples[0][0] == "…" + "好" * 20 + "Ａ" + "好" * 39 + "…"
    assert samples[0][1] == "…" + "好" * 20 + "A" + "好" * 39 + "…"
    assert samples[1] == ("*Ｂ", "*B")


def test_a_batch_without_rows_has_an_outcome() -> None:
    made = steps("fold_fullwidth", cleaners=("blank",))(batch("好").slice(0, 0))
    assert made.schema == OUTCOME
    assert len(made) == 0


def test_a_note_survives_json() -> None:
    note = Note(Counter(a=2), Counter(mobile=1), {"a": [("前", "后")]})
    assert Note.from_json(note.to_json()) == note
    assert json.loads(note.to_json())
