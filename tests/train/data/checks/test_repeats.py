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
