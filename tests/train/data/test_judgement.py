from __future__ import annotations

import json
from collections import Counter

import pytest

from runtime.errors import DataError
from train.config import Recipe
from train.data.allocation import Cut
from train.data.judgement import judge, refuse_empty_labels
from train.data.ledger import Ledger
from train.section import Split


def recipe(**sections: object) -> Recipe:
    given = {"data": {"train": "x.csv", "group": "user"}, "run": {"directory": "run"}, **sections}
    return Recipe.model_validate_json(json.dumps(given))


def ledger(out: dict[Split, int], **labels: int) -> Ledger:
    made = Ledger(["unusable", "blank"])
    made.rows_in.update(train=100)
    made.rows_out.update(out)
    made.labels_in = {"train": Counter(labels)}
    made.labels_out = {"train": Counter({name: 1 for name, rows in labels.items() if rows})}
    return made


def refusal(cut: Cut, share: float = 0.1) -> str:
    with pytest.raises(DataError) as raised:
        judge(recipe(), ledger({"train": cut.rows}, a=1, b=1), {"dev": share}, cut)
    return str(raised.value)


@pytest.mark.parametrize(
    ("cut", "cause"),
    [
        (Cut(200, 200, 1, 200), "data.group='user' puts all 200 rows that are left into one group"),
        (
            Cut(200, 200, 4, 120),
            "data.group='user' puts all 200 rows that are left into 4 groups, the largest of",
        ),
        (Cut(200, 100, 50, 190), "data.group='user' puts all 200 rows that are left into 50 groups"),
        (Cut(200, 1, 1, 200), "a likeness of texts, with each other or a third, puts all 200 rows"),
        (Cut(9, 9, 9, 1), "9 rows are left, too few to cut a share of 0.1 for dev from"),
        (Cut(9, 1, 1, 9), "9 rows are left, too few"),
        (Cut(200, 200, 200, 1), "200 rows are left, too few"),
    ],
)
def test_what_kept_a_share_from_being_cut_is_named(cut: Cut, cause: str) -> None:
    assert cause in refusal(cut)


def test_the_remedy_fits_the_cause() -> None:
    assert refusal(Cut(200, 200, 1, 200)).endswith("set data.dev, or another data.group.")
    assert refusal(Cut(200, 1, 1, 200)).endswith("set data.dev, or prepare.near_duplicates=0.")
    assert refusal(Cut(9, 9, 9, 1)).endswith("add rows, raise data.dev_fraction, or set data.dev.")


def test_a_given_split_without_rows_is_refused_with_the_commonest_reason() -> None:
    books = ledger({}, a=1)
    books.dropped.update({("train", "blank", "shows nothing"): 3, ("train", "unusable", "has no label"): 97})
    with pytest.raises(DataError, match=r"no train row is left of 100 .*unusable 97.*reason: has no label\)"):
        judge(recipe(), books, {}, None)


def test_only_a_label_of_which_nothing_is_left_is_refused() -> None:
    books = ledger({"train": 9}, **{"a;b": 2, ";": 3})
    with pytest.raises(DataError, match="leaves nothing of the label ';' of 3 train rows"):
        refuse_empty_labels(books, ";")
    refuse_empty_labels(books, None)
    refuse_empty_labels(books, "b")


def test_labels_are_lost_and_combined_by_their_parts(caplog: pytest.LogCaptureFixture) -> None:
    books = ledger({"train": 9}, **{"b;a": 1, "c;a": 0, "a": 1})
    books.labels_out["train"] = Counter({"a;b": 1, "a": 1})
    judge(recipe(prepare={"label_separator": ";"}), books, {}, None)
    assert caplog.messages == [
        "1 of the 3 labels of train have no row left there: 'c'",
        "finetune gives a text one label: of the 2 classes 1 are combinations of labels, like 'a;b'",
    ]


def test_one_class_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    judge(recipe(), ledger({"train": 9}, a=9), {}, None)
    assert len(caplog.messages) == 1
    assert "all training rows have one label" in caplog.messages[0]
    caplog.clear()
    judge(recipe(), ledger({"train": 9}, a=5, b=4), {}, None)
    assert caplog.messages == []
