"""What is found in invented sentences is right; the invention itself is independent and keeps its word."""

from __future__ import annotations

import ast
import json
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

import pytest

from benchmarks import privacy, privacy_negatives, privacy_values
from benchmarks.privacy import LEAST, Found, Sentence, failures, rows, score, sentences
from benchmarks.privacy_negatives import NEGATIVES
from benchmarks.privacy_values import VALUES, with_luhn, with_mod_11_2
from runtime.pii import DEFAULT_KINDS, RECOGNIZERS, Span


def test_every_kind_is_found_precisely_and_completely() -> None:
    found = score(sentences(4000, DEFAULT_KINDS, seed=7), DEFAULT_KINDS)
    assert set(found) == set(DEFAULT_KINDS)
    assert min(one.values for one in found.values()) > 200
    for kind, one in found.items():
        assert one.precision >= LEAST, kind
        assert one.recall >= LEAST, kind


def test_the_sentences_are_as_varied_as_they_say() -> None:
    drawn = sentences(3000, DEFAULT_KINDS, seed=1)
    assert len({sentence.text for sentence in drawn}) > 2950
    counts = Counter(len(sentence.spans) for sentence in drawn)
    assert min(counts[0], counts[1], counts[2]) > 300
    assert any(sentence.spans and sentence.spans[0].start == 0 for sentence in drawn)
    assert any(sentence.spans and sentence.spans[-1].end == len(sentence.text) for sentence in drawn)
    assert drawn == sentences(3000, DEFAULT_KINDS, seed=1) != sentences(3000, DEFAULT_KINDS, seed=2)


@pytest.mark.parametrize("module", [privacy_values, privacy_negatives])
def test_the_invention_does_not_know_how_values_are_recognised(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    imported = {
        node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert len(imported) > 2
    assert not [name for name in imported if name.startswith(("runtime", "train", "re"))]


def test_every_kind_has_values() -> None:
    assert set(VALUES) == set(RECOGNIZERS)


def test_check_digits_are_those_of_the_standards() -> None:
    assert with_mod_11_2("11010519491231002") == "11010519491231002X"  # the example of GB 11643-1999
    assert with_luhn("7992739871") == "79927398713"  # the example of ISO/IEC 7812-1


def test_resident_numbers_have_a_birthday() -> None:
    chance = Random(3)
    drawn = ["".join(filter(str.isalnum, VALUES["resident_id"](chance)[1])) for _ in range(200)]
    long = [value for value in drawn if len(value) == 18]
    assert len(long) > 100
    assert all(
        date(int(value[6:10]), int(value[10:12]), int(value[12:14])) < date(2020, 1, 1) for value in long
    )


@pytest.mark.parametrize("draw", NEGATIVES)
def test_negatives_vary(draw: object) -> None:
    chance = Random(2)
    assert len({draw(chance) for _ in range(60)}) > 4  # type: ignore[operator]


def test_a_wrong_kind_or_a_wrong_end_is_false_and_missed() -> None:
    drawn = [
        Sentence("电话13812345678", (Span(2, 13, "mobile"),)),
        Sentence("电话13812345678", (Span(2, 12, "mobile"),)),
        Sentence("电话13812345678", (Span(2, 13, "qq"),)),
        Sentence("没有", ()),
    ]
    found = score(drawn, ("mobile", "qq"))
    assert found == {"mobile": Found(2, 1, 2), "qq": Found(1, 0, 0)}
    assert (found["mobile"].precision, found["mobile"].recall) == (pytest.approx(1 / 3), 0.5)
    assert (found["qq"].precision, found["qq"].recall) == (1.0, 0.0)
    assert failures(found) == ["mobile", "qq"]
    assert failures({"name": Found(2, 1, 2)}) == []
    assert rows(found)[0] == ("mobile", "2", "1", "2", "0.3333", "0.5000")


def test_the_table_is_printed_and_the_figures_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--sentences", "300", "--results", str(tmp_path)]
    assert privacy.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    content = json.loads(Path(printed[-1]).read_text(encoding="utf-8"))
    assert list(content["kinds"]) == [line.split()[0] for line in printed[4:17]] == list(RECOGNIZERS)
    assert content["kinds"]["mobile"]["recall"] >= LEAST
    monkeypatch.setattr(privacy, "find", lambda *_: [])
    assert privacy.main(arguments) == 1
    assert "below 0.99" in capsys.readouterr().err
