from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data.tokens import TokenStream, tokenize, word_starts
from train.data.vocabulary import build_tokenizer, gb2312_vocabulary

TOKENIZER = build_tokenizer(gb2312_vocabulary())
BACKEND = TOKENIZER.backend_tokenizer
SEPARATOR = TOKENIZER.sep_token_id

texts = st.text(alphabet=st.sampled_from(list("我们喜欢这家酒店的早餐，iPhone 12！é😀\u3000\t")), max_size=40)
documents = st.lists(st.lists(texts, max_size=3).map(tuple), max_size=6)


def stream_of(*paragraphs: str) -> TokenStream:
    return tokenize([tuple(paragraphs)], BACKEND, SEPARATOR)


@given(documents)
@settings(deadline=None)
def test_the_stream_is_what_the_tokenizer_gives_with_a_separator_after_each_document(
    documents: list[tuple[str, ...]],
) -> None:
    expected: list[int] = []
    for document in documents:
        for paragraph in document:
            expected += TOKENIZER(paragraph, add_special_tokens=False)["input_ids"]
        expected.append(SEPARATOR)
    stream = tokenize(documents, BACKEND, SEPARATOR)
    assert stream.ids.tolist() == expected
    assert stream.ids.dtype == np.uint16
    assert len(stream.starts) == len(stream)


@given(texts)
@settings(deadline=None)
def test_a_word_begins_at_the_first_character_and_after_the_last(text: str) -> None:
    starts = word_starts(text)
    assert len(starts) == len(text) + 1
    assert starts[0]
    assert starts[-1]


def test_words_of_the_dictionary_are_kept_together() -> None:
    stream = stream_of("我们喜欢酒店")
    assert TOKENIZER.convert_ids_to_tokens(stream.ids[:6].tolist()) == list("我们喜欢酒店")
    assert stream.starts.tolist() == [True, False, True, False, True, False, True]


def test_pieces_of_a_latin_word_are_one_word() -> None:
    stream = stream_of("abcdefgh酒店")
    pieces = TOKENIZER.convert_ids_to_tokens(stream.ids.tolist())
    inside = [
        not begins for piece, begins in zip(pieces, stream.starts, strict=True) if piece.startswith("##")
    ]
    assert len(inside) > 0
    assert all(inside)


def test_many_paragraphs_are_tokenised_in_order() -> None:
    stream = stream_of(*(f"第{number}天" for number in range(4500)))
    expected = [
        TOKENIZER(f"第{number}天", add_special_tokens=False)["input_ids"] for number in (0, 2001, 4499)
    ]
    found = stream.ids.tolist()
    assert found[: len(expected[0])] == expected[0]
    assert found[-1 - len(expected[2]) : -1] == expected[2]
    assert found.count(SEPARATOR) == 1


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    stream = stream_of("我们喜欢酒店")
    stream.save(tmp_path)
    loaded = TokenStream.load(tmp_path)
    assert loaded.ids.tolist() == stream.ids.tolist()
    assert loaded.starts.tolist() == stream.starts.tolist()


@pytest.mark.parametrize("documents", [[], [()]])
def test_no_text_gives_no_words(documents: list[tuple[str, ...]]) -> None:
    stream = tokenize(documents, BACKEND, SEPARATOR)
    assert stream.ids.tolist() == [SEPARATOR] * len(documents)


def test_share_of_a_token() -> None:
    stream = stream_of("好好差")
    assert stream.share_of(TOKENIZER.convert_tokens_to_ids("好")) == 0.5
    assert tokenize([], BACKEND, SEPARATOR).share_of(1) == 0
