"""Ids equal those of `AutoTokenizer`, truncation is told, and padding is only padding."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError, ManifestError
from runtime.tokenizer import Encoding, TextInput, Tokenizer, pad

MAX_LENGTH = 64
ALPHABETS = (
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学",
    "繁體測試龍門鐵觀發運動讓認識",
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "，。！？；：“”（）《》、…—,.!?;:'\"()-_/\\@#$%^&*+=<>[]{}|~`",
    "😀👍🏽👩‍👩‍👧🇨🇳❤️🎉①Ⅳ㎏",
    "ＡＢＣ１２３　éüñçßøкирилицаあいうカキク한국어عربي",
    " \t\n\r\u200b\u00a0\ufeff",
)


@pytest.fixture(scope="module")
def auto(tiny_model_dir: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> Tokenizer:
    return Tokenizer.load(tiny_model_dir, MAX_LENGTH)


def mixed_texts(count: int, seed: int) -> list[str]:
    """Texts of 1 to 600 characters that mix scripts, emoji, punctuation and blanks."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        length = rng.randint(1, 600)
        runs = ["".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 12))) for _ in range(length)]
        texts.append("".join(runs)[:length])
    return [*texts, "测" * 600, "iPhone A股", "[CLS][SEP] [MASK] [UNK]", "", " ", "x" * 300]


def assert_same_ids(tokenizer: Tokenizer, auto: Any, texts: list[str]) -> None:
    expected = auto(texts, truncation=True, max_length=tokenizer.max_length)
    found = tokenizer.encode(texts)
    assert len(found) == len(texts)
    for text, encoding, ids, types in zip(
        texts, found, expected["input_ids"], expected["token_type_ids"], strict=True
    ):
        assert encoding.input_ids == ids, text
        assert encoding.token_type_ids == types, text


def test_ids_equal_auto_tokenizer_on_mixed_scripts(tokenizer: Tokenizer, auto: Any) -> None:
    texts = mixed_texts(1_500, seed=1)
    assert sum(len(text) > 500 for text in texts) > 10
    assert_same_ids(tokenizer, auto, texts)


@pytest.mark.shared_data
def test_ids_equal_auto_tokenizer_on_real_texts(tokenizer: Tokenizer, auto: Any, shared_data: Path) -> None:
    texts = []
    for name in ("chnsenticorp/test.tsv", "sib200_zh/zho_Hant_test.tsv", "thucnews_titles/test.txt"):
        lines = (shared_data / name).read_text(encoding="utf-8").splitlines()
        texts += [part for line in lines[:1_200] for part in line.split("\t")]
    assert len(texts) >= 1_000
    assert_same_ids(tokenizer, auto, texts)


