"""Every entry of the table is found where it was planted, with its rows, and nowhere in clean data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.train.data.checks.clean_rows import clean, csv_bytes, sentences
from train.data.checks import CHECKS, finding_of, kinds_of_checks
from train.data.checks.finding import Finding, Note
from train.data.clean import CLEANERS
from train.doctor import diagnose
from train.recipe import read_recipe

Rows = list[tuple[str, str]]
TEXTS = sentences(40, seed=9)


def with_row(text: str, label: str = "正面", rows: Rows | None = None) -> Rows:
    """Return clean rows with another one behind the second."""
    found = clean() if rows is None else rows
    return [*found[:2], (text, label), *found[2:]]


def grouped(users: list[str], seed: int) -> bytes:
    rows = [
        {"text": text, "label": label, "user": user}
        for (text, label), user in zip(clean(len(users), seed), users, strict=True)
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


QUOTED = [(f'"{text}"', label) for text, label in clean()]
UNEVEN = [*((text, "多") for text in sentences(210)), *((text, "少") for text in TEXTS[:10])]
LONG = [(text, label) for text, (_, label) in zip(sentences(40, 3, 60), clean(), strict=True)]
MANY = [(text, f"类{at}") for at, text in enumerate(sentences(30))]
LONG_LABELS = [(("好", "坏")[at % 2], text) for at, text in enumerate(sentences(40))]

PLANTED: dict[str, tuple[dict[str, Any], list[int]]] = {
    "wrong_encoding": (
        {"train": csv_bytes(clean()), "suffix": ".csv", "settings": ["data.encoding=latin-1"]},
        [],
    ),
    "empty_text": ({"train": with_row("")}, [3]),
    "missing_label": ({"train": with_row("好", " ")}, [3]),
    "unusable_row": ({"train": with_row("好" * 1_000_001)}, [3]),
    "swapped_columns": ({"train": LONG_LABELS}, [1, 2]),
    "too_many_labels": ({"train": MANY}, [1, 2]),
    "one_label": ({"train": [(text, "正面") for text in TEXTS]}, [1, 2]),
    "unknown_label": ({"train": clean(), "dev": with_row(TEXTS[0], "中性", clean(seed=1))}, [3]),
    "leakage": ({"train": clean(), "test": with_row(clean()[7][0], "负面", clean(seed=1))}, [3]),
    "mixed_line_ends": (
        {"train": csv_bytes(clean(2)) + csv_bytes(clean(40, seed=1), end="\r\n")[12:], "suffix": ".csv"},
        [4],
    ),
    "quoted_fields": ({"train": csv_bytes(QUOTED, "\t"), "suffix": ".tsv"}, list(range(2, 12))),
    "blank": ({"train": with_row("\u200b")}, [3]),
    "one_character": ({"train": with_row("好")}, [3]),
    "no_letters": ({"train": with_row("123。。。")}, [3]),
    "too_long": ({"train": with_row("".join(sentences(1, 5, 6000)))}, [3]),
    "html_remnant": ({"train": with_row(TEXTS[0] + "<br>")}, [3]),
    "url_only": ({"train": with_row("http://example.org/x")}, [3]),
    "mojibake": ({"train": with_row(TEXTS[0] + "锟斤拷")}, [3]),
    "misread": ({"train": with_row("très bien".encode().decode("cp1252") + TEXTS[0])}, [3]),
    "invisible_characters": ({"train": with_row("\ufeff" + TEXTS[0])}, [3]),
    "similar_labels": ({"train": [*clean(), (TEXTS[0], "正 面")]}, [41]),
    "rare_labels": ({"train": with_row(TEXTS[0], "中性")}, [3]),
    "imbalance": ({"train": UNEVEN}, [211]),
    "conflicting_labels": ({"train": with_row(clean()[0][0], "负面")}, [1, 3]),
    "duplicates": ({"train": with_row(clean()[0][0], "正面")}, [3]),
    "near_duplicates": ({"train": with_row(clean()[0][0].replace("。", "哦。"), "正面")}, [3]),
    "near_leakage": ({"train": clean(), "dev": with_row("哦" + clean()[7][0], "负面", clean(seed=1))}, [3]),
    "dev_test_overlap": (
        {"train": clean(), "dev": clean(seed=1), "test": [*clean(9, 2), clean(40, 1)[4]]},
        [10],
    ),
    "shared_groups": (
        {
            "train": grouped(list("abcd") * 10, 0),
            "test": grouped(list("efgc"), 1),
            "settings": ["data.group=user"],
        },
        [4],
    ),
    "truncation": ({"train": LONG}, list(range(1, 11))),
    "unknown_tokens": ({"train": with_row("囍囧" * 10)}, [3]),
    "personal_data": ({"train": with_row("我的手机号13812345678请回电")}, [3]),
    "repeated_measure": ({"train": clean(), "test": [*clean(9, 2), clean(9, 2)[1]]}, [10]),
    "foreign": ({"train": with_row("this is not Chinese at all")}, [3]),
    "mixed_orthography": ({"train": with_row("這個國家發動產種對這個國家")}, [3]),
    "absent_labels": ({"train": clean(), "dev": [(text, "正面") for text in sentences(12, 1)]}, []),
    "base_model_unreadable": ({"train": clean(), "settings": ["finetune.base_model=nobody/has-this"]}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "different_columns"])
def test_a_planted_defect_is_found_with_its_rows(name: str, find: Callable[..., list[Finding]]) -> None:
    arguments, rows = PLANTED[name]
    splits = {key: value for key, value in arguments.items() if key != "settings"}
    found = find(CHECKS[name].check, *arguments.get("settings", ()), **splits)
    finding = next(one for one in found if one["check"] == name)
    assert finding["rows"] == rows
    assert finding["severity"] == CHECKS[name].severity
    assert finding["why"] == CHECKS[name].why
    assert finding["fix"]
    if rows:
        assert finding["count"] >= len(rows)
        assert Path(str(finding["file"])).is_file()


def test_the_table_and_the_planted_defects_name_the_same() -> None:
    assert set(PLANTED) | {"different_columns"} == set(CHECKS)
    assert set(CLEANERS) <= set(CHECKS)
    assert len(kinds_of_checks()) == len({entry.check for entry in CHECKS.values()}) > 8


def test_clean_rows_have_no_findings(recipe_for: Callable[..., Any]) -> None:
    recipe = recipe_for(train=clean(), dev=clean(seed=1), test=clean(seed=2))
    diagnosis = diagnose(recipe)
    assert diagnosis["findings"] == []
    assert (diagnosis["errors"], diagnosis["warnings"]) == (0, 0)
    assert [found["usable_rows"] for found in diagnosis["splits"].values()] == [40, 40, 40]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_clean_files_of_any_encoding_have_no_findings(
    suffix: str, encoding: str, recipe_for: Callable[..., Any]
) -> None:
    content = csv_bytes(clean(), {".csv": ",", ".tsv": "\t"}[suffix], "\r\n", encoding)
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    recipe = recipe_for(f"data.encoding={declared}", train=content, suffix=suffix)
    diagnosis = diagnose(recipe)
    assert diagnosis["findings"] == []
    file = diagnosis["splits"]["train"]["files"][0]
    assert file["byte_order_mark"] == (encoding == "utf-8-sig")
    assert file["line_ends"] == ({} if encoding == "utf-16" else {"CRLF": 41})


def test_files_of_a_folder_with_other_columns_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.csv").write_bytes(csv_bytes(clean()))
    (folder / "b.csv").write_bytes(
        "".join(f"{a},{b},x\n" for a, b in [("text", "label"), *clean(4, 1)]).encode()
    )
    (tmp_path / "r.toml").write_text(f'[data]\ntrain = "{folder}"\n[finetune]\nbase_model = "scratch"\n')
    found = diagnose(read_recipe(tmp_path / "r.toml"), [CHECKS["different_columns"].check])["findings"]
    assert [(one["check"], one["file"]) for one in found] == [("different_columns", str(folder / "b.csv"))]
    assert "'x'" in found[0]["what"]


def test_a_note_that_the_table_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        finding_of(Note("no_such_check", "what", "fix"))
