from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.train.data.checks.clean_rows import clean
from train.data.checks.finding import Finding
from train.data.checks.repeats import Groups, Repeats
from train.doctor import diagnose

Find = Callable[..., list[Finding]]


def by_name(findings: list[Finding]) -> dict[tuple[str, str | None], Finding]:
    return {(one["check"], one["split"]): one for one in findings}


def test_a_leaked_row_comes_with_the_row_it_is_like(find: Find) -> None:
    train, test = clean(), clean(seed=1)
    test[4] = (train[9][0].replace("。", "！！"), "负面")
    test[6] = (train[11][0].replace("。", "呀。"), "负面")
    found = by_name(find(Repeats, train=train, test=test))
    assert set(found) == {("leakage", "test"), ("near_leakage", "test")}
    leak, near = found["leakage", "test"], found["near_leakage", "test"]
    assert (leak["rows"], leak["count"], near["rows"]) == ([5], 1, [7])
    assert "1 of 40 rows (2.5%)" in leak["what"]
    (pair,) = leak["examples"]
    assert pair.split(" is like ")[0].endswith("test.jsonl row 5")
    assert pair.split(" is like ")[1].endswith("train.jsonl row 10")


def test_the_overlap_of_dev_and_test_is_not_called_leakage(find: Find) -> None:
    dev, test = clean(seed=1), clean(seed=2)
    test[3] = dev[8]
    found = by_name(find(Repeats, train=clean(), dev=dev, test=test))
    assert set(found) == {("dev_test_overlap", "test")}
    assert found["dev_test_overlap", "test"]["examples"][0].endswith("dev.jsonl row 9")


def test_a_conflict_is_told_of_every_row_in_it_and_is_no_duplicate(find: Find) -> None:
    rows = clean()
    rows[20], rows[21], rows[30] = (rows[0][0], "负面"), (rows[0][0], "正面"), rows[3]
    found = by_name(find(Repeats, train=rows))
    assert set(found) == {("conflicting_labels", "train"), ("duplicates", "train")}
    conflict = found["conflicting_labels", "train"]
    assert (conflict["rows"], conflict["count"]) == ([1, 21, 22], 3)
    assert "row 21 ('负面') is like" in conflict["examples"][0]
    assert "row 1 ('正面')" in conflict["examples"][0]
    assert found["duplicates", "train"]["rows"] == [31]


def test_rows_that_contradict_each_other_are_told_from_those_that_contradict_other_splits(find: Find) -> None:
    train, test = clean(), clean(seed=1)
    for at in range(5):
        train[20 + at] = (train[at][0], "中性")
    test[4], test[5] = (train[9][0], "中性"), train[10]
    found = by_name(find(Repeats, train=train, test=test))
    inside, outside = found["conflicting_labels", "train"], found["conflicting_labels", "test"]
    end = "; texts of all files with several labels, to the letter: 6"
    assert inside["what"] == f"10 rows contradict each other, 1 contradicts a row of test{end}"
    assert outside["what"] == f"1 row contradicts a row of train{end}"
    assert (inside["count"], outside["count"], outside["rows"]) == (11, 1, [5])
    assert (inside["fix"], outside["fix"][:17]) == ("prepare drops them", "correct the label")


def test_a_row_that_contradicts_another_split_only_comes_with_its_opposite(find: Find) -> None:
    train, dev, test = clean(), clean(seed=1), clean(seed=2)
    dev[3], test[4], test[5] = train[7], (train[7][0], "中性"), (train[7][0], "中性")
    found = by_name(find(Repeats, train=train, dev=dev, test=test))
    for split, others, row in (("train", "test", 8), ("dev", "test", 4)):
        conflict = found["conflicting_labels", split]
        assert conflict["what"].startswith(f"1 row contradicts a row of {others};")
        (pair,) = conflict["examples"]
        assert f"{split}.jsonl row {row} ('负面') is like" in pair
        assert pair.endswith("test.jsonl row 5 ('中性')")
    assert found["conflicting_labels", "test"]["what"].startswith("2 rows contradict rows of train or dev;")


@pytest.mark.parametrize(
    ("conflicts", "fix"),
    [
        ("drop", "prepare drops them"),
        ("majority", "prepare drops them, but for the most frequent label"),
        ("keep", 'prepare.conflicts="drop"'),
    ],
)
def test_a_setting_is_named_where_prepare_would_keep_contradictions(
    find: Find, conflicts: str, fix: str
) -> None:
    rows = [*clean(), (clean()[0][0], "负面")]
    (finding,) = find(Repeats, f"prepare.conflicts={conflicts}", train=rows)
    assert finding["fix"] == fix
    assert finding["settings"] == ({"prepare.conflicts": "drop"} if conflicts == "keep" else {})


