"""Public data sets become rows of label and text, whichever way round their columns stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import datasets, floor
from benchmarks.datasets import DATASETS, DatasetError, Splits
from train.data.formats import read_jsonl
from train.data.sections import DataSection


def write_chnsenticorp(folder: Path) -> None:
    folder.mkdir()
    for name, row in {"train": "1\t很好", "dev": '0\t差 "评"', "test": "1\t很好\n0\t不同"}.items():
        (folder / f"{name}.tsv").write_text(f"label\ttext_a\n{row}\n", encoding="utf-8")


def write_thucnews_titles(folder: Path) -> None:
    folder.mkdir()
    (folder / "class.txt").write_text("finance\nrealty\n", encoding="utf-8")
    (folder / "train_1w.txt").write_text("realty\t楼市\nfinance\t股票\n", encoding="utf-8")
    (folder / "dev.txt").write_text("房价\t1\n", encoding="utf-8")
    (folder / "test.txt").write_text("银行\t0\n楼市\t1\n", encoding="utf-8")


def test_reviews_are_read_with_quotes_as_they_stand(tmp_path: Path) -> None:
    write_chnsenticorp(tmp_path / "chnsenticorp")
    splits = datasets.read("chnsenticorp", tmp_path)
    assert splits == Splits([("1", "很好")], [("0", '差 "评"')], [("1", "很好"), ("0", "不同")])
    assert splits.leak_free_test() == [("0", "不同")]


def test_titles_get_the_names_of_their_numbers(tmp_path: Path) -> None:
    write_thucnews_titles(tmp_path / "thucnews_titles")
    splits = datasets.read("thucnews_titles", tmp_path)
    assert splits.train == [("realty", "楼市"), ("finance", "股票")]
    assert splits.dev == [("realty", "房价")]
    assert splits.test == [("finance", "银行"), ("realty", "楼市")]
    assert splits.leak_free_test() == [("finance", "银行")]


def test_comments_are_read_with_byte_order_mark_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "cold" / f"{name}.csv").write_text(
            f'\ufeff,split,topic,label,TEXT\n1,{name},race,1,"一, ""{name}""\n二"\n2,{name},race,0,三\n',
            encoding="utf-8",
        )
    assert datasets.read("cold", tmp_path).dev == [("1", '一, "dev"\n二'), ("0", "三")]


def test_categories_stand_behind_their_titles(tmp_path: Path) -> None:
    (tmp_path / "csl_category").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "csl_category" / f"{name}.tsv").write_text(
            f"to category\t{name}\t工学\n", encoding="utf-8"
        )
    assert datasets.read("csl_category", tmp_path) == Splits(
        *([("工学", name)] for name in ("train", "dev", "test"))
    )


def test_topics_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    (tmp_path / "sib200_zh").mkdir()
    for name in ("train", "dev", "test"):
        text = f'index_id\tcategory\ttext\n7\tsports\t"{name}\n'
        (tmp_path / "sib200_zh" / f"zho_Hans_{name}.tsv").write_text(text, encoding="utf-8")
    assert datasets.read("sib200_zh", tmp_path).test == [("sports", '"test')]


def test_a_file_with_other_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    (tmp_path / "cold" / "train.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"train\.csv has no columns 'label' and 'TEXT'"):
        datasets.read("cold", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.tsv cannot be read"):
        datasets.read("chnsenticorp", tmp_path)


@pytest.mark.parametrize("row", ["1 without a tab", "1\ttwo\ttabs"])
def test_a_row_that_has_not_two_fields_is_named(row: str, tmp_path: Path) -> None:
    write_chnsenticorp(tmp_path / "chnsenticorp")
    path = tmp_path / "chnsenticorp" / "dev.tsv"
    path.write_text(f"label\ttext_a\n1\tfine\n{row}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dev\.tsv line 3 has not two fields"):
        datasets.read("chnsenticorp", tmp_path)


def test_fewer_rows_are_drawn_the_same_way_every_time() -> None:
    rows = [(str(number % 2), str(number)) for number in range(100)]
    splits = Splits(rows, rows[:3], rows)
    assert splits.first(10) == splits.first(10)
    assert [len(part) for part in (splits.first(10).train, splits.first(10).dev)] == [10, 3]


def test_written_rows_come_back_through_the_reader_of_train(tmp_path: Path) -> None:
    rows = [("正面", '引号 " 和\u2028分行\x85符'), ("负面", "制表\t符")]
    path = datasets.write(rows, tmp_path / "rows.jsonl")
    records = read_jsonl(path, DataSection(train=str(path))).records
    assert [(record.values["label"], record.values["text"]) for record in records] == rows


@pytest.mark.parametrize("name", floor.FLOORS)
def test_a_floor_learns_characters(name: str) -> None:
    rows = [("1", "很好很好"), ("1", "真好"), ("0", "很差很差"), ("0", "真差")]
    assert floor.figures(floor.fit(name, rows), rows) == {"accuracy": 1.0, "macro_f1": 1.0}
    assert floor.figures(floor.fit(name, rows), [("1", "差"), ("0", "差")]) == {
        "accuracy": 0.5,
        "macro_f1": pytest.approx(1 / 3),
    }


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "sizes", "leak_free"),
    [
        ("chnsenticorp", (9_600, 1_200, 1_200), 869),
        ("thucnews_titles", (10_000, 10_000, 10_000), 9_996),
    ],
)
def test_the_shared_data_sets_are_read_whole(
    name: str, sizes: tuple[int, int, int], leak_free: int, shared_data: Path
) -> None:
    splits = datasets.read(name, shared_data)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == sizes
    assert len(splits.leak_free_test()) == leak_free
    labels = [{label for label, _ in rows} for rows in (splits.train, splits.dev, splits.test)]
    assert labels[0] == labels[1] == labels[2]


def test_every_data_set_has_a_reader_that_is_tested() -> None:
    assert set(DATASETS) == {"chnsenticorp", "thucnews_titles", "cold", "csl_category", "sib200_zh"}
