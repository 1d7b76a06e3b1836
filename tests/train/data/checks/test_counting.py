"""Counting agrees with the tokenizer that it spares."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from train.data.checks.counting import TokenCounter
from train.data.vocabulary import build_tokenizer, gb2312_vocabulary
from train.pretrained import included


@pytest.fixture(scope="module")
def backends() -> list[tokenizers.Tokenizer]:
    """Return the tokenizer of the included encoder and the one of a scratch model."""
    mini = tokenizers.Tokenizer.from_file(str(included()["bert-mini-chinese"] / "tokenizer.json"))
    return [mini, build_tokenizer(gb2312_vocabulary()).backend_tokenizer]


def expected(backend: tokenizers.Tokenizer, texts: Sequence[str]) -> list[tuple[int, int]]:
    unknown = backend.token_to_id("[UNK]")
    found = backend.encode_batch(list(texts), add_special_tokens=False)
    return [(len(one.ids), one.ids.count(unknown)) for one in found]


@given(
    texts=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.text(
                st.sampled_from("我很好囍𠀀，。!-aBé\u0301\u200d\ufe0f❤👍한のｶ 1２\t\x00\ufffd[SEP]"),
                max_size=30,
            ),
            st.just("好[SEP]坏[UNK]"),
        ),
        max_size=6,
    )
)
def test_counts_are_those_of_the_tokenizer(backends: list[tokenizers.Tokenizer], texts: list[str]) -> None:
    for backend in backends:
        tokens, unknown = TokenCounter(backend, "[UNK]").count(texts)
        assert list(zip(tokens.tolist(), unknown.tolist(), strict=True)) == expected(backend, texts)


def test_what_was_counted_before_changes_no_count(backends: list[tokenizers.Tokenizer]) -> None:
    counter = TokenCounter(backends[0], "[UNK]")
    texts = ["iPhone 12很好用", "用iPhone 13拍照", "囍"]
    first = counter.count(texts)
    counter.count(["别的texts"])
    assert [part.tolist() for part in counter.count(texts)] == [part.tolist() for part in first]


def test_a_tokenizer_of_another_kind_is_asked_about_every_text() -> None:
    backend = tokenizers.Tokenizer(WordLevel({"[UNK]": 0, "好": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    tokens, unknown = TokenCounter(backend, "[UNK]").count(["好 好", "好好", ""])
    assert (tokens.tolist(), unknown.tolist()) == ([2, 1, 0], [0, 1, 0])