@pytest.mark.shared_data
def test_ids_equal_auto_tokenizer_with_the_vocabulary_of_bert_base_chinese(
    tmp_path: Path, shared_data: Path
) -> None:
    from transformers import AutoTokenizer, BertTokenizer

    lines = (shared_data / "vocab_bert_base_chinese" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    BertTokenizer(vocab={token: index for index, token in enumerate(lines) if token}).save_pretrained(
        tmp_path
    )
    auto = AutoTokenizer.from_pretrained(tmp_path)
    reviews = (shared_data / "chnsenticorp" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert_same_ids(Tokenizer.load(tmp_path, 512), auto, [*reviews, *mixed_texts(500, seed=3)])


def test_pairs_equal_auto_tokenizer(tokenizer: Tokenizer, auto: Any) -> None:
    texts = mixed_texts(200, seed=2)
    pairs = list(zip(texts, reversed(texts), strict=True))
    expected = auto(
        [first for first, _ in pairs],
        [second for _, second in pairs],
        truncation="longest_first",
        max_length=MAX_LENGTH,
    )
    found = tokenizer.encode(pairs)
    assert [encoding.input_ids for encoding in found] == expected["input_ids"]
    assert [encoding.token_type_ids for encoding in found] == expected["token_type_ids"]


@pytest.mark.parametrize(("characters", "truncated"), [(MAX_LENGTH - 2, False), (MAX_LENGTH - 1, True)])
def test_truncation_is_told_exactly(tokenizer: Tokenizer, characters: int, truncated: bool) -> None:
    [encoding] = tokenizer.encode(["测" * characters])
    assert encoding.truncated is truncated
    assert len(encoding) == MAX_LENGTH


class Counting:
    """Stands for the library's tokenizer and counts the characters that it is given."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self.inner, self.characters, self.encodings = inner, 0, 0

    def encode(self, text: str, **options: Any) -> tokenizers.Encoding:
        self.characters += len(text)
        self.encodings += 1
        return self.inner.encode(text, **options)

    def encode_batch_fast(self, texts: list[str]) -> list[tokenizers.Encoding]:
        self.characters += sum(map(len, texts))
        self.encodings += len(texts)
        return list(self.inner.encode_batch_fast(texts))


@pytest.fixture
def counting(tiny_model_dir: Path) -> tuple[Tokenizer, Counting]:
    tokenizer = Tokenizer.load(tiny_model_dir, MAX_LENGTH)
    counter = Counting(tokenizer._backend)
    tokenizer._backend = counter  # type: ignore[assignment]
    return tokenizer, counter


@pytest.mark.parametrize("unit", ["测", "ab 测, ", "1 "])
def test_of_a_hostile_text_only_what_is_read_is_tokenised(
    counting: tuple[Tokenizer, Counting], unit: str
) -> None:
    tokenizer, counter = counting
    hostile = (unit * 1_000_000)[:1_000_000]
    [found] = tokenizer.encode([hostile])
    assert counter.characters < 40 * MAX_LENGTH
    assert found.truncated
    assert found == tokenizer.encode([hostile[: 50 * MAX_LENGTH]])[0]


@given(
    st.lists(
        st.sampled_from(["测", "word", "x" * 99, "y" * 101, " ", "é", "12", "[SEP]", "，"]), max_size=300
    ),
    st.integers(3, 40),
)
@settings(max_examples=80)
def test_a_beginning_gives_what_the_whole_text_gives(
    tiny_model_dir: Path, parts: list[str], max_length: int
) -> None:
    text = "".join(parts)
    whole = tokenizers.Tokenizer.from_file(str(tiny_model_dir / "tokenizer.json"))
    whole.no_padding()
    whole.enable_truncation(max_length)
    expected = whole.encode(text)
    [found] = Tokenizer.load(tiny_model_dir, max_length).encode([text])
    assert found == Encoding(expected.ids, expected.type_ids, bool(expected.overflowing))


PIECES = st.lists(st.sampled_from(["测", "word", "y" * 101, " ", "é", "12", "，"]), max_size=80)


@given(PIECES, PIECES, st.integers(3, 40))
@settings(max_examples=80)
def test_a_long_pair_gives_what_the_library_gives(
    tiny_model_dir: Path, first: list[str], second: list[str], max_length: int
) -> None:
    pair = ("".join(first), "".join(second))
    whole = tokenizers.Tokenizer.from_file(str(tiny_model_dir / "tokenizer.json"))
    whole.no_padding()
    whole.enable_truncation(max_length, strategy="longest_first")
    expected = whole.encode(*pair)
    [found] = Tokenizer.load(tiny_model_dir, max_length).encode([pair])
    assert found == Encoding(expected.ids, expected.type_ids, bool(expected.overflowing))


def test_a_hostile_pair_is_never_cut_by_the_library(counting: tuple[Tokenizer, Counting]) -> None:
    tokenizer, counter = counting
    [found] = tokenizer.encode([("测" * 50_000, "试" * 50_000)])
    assert found.truncated
    assert len(found) == MAX_LENGTH
    # Of both ends together the library would have made 50,000 / 61 squared encodings.
    assert counter.encodings <= 2
    assert counter.characters == 100_000


def test_a_cut_pair_is_told(tokenizer: Tokenizer) -> None:
    whole, cut = tokenizer.encode([("测", "试"), ("测" * 40, "试" * 40)])
    assert (whole.truncated, cut.truncated) == (False, True)


@pytest.mark.parametrize(
    "text", [None, 3, b"bytes", ["a"], ("a",), ("a", 1), ("a", "b", "c"), "\ud800", ("a", "\udfff")]
)
def test_what_is_no_text_is_refused_with_its_position(tokenizer: Tokenizer, text: TextInput) -> None:
    with pytest.raises(InputError, match="text 1 "):
        tokenizer.encode(["好", text])


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=20), min_size=1, max_size=8))
def test_padding_keeps_every_id_and_marks_the_rest(rows: list[list[int]]) -> None:
    batch = pad([Encoding(ids, [1] * len(ids), truncated=False) for ids in rows], pad_token_id=0)
    shape = (len(rows), max(map(len, rows)))
    for array in (batch.input_ids, batch.attention_mask, batch.token_type_ids):
        assert array.shape == shape
        assert array.dtype == np.int64
    for row, ids in enumerate(rows):
        length = len(ids)
        assert batch.input_ids[row, :length].tolist() == ids
        assert batch.token_type_ids[row, :length].tolist() == [1] * length
        assert batch.attention_mask[row].tolist() == [1] * length + [0] * (shape[1] - length)
        assert not batch.input_ids[row, length:].any()


@pytest.mark.parametrize("content", [None, "{}", "junk"])
def test_an_unusable_tokenizer_file_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ManifestError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path, 16)


def test_a_tokenizer_without_padding_token_is_refused() -> None:
    with pytest.raises(ManifestError, match="PAD"):
        Tokenizer(tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0})), 16)
