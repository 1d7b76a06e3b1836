from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train.conftest import plain, write_csv
from train import prepare
from train.__main__ import main

BOOKKEEPING = (".lock", "audit.jsonl")
GOOD = "text,label\n很好吃,a\n很难吃,b\n"
ENCODED = "text,label\n很好吃的饭菜,a\n" + "房间很干净，服务也很好，下次还会再来的,b\n" * 40
LABELS = "text,label\n" + "".join(f"第{index}行,{index}\n" for index in range(100_000))
BAD: dict[str, tuple[str | bytes, str, int]] = {
    "another encoding": (
        ENCODED.encode("gb18030"),
        r"train\.csv row 2 is not utf-8: byte 0x\w\w at offset 11; set data\.encoding=\"gb18030\"",
        1,
    ),
    "unbalanced quotes": (f'{GOOD}"很好,a\n不错,b\n', r"train\.csv row 4 is malformed", 1),
    "a field as large as a file": (
        f"{GOOD}{'好' * 3_500_000},a\n",
        r"train\.csv row 4 has 3,500,000 characters in 'text', more than 1,000,000",
        1,
    ),
    "a quote that swallows the file": (
        f'{GOOD}"{"好,a" * 700_000}",a\n',
        r"train\.csv row 4 has 2,100,000 characters in 'text'.*close the quote",
        1,
    ),
    "a binary file": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xfe" * 50,
        r"train\.csv row 1 is no text but binary",
        1,
    ),
    "an empty file": ("", r"train\.csv holds no rows", 1),
    "a header only": ("text,label\n", r"train\.csv holds no rows", 1),
    "no label column": (
        "text,labl\n很好,a\n",
        r"data\.label='label' is no column of .*train\.csv, which has 'text', 'labl'; did you mean 'labl'",
        2,
    ),
    "a row that is too short": (f"{GOOD}很好\n", r"train\.csv row 4 has 1 fields instead of 2", 1),
    "100,000 labels": (
        LABELS,
        r"more than 10,000 different labels up to .*train\.csv row 20001, which has '19999'",
        1,
    ),
    "nothing that can be used": (
        "text,label\n,a\n好,\n",
        r"no train row is left of 2 in .*train\.csv \(rows dropped: unusable 2; the commonest reason: has an",
        1,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    case: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message, status = BAD[case]
    (tmp_path / "train.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["prepare", str(recipe)]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(message, errors[0]), errors[0]
    left = [path.name for path in tmp_path.rglob("*") if path.name not in ("run", *BOOKKEEPING)]
    assert sorted(left) == ["mine.toml", "train.csv"]


def test_a_folder_with_two_schemas_names_the_file_that_differs(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    write_csv(folder / "1.csv", plain(9))
    write_csv(folder / "2.csv", plain(9), header=("content", "label"))
    assert main(["prepare", str(recipe), f"data.train={folder}"]) == 2
    assert re.search(r"error: data\.text='text' is no column of .*2\.csv", capsys.readouterr().err)
    assert not (tmp_path / "run" / "prepared").exists()


@pytest.mark.parametrize("ends", ["\r\n", "\n\r\n", "\r"])
def test_mixed_line_ends_are_all_read(recipe: Path, tmp_path: Path, ends: str) -> None:
    lines = [f"{text},{label}" for text, label in plain(30)]
    content = "text,label\n" + "".join(
        f"{line}{ends if index % 2 else chr(10)}" for index, line in enumerate(lines)
    )
    (tmp_path / "train.csv").write_bytes(content.encode())
    assert main(["prepare", str(recipe)]) == 0
    sheet = json.loads((tmp_path / "run" / "prepared" / "datasheet.json").read_text(encoding="utf-8"))
    assert sum(sheet["rows"]["out"].values()) == 30


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


PHASES = ["take_in", "partition", "allocate", "write_split", "write_parquet", "write_datasheet", "judge"]


@pytest.mark.parametrize("function", PHASES)
def test_an_interruption_anywhere_leaves_the_earlier_folder_and_nothing_else(
    function: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "train.csv", plain(40))
    target = tmp_path / "run" / "prepared"
    for earlier in (False, True):
        if earlier:
            assert main(["prepare", str(recipe)]) == 0
        before = contents(target) if earlier else {}
        works = getattr(prepare, function)

        def interrupted(*arguments: object, works: Callable[..., object] = works) -> None:
            works(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(prepare, function, interrupted)
            assert main(["prepare", str(recipe), "prepare.seed=7"]) == 130
        assert (contents(target) if earlier else {}) == before
        left = {path.name for path in (tmp_path / "run").iterdir()}
        assert left == {*BOOKKEEPING, *(["prepared"] if earlier else [])}


HELD = """
import sys, time
from runtime.errors import DataError
from runtime.keys import new_key
from train import prepare
from train.__main__ import main

def held(*_):
    print("at work", flush=True)
    time.sleep(120)

prepare.partition = held
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_no_output_and_the_next_one_cleans_up(
    number: signal.Signals, recipe: Path, tmp_path: Path, project_root: Path
) -> None:
    write_csv(tmp_path / "train.csv", plain(40))
    command = [sys.executable, "-c", HELD, "prepare", str(recipe)]
    with subprocess.Popen(command, cwd=project_root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.wait(60) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "run" / "prepared").exists()
    assert main(["prepare", str(recipe)]) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {*BOOKKEEPING, "prepared"}
