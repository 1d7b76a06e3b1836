from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DataError, RecipeError
from tests.train.data.checks.clean_rows import clean, csv_bytes
from train.data.checks.files import Files, QuotedFields, _LineEnds, refuse_other_delimiter
from train.data.checks.finding import Finding
from train.doctor import diagnose

Find = Callable[..., list[Finding]]
ENDS = st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1, max_size=12)


@given(st.lists(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), max_size=6), max_size=4))
def test_line_ends_are_counted_alike_in_one_piece_and_in_many(pieces: list[list[bytes]]) -> None:
    ends = _LineEnds()
    for piece in pieces:
        ends.add(b"".join(b"x" + end for end in piece))
    every = [end for piece in pieces for end in piece]
    assert ends.counts == {end: every.count(end) for end in every}
    other = (number for number, end in enumerate(every, start=1) if end != every[0])
    assert ends.changes == next(other, None)


def test_a_line_end_across_two_pieces_is_one(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    content = csv_bytes(clean(9), end="\r\n")
    for size in range(1, 12):
        monkeypatch.setattr("train.data.checks.files._PIECE_BYTES", size)
        assert find(Files, suffix=".csv", train=content) == []


def test_the_row_of_another_line_end_is_found_behind_quoted_lines(find: Find) -> None:
    content = b'text,label\n"one\ntwo\nthree",a\nfour,b\nfive,a\r\nsix,b\n'
    (finding,) = find(Files, suffix=".csv", train=content)
    assert (finding["check"], finding["rows"], finding["count"]) == ("mixed_line_ends", [4], 1)
    assert "(6 LF, 1 CRLF); line 6 is the first" in finding["what"]


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_lone_carriage_returns_are_line_ends(end: str, recipe_for: Callable[..., Any]) -> None:
    diagnosis = diagnose(recipe_for(suffix=".csv", train=csv_bytes(clean(), end=end)), [Files])
    assert diagnosis["findings"] == []
    assert diagnosis["splits"]["train"]["rows"] == 40


def test_utf8_that_decodes_as_declared_is_an_error(find: Find) -> None:
    # Pairs of characters have six bytes, which GB 18030 takes for three characters.
    content = csv_bytes([("天地玄黄", "正面"), ("宇宙洪荒", "负面")])
    content.decode("gb18030")
    (finding,) = find(Files, "data.encoding=gb18030", suffix=".csv", train=content)
    assert (finding["check"], finding["severity"]) == ("wrong_encoding", "error")
    assert finding["fix"] == 'data.encoding="utf-8"'
    assert (
        find(Files, "data.encoding=gb18030", suffix=".csv", train=csv_bytes([("ab", "c"), ("de", "f")])) == []
    )


def test_utf8_among_files_of_another_encoding_is_to_be_saved_again(find: Find) -> None:
    rows = [("天地玄黄", "正面"), ("宇宙洪荒", "负面")]
    splits = {"train": csv_bytes(rows), "test": csv_bytes(rows, encoding="gb18030")}
    (finding,) = find(Files, "data.encoding=gb18030", suffix=".csv", **splits)
    assert (finding["check"], finding["split"], finding["settings"]) == ("wrong_encoding", "train", {})
    assert re.fullmatch(r"save it as gb18030 too, like .*test\.csv, or all files as UTF-8", finding["fix"])
    plain = {"train": csv_bytes(rows), "test": csv_bytes([("ab", "c")])}
    (finding,) = find(Files, "data.encoding=gb18030", suffix=".csv", **plain)
    assert finding["settings"] == {"data.encoding": "utf-8"}


@pytest.mark.parametrize(
    ("suffix", "mark", "remedy"),
    [
        (".csv", "\t", "is separated by tabs, but a file ending in .csv by commas; rename it to train.tsv"),
        (
            ".csv",
            ";",
            "is separated by semicolons, but a file ending in .csv by commas; save it again with commas",
        ),
        (".tsv", ",", "is separated by commas, but a file ending in .tsv by tabs; rename it to train.csv"),
        (".txt", "|", "is separated by bars, but a file ending in .txt by tabs; save it again with tabs"),
    ],
)
def test_another_delimiter_is_named(tmp_path: Path, suffix: str, mark: str, remedy: str) -> None:
    path = tmp_path / f"train{suffix}"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes(csv_bytes(clean(3), mark, encoding=encoding))
        with pytest.raises(DataError, match=re.escape(f"{path} row 1 {remedy}")):
            refuse_other_delimiter(path, ("text", "label"), "utf-8")


@pytest.mark.parametrize("content", [b"", b"text,label\na;b,c\n", b"a;b,c\n", b"\xff\xfe\x00"])
def test_a_file_with_its_own_delimiter_passes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    refuse_other_delimiter(path, ("text", "label"), "utf-8")


def test_a_missing_column_is_told_before_any_row_is_read(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.doctor.read_batches", None)
    with pytest.raises(RecipeError, match=r"data.label='label' is no column of .*test\.csv"):
        find(Files, suffix=".csv", train=csv_bytes(clean()), test=b"text,labels\na,b\n")


@pytest.mark.parametrize(
    ("texts", "count"),
    [(['"a"'] * 10, 10), (['"a""b"', *"cdefghijkl"], 1), (['"a"', *"cdefghijkl"], 0), (['"'] * 10, 0)],
)
def test_quotes_are_told_of_where_many_fields_have_them_or_some_are_doubled(
    find: Find, texts: list[str], count: int
) -> None:
    rows = [(text, "ab"[at % 2]) for at, text in enumerate(texts)]
    assert [one["count"] for one in find(QuotedFields, suffix=".tsv", train=csv_bytes(rows, "\t"))] == [
        count
    ] * (count > 0)
    assert find(QuotedFields, train=rows) == []
