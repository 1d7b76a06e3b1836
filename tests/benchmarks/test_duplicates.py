"""What the duplicates benchmark edits, finds and counts, on a few texts."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import duplicates
from benchmarks.datasets import DatasetError
from benchmarks.duplicates import Cost, alike, drawn, edited, growth_rows, precision, recall_by_words

A = "房间很干净，服务员也很热情，早餐种类丰富，下次来上海还会选择这家酒店。"
B = A.replace("上海", "北京").replace("早餐", "晚餐")
C = B.replace("热情", "冷淡").replace("丰富", "稀少")
OTHER = "物流慢得离谱，包装还破了，客服半天不回消息，再也不会在这家店买东西。"


def test_an_edit_changes_adds_or_leaves_out_one_character() -> None:
    chance = random.Random(0)
    lengths = set()
    for _ in range(100):
        text = edited(A, ["甲"], chance)
        lengths.add(len(text) - len(A))
        common = [one == two for one, two in zip(A, text, strict=False)] + [False]
        at = common.index(False)
        tail = min(len(A), len(text)) - at - (len(text) == len(A))
        assert A[:at] == text[:at]
        assert not tail or A[-tail:] == text[-tail:]
    assert lengths == {-1, 0, 1}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (A, B, True),
        (A, C, False),
        (A, A.replace("，", ""), True),
        ("这家酒店的服务真好", "这家酒店的服务真坏", True),
        ("这家酒店的服务真好", "这家酒店的服务真好啊", True),
        ("这家酒店的服务真好", "这家酒店服务真坏", False),
        ("服务真好", "服务真坏", False),
    ],
)
def test_alike_is_what_clusters_say(left: str, right: str, *, expected: bool) -> None:
    from train.data.clusters import clusters

    assert alike(left, right, 0.6) == expected
    assert (clusters([left, right], 0.6)[1] == 0) == expected


def test_precision_follows_chains_and_sees_who_does_not_belong() -> None:
    assert precision([A, C, B, OTHER], [0, 0, 0, 3], 0.6) == 1
    assert precision([A, C, B, OTHER], [0, 0, 0, 0], 0.6) == pytest.approx(2 / 3)
    assert precision([A, OTHER], [0, 1], 0.6) == 1


def test_words_find_english_and_not_chinese() -> None:
    english = " ".join(f"word{number}" for number in range(60))
    assert recall_by_words([english, A], [f"{english} more", A[:-2] + "馆"], 0.7) == 0.5


def test_drawn_sentences_have_only_pairs_of_the_reviews() -> None:
    texts = drawn([A, OTHER], 50)
    whole = A + OTHER + A[0]
    assert {len(text) for text in texts} == {duplicates.LENGTH}
    assert {one + two for text in texts for one, two in pairwise(text)} <= {
        one + two for one, two in pairwise(whole)
    }
    assert len(set(texts)) == 50
    assert texts == drawn([A, OTHER], 50)


def test_growth_is_that_of_processor_time() -> None:
    costs = [Cost(100, 9.0, 2.0, 50.0, 20.0, 0), Cost(200, 1.0, 4.2, 60.0, 25.0, 7)]
    assert growth_rows(costs) == [
        ("100", "9.0", "2.0", "", "50", "30", "0"),
        ("200", "1.0", "4.2", "2.10", "60", "35", "7"),
    ]


def test_each_set_and_size_stands_in_the_tables_and_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(duplicates, "SOURCES", {"few": lambda _: [A, C, OTHER, "太短"]})
    monkeypatch.setattr(duplicates, "adaptation", SimpleNamespace(reviews=lambda _: [A, OTHER]))
    monkeypatch.setattr(duplicates, "isolated", lambda function, *arguments: function(*arguments))
    options = ["--size", "100", "--size", "200", "--results", str(tmp_path)]
    assert duplicates.main(options) == 0
    (path,) = tmp_path.glob("*-duplicates.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    (found,) = content["found"]
    assert (found["texts"], found["pairs"]) == ("few", 3)
    assert found["recall"] == found["precision"] == 1
    assert [cost["sentences"] for cost in content["costs"]] == [100, 200]
    assert all(cost["peak_mb"] >= cost["texts_mb"] > 10 for cost in content["costs"])
    printed = capsys.readouterr().out
    assert "few" in printed
    assert str(path) in printed


def test_missing_data_end_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def missing(_: Path) -> list[str]:
        raise DatasetError("few cannot be read.")

    monkeypatch.setattr(duplicates, "SOURCES", {"few": missing})
    assert duplicates.main(["--results", str(tmp_path)]) == 2
    assert "few cannot be read." in capsys.readouterr().err
