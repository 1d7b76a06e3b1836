"""The measured texts are real where they can be, of the lengths that are said, and the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import texts
from benchmarks.texts import LONG, LONG_TOKENS, MIX, REVIEWS, SHORT, SHORT_TOKENS
from runtime.tokenizer import Tokenizer


def test_reviews_come_from_the_file_in_a_fixed_order(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("label\ttext_a\n1\t好\n0\t坏 了\n1\t行\n", encoding="utf-8")
    source, found = texts.load(5, path)
    assert source == str(path)
    assert set(found) == {"好", "坏 了", "行"}
    assert found == texts.load(5, path)[1]
    assert found[3:] == found[:2]


def test_without_the_file_they_are_generated(tmp_path: Path) -> None:
    source, found = texts.load(5, tmp_path / "none.tsv")
    assert source == "generated reviews"
    assert len(set(found)) == 5
    assert found == texts.load(5, tmp_path / "none.tsv")[1]


@pytest.mark.parametrize("tokens", [SHORT_TOKENS, 30, LONG_TOKENS])
def test_uniform_texts_have_exactly_so_many_tokens(tokens: int, tiny_model_dir: Path) -> None:
    found = texts.uniform(40, tokens)
    lengths = {len(encoding) for encoding in Tokenizer.load(tiny_model_dir, 1024).encode(found)}
    assert lengths == {tokens}
    assert len(set(found)) == 40
    assert found == texts.uniform(40, tokens)


def test_every_tenth_text_of_the_mix_is_long() -> None:
    short, long = [f"s{number}" for number in range(30)], ["l0", "l1", "l2", "l3"]
    found = texts.mix(short, long)
    assert found[9::10] == ["l0", "l1", "l2"]
    assert [text for text in found if text.startswith("s")] == short[:27]


def test_there_is_a_workload_of_every_kind() -> None:
    found = {workload.name: workload.texts for workload in texts.workloads(["好"] * 24)}
    assert {name: len(each) for name, each in found.items()} == {REVIEWS: 24, SHORT: 24, LONG: 3, MIX: 20}


def test_bodies_ask_for_every_text_once() -> None:
    asked = [json.loads(body)["texts"] for body in texts.bodies(["a", "b", "c"], 2)]
    assert asked == [["a", "b"], ["c"]]


def test_so_many_texts_differ_as_are_in_flight() -> None:
    for workload in texts.workloads(["好"] * 4, in_flight=40)[1:3]:
        assert len(set(workload.texts)) >= 40
