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


def problem_of(folder: Path, declared: str, **files: bytes) -> str:
    """Return what is said of the first file that does not decode, where they are train, dev and test."""
    paths = {name: folder / f"{name}.csv" for name in files}
    for name, given in files.items():
        paths[name].write_bytes(given)
    named = {name: str(path) for name, path in paths.items()}
    data = DataSection.model_validate({"train": str(folder / "none.csv"), "encoding": declared, **named})
    for split in ("train", "dev", "test"):
        try:
            if getattr(data, split):
                read_rows(data, split)  # type: ignore[arg-type]
        except DataError as error:
            return str(error).replace(f"{folder}/", "").partition("; ")[2]
    return ""


UTF8, GB18030 = (content(".csv", CHINESE).encode(encoding) for encoding in ("utf-8", "gb18030"))
UTF16 = content(".csv", CHINESE).encode("utf-16")
ASCII = content(".csv", "nothing special").encode()
AS_UTF8 = "is, so save this file as UTF-8 too and leave data.encoding as it is."


@pytest.mark.parametrize(
    ("declared", "files", "remedy"),
    [
        ("utf-8", {"train": UTF8, "dev": GB18030}, f"train.csv {AS_UTF8}"),
        ("utf-8", {"train": GB18030, "dev": ASCII, "test": UTF8}, f"test.csv {AS_UTF8}"),
        (
            "gb18030",
            {"train": UTF8, "dev": GB18030},
            "dev.csv is, so save this file as gb18030 too, or all files as UTF-8.",
        ),
        (
            "utf-8",
            {"train": UTF16, "dev": ASCII},
            "dev.csv is not utf-16, so save all files as UTF-8.",
        ),
        (
            "utf-8",
            {"train": GB18030, "dev": GB18030, "test": ASCII},
            'set data.encoding="gb18030", or save the file as UTF-8.',
        ),
        (
            "gb18030",
            {"train": UTF8, "dev": "text,label\n天地玄黄,正面\n".encode()},  # decodes, as other characters
            'set data.encoding="utf-8", or save the file as UTF-8.',
        ),
        ("big5", {"train": UTF8, "dev": UTF8}, 'set data.encoding="utf-8", or save the file as UTF-8.'),
    ],
)
def test_a_setting_is_only_proposed_where_it_suits_the_other_files(
    tmp_path: Path, declared: str, files: dict[str, bytes], remedy: str
) -> None:
    assert problem_of(tmp_path, declared, **files) == remedy


def test_a_split_that_is_missing_does_not_hide_the_wrong_encoding(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(GB18030)
    data = DataSection(train=str(tmp_path / "rows.csv"), dev=str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match=r'set data.encoding="gb18030"'):
        read_rows(data, "train")
