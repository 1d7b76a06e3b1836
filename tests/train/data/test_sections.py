from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import RecipeError
from runtime.normalize import NORMALIZERS
from train.data.prose import CLEANERS
from train.data.sections import CorpusSection, DataSection
from train.recipe import read_recipe


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("data.dev_fraction=1", "less than 1"),
        ("data.encoding=utf9", "not a text encoding"),
        ("data.encoding=base64", "not a text encoding"),
        ("data.encoding=undefined", "not a text encoding"),
        ("data.columns=text,label,text", "columns names a column twice"),
        ("data.normalizers=fold_fulwidth", "did you mean 'fold_fullwidth'?"),
        ("data.label=text", "different columns"),
        ("data.group=text", "different columns"),
        ("data.group=label", "different columns"),
        ("corpus.files=[]", "name at least one"),
        ("corpus.cleaners=markpu", "did you mean 'markup'?"),
        ("corpus.normalizers=fold_fulwidth", "did you mean 'fold_fullwidth'?"),
        ("corpus.encoding=utf9", "not a text encoding"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(project: Path, override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=r"tiny\.toml") as raised:
        read_recipe(project, ["corpus.files=texts.txt", override])
    assert reason in str(raised.value)
    assert override.partition("=")[0].split(".")[0] in str(raised.value)


def test_groups_and_pairs_are_two_columns() -> None:
    with pytest.raises(ValueError, match="text_pair and group must name different columns"):
        DataSection(train="a.csv", text_pair="b", group="b")
    assert DataSection(train="a.csv", text_pair="b", group="c").group == "c"


def test_every_step_of_the_tables_can_be_named() -> None:
    data = DataSection(train="a.csv", normalizers=tuple(NORMALIZERS))
    corpus = CorpusSection(files=("a.txt",), cleaners=tuple(CLEANERS), normalizers=tuple(NORMALIZERS))
    assert data.normalizers == corpus.normalizers == tuple(NORMALIZERS)
    assert corpus.cleaners == tuple(CLEANERS)


def test_an_encoding_is_named_alike_however_it_was_written() -> None:
    assert DataSection(train="a.csv", encoding="GB18030").encoding == "gb18030"
    assert CorpusSection(files=("a.txt",), encoding="UTF8").encoding == "utf-8"
