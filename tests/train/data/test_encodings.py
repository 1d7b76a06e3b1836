from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import DataError
from train.data.rows import read_rows
from train.data.sections import DataSection

CHINESE = "房间很干净，服务也好。下次还会再来。"
JAPANESE = "部屋がとてもきれいで、サービスも良かったです。"


def content(suffix: str, text: str, rows: int = 20) -> str:
    if suffix == ".jsonl":
        return "".join(f'{{"text": "{text}", "label": {index % 2}}}\n' for index in range(rows))
    mark = "," if suffix == ".csv" else "\t"
    return "".join(f"{a}{mark}{b}\n" for a, b in [("text", "label"), *((text, i % 2) for i in range(rows))])


def read(path: Path, encoding: str = "utf-8") -> list[str]:
    data = DataSection.model_validate({"train": str(path), "encoding": encoding})
    return [row.text for row in read_rows(data, "train")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
@pytest.mark.parametrize(
    ("encoding", "suggested", "text"),
    [
        ("gb18030", "gb18030", CHINESE),
        ("gbk", "gb18030", CHINESE),
        ("big5", "big5", "房間很乾淨，服務也好。物流很慢但是質量不錯，下次還會再來。"),
        ("utf-16", "utf-16", CHINESE),
        ("cp932", "cp932", JAPANESE),
    ],
)
def test_a_wrong_encoding_names_row_offset_and_fix_and_the_fix_works(
    tmp_path: Path, suffix: str, encoding: str, suggested: str, text: str
) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(content(suffix, text).encode(encoding))
    with pytest.raises(DataError) as raised:
        read(path)
    message = str(raised.value)
    row = 1 if suffix == ".jsonl" or encoding == "utf-16" else 2
    assert f"{path} row {row} is not utf-8: byte 0x" in message
    assert f'set data.encoding="{suggested}"' in message
    assert read(path, suggested) == [text] * 20


def test_the_offset_is_that_of_the_byte_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    before = 'text,label\n"two\nlines",1\n'.encode("utf-8-sig")
    path.write_bytes(before + b"caf\xe9,1\n")
    with pytest.raises(DataError) as raised:
        read(path)
    assert f"row 3 is not utf-8: byte 0xe9 at offset {len(before) + 3};" in str(raised.value)


def test_utf8_read_as_something_else_suggests_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content(".csv", CHINESE + "👍"), encoding="utf-8")
    with pytest.raises(DataError, match=r'set data.encoding="utf-8"'):
        read(path, "big5")


def test_bytes_of_no_encoding_ask_for_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"text,label\n" + bytes(range(128, 256)) * 8 + b",1\n")
    with pytest.raises(DataError, match=r"save the file as UTF-8\.$"):
        read(path)


def test_a_picture_is_told_from_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40)
    with pytest.raises(DataError, match=r"train\.csv row 1 is no text but binary"):
        read_rows(DataSection(train=str(path)), "train")