@pytest.mark.parametrize("split", ["dev", "test"])
def test_rows_that_are_measured_twice_are_told_of(find: Find, split: str) -> None:
    rows = clean(seed=1)
    rows[20], rows[30], rows[31] = rows[2], (rows[4][0].replace("。", "！"), rows[4][1]), rows[2]
    (finding,) = find(Repeats, train=clean(), **{split: rows})
    assert (finding["check"], finding["split"], finding["severity"]) == ("repeated_measure", split, "info")
    assert finding["rows"] == [21, 31, 32]
    assert finding["what"] == f"3 of 40 rows equal to an earlier one of {split}, with the same label"
    assert [pair.rpartition(" ")[2] for pair in finding["examples"]] == ["3", "5", "3"]


def test_a_text_of_test_that_train_has_too_is_not_measured_twice(find: Find) -> None:
    test = [*clean(seed=1)[:9], clean()[3]]
    assert set(by_name(find(Repeats, train=clean(), test=test))) == {("leakage", "test")}


def test_prepare_gets_the_threshold_of_the_doctor(find: Find) -> None:
    rows = [*clean(), (clean()[0][0].replace("。", "呀。"), "正面")]
    (same,) = find(Repeats, train=rows)
    assert (same["fix"], same["settings"]) == ("prepare drops them", {})
    (other,) = find(Repeats, "doctor.near_duplicates=0.5", train=rows)
    assert (other["fix"], other["settings"]) == (
        "prepare.near_duplicates=0.5",
        {"prepare.near_duplicates": 0.5},
    )
    assert other["by_prepare"]


def test_a_conflict_beside_a_near_duplicate_hides_it_not(find: Find) -> None:
    rows = clean()
    rows[20] = (rows[0][0].replace("。", "呀。"), "正面")
    rows[21] = (rows[0][0].replace("。", "哦。"), "负面")
    found = by_name(find(Repeats, train=rows))
    assert set(found) == {("near_duplicates", "train")}
    assert found["near_duplicates", "train"]["rows"] == [21]


@pytest.mark.parametrize(
    ("threshold", "names"), [("0.7", {"near_duplicates"}), ("0", set()), ("0.99", set())]
)
def test_the_recipe_says_what_is_near(find: Find, threshold: str, names: set[str]) -> None:
    rows = clean()
    rows[20] = (rows[0][0].replace("。", "呀。"), "正面")
    found = find(Repeats, f"doctor.near_duplicates={threshold}", train=rows)
    assert {one["check"] for one in found} == names


def test_without_dev_the_part_of_train_that_becomes_dev_is_warned_of(find: Find) -> None:
    rows = [*clean(), clean()[3]]
    (alone,), (with_dev,) = find(Repeats, train=rows), find(Repeats, train=rows, dev=clean(seed=1))
    assert "becomes dev" in alone["what"]
    assert "becomes dev" not in with_dev["what"]


def test_pairs_are_compared_as_pairs(recipe_for: Callable[..., Any], tmp_path: Path) -> None:
    texts = [text for text, _ in clean()]
    rows = [{"text": texts[0], "pair": texts[at], "label": "ab"[at % 2]} for at in range(1, 9)]
    content = "".join(f"{json.dumps(row)}\n" for row in [*rows, rows[2]]).encode()
    found = diagnose(recipe_for("data.text_pair=pair", train=content), [Repeats])["findings"]
    assert [(one["check"], one["rows"]) for one in found] == [("duplicates", [9])]


def test_rows_without_text_are_not_compared(find: Find) -> None:
    assert find(Repeats, train=[*clean(), ("", "正面"), (" ", "负面")]) == []
    assert find(Repeats, train=[("", "正面")]) == []


def test_a_group_on_one_side_is_in_order(recipe_for: Callable[..., Any]) -> None:
    def rows(users: str, seed: int) -> bytes:
        named = zip(clean(len(users), seed), users, strict=True)
        lines = [{"text": text, "label": label, "user": user.strip()} for (text, label), user in named]
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    recipe = recipe_for("data.group=user", train=rows("aabb  ", 0), test=rows("c  d", 1), dev=rows("eba", 2))
    (finding,) = diagnose(recipe, [Groups])["findings"]
    assert (finding["split"], finding["rows"]) == ("dev", [2, 3])
