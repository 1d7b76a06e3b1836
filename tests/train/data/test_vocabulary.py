"""The vocabulary made in code covers what Chinese users write, and its tokenizer survives being saved."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train.data.sample import DEMO, SIZES, Split, reviews
from train.data.vocabulary import SPECIAL_TOKENS, build_tokenizer, gb2312_hanzi, gb2312_vocabulary

VOCABULARY = gb2312_vocabulary()
TOKENIZER = build_tokenizer(VOCABULARY)
COVERED = "".join(gb2312_hanzi()) + string.printable + "，。！？；：、“”《》（）【】…—～·％￥👍😊💔"
TEXTS = st.text(st.sampled_from(COVERED), max_size=60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the saved tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def reloaded(saved: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer as transformers reads it."""
    return AutoTokenizer.from_pretrained(saved)


@pytest.fixture(scope="module")
def bare(saved: Path) -> Tokenizer:
    """Return the tokenizer as the service reads it."""
    return Tokenizer.from_file(str(saved / "tokenizer.json"))


def test_hanzi_are_the_6763_of_the_standard() -> None:
    hanzi = gb2312_hanzi()
    assert len(hanzi) == len(set(hanzi)) == 6763
    assert (hanzi[0], hanzi[3755], hanzi[-1]) == ("啊", "亍", "齄")
    assert all("\u4e00" <= character <= "\u9fff" for character in hanzi)


def test_special_tokens_have_the_ids_that_bert_expects() -> None:
    assert tuple(VOCABULARY[:5]) == SPECIAL_TOKENS
    assert (TOKENIZER.pad_token_id, TOKENIZER.unk_token_id, TOKENIZER.cls_token_id) == (0, 1, 2)


def test_an_index_is_the_id_of_its_token() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY) == len(TOKENIZER)
    assert TOKENIZER.convert_ids_to_tokens(range(len(VOCABULARY))) == VOCABULARY


def test_every_token_can_occur() -> None:
    """A token that the normalizer changes or cuts would be a weight that nothing ever trains."""
    whole = [token for token in VOCABULARY[5:] if not token.startswith("##")]
    inside = [token for token in VOCABULARY if token.startswith("##")]
    assert len(whole) > 6900
    assert len(inside) > 200
    assert [token for token in whole if TOKENIZER.tokenize(token) != [token]] == []
    assert [token for token in inside if TOKENIZER.tokenize(f"q{token[2:]}")[-1] != token] == []


@pytest.mark.parametrize("split", SIZES)
def test_no_character_of_a_sample_review_is_unknown(split: Split) -> None:
    texts = [text for text, _ in reviews(split)] + list(DEMO)
    assert len(texts) > 500
    encoded = TOKENIZER(texts)["input_ids"]
    assert [text for text, ids in zip(texts, encoded, strict=True) if TOKENIZER.unk_token_id in ids] == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("iPhone A股", ["iphone", "a", "股"]),
        ("不错👍👍！！", ["不", "错", "👍", "##👍", "！", "！"]),
        ("5G的WiFi～～", ["5g", "的", "wifi", "##～", "##～"]),
        ("Café", ["c", "##a", "##f", "##e"]),
    ],
)
def test_mixed_text_is_cut_as_expected(text: str, tokens: list[str]) -> None:
    assert TOKENIZER.tokenize(text) == tokens


@given(TEXTS)
def test_covered_characters_are_never_unknown(text: str) -> None:
    assert TOKENIZER.unk_token_id not in TOKENIZER(text)["input_ids"]


def test_an_unknown_character_is_unknown() -> None:
    assert TOKENIZER.unk_token_id in TOKENIZER("龘")["input_ids"]


@given(st.one_of(TEXTS, st.text(max_size=60)))
def test_saved_tokenizer_gives_the_same_ids_everywhere(
    reloaded: PreTrainedTokenizerBase, bare: Tokenizer, text: str
) -> None:
    ids = TOKENIZER(text)["input_ids"]
    assert reloaded(text)["input_ids"] == ids
    assert bare.encode(text).ids == ids


def test_pairs_keep_their_token_types_when_saved(reloaded: PreTrainedTokenizerBase, bare: Tokenizer) -> None:
    expected = TOKENIZER("房间", "干净吗")
    assert expected["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert reloaded("房间", "干净吗")["token_type_ids"] == expected["token_type_ids"]
    assert bare.encode("房间", "干净吗").type_ids == expected["token_type_ids"]
