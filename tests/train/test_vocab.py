"""A learned vocabulary covers its corpus, holds what it always must, and is the same every time."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from runtime.errors import DataError, RecipeError
from train.config import Recipe, RunSection, VocabSection
from train.data.sample import reviews
from train.data.sections import CorpusSection
from train.data.vocabulary import SPECIAL_TOKENS, build_tokenizer, gb2312_hanzi
from train.recipe import read_recipe
from train.vocab import LEVEL_1_HANZI, check_coverage, learn, run, unknown_share

DOCUMENTS = [(text,) for text, _ in reviews("train")]
MIXED = [("iPhone 手机 iPhone 4800 元，龘龘龘龘",), ("我用 TiDB 和 TiKV 存 4800 行，iPhone 也行",)] * 20
VOCABULARY = learn([*DOCUMENTS, *MIXED], VocabSection())
TOKENIZER = build_tokenizer(VOCABULARY)


def write_recipe(folder: Path, documents: list[tuple[str, ...]], size: int = 8000) -> Path:
    """Write a corpus and a recipe for it, and return the path of the recipe."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n\n".join(map("\n".join, documents)), encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(
        f'[corpus]\nfiles = ["{corpus}"]\nheld_out = 0.1\n[vocab]\nsize = {size}\n'
        f'[run]\ndirectory = "{folder / "run"}"\n',
        encoding="utf-8",
    )
    return path


def test_special_tokens_come_first() -> None:
    assert tuple(VOCABULARY[:5]) == SPECIAL_TOKENS


def test_common_characters_letters_digits_and_signs_are_always_in() -> None:
    always = set(learn([("你好",)], VocabSection()))
    assert always.issuperset(gb2312_hanzi()[:LEVEL_1_HANZI])
    assert always.issuperset(
        [*string.ascii_lowercase, *string.digits, *string.punctuation, *"，。！？：；（）《》👍😊"]
    )
    assert always.issuperset(f"##{letter}" for letter in string.ascii_lowercase + string.digits)


def test_no_token_has_several_chinese_characters_or_stands_twice() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    hanzi = [token for token in VOCABULARY if any("\u4e00" <= character <= "\u9fff" for character in token)]
    assert len(hanzi) > LEVEL_1_HANZI
    assert all(len(token) == 1 for token in hanzi)


def test_what_the_corpus_repeats_becomes_a_token() -> None:
    assert TOKENIZER.tokenize("iPhone 龘 4800") == ["iphone", "龘", "4800"]
    assert not {"tidb", "4800"}.intersection(learn([("你好 iPhone",)], VocabSection()))


def test_rarer_pieces_than_asked_are_left_out() -> None:
    assert "龘" not in learn(MIXED, VocabSection(min_frequency=81))
    assert "龘" in learn(MIXED, VocabSection(min_frequency=80))


def test_the_commonest_come_first_and_the_rest_is_cut() -> None:
    always = learn([("你好",)], VocabSection())
    whole = learn(MIXED, VocabSection())
    cut = learn(MIXED, VocabSection(size=len(always) + 3))
    assert cut == whole[: len(always) + 3]
    assert cut[len(always) :] == ["龘", "iphone", "4800"]


def test_the_order_of_the_documents_does_not_matter() -> None:
    assert learn(reversed([*DOCUMENTS[:500], *MIXED]), VocabSection()) == learn(
        [*DOCUMENTS[:500], *MIXED], VocabSection()
    )


@given(
    st.text(
        st.sampled_from("".join(gb2312_hanzi()[:LEVEL_1_HANZI]) + string.printable + "，。！？：；（）《》👍")
    )
)
def test_everyday_text_has_no_unknown_tokens(text: str) -> None:
    assert unknown_share(TOKENIZER, [text]) == 0


def test_the_unknown_share_counts_tokens() -> None:
    assert unknown_share(TOKENIZER, ["你好\U0001f9ff", "好"]) == pytest.approx(1 / 4)
    assert unknown_share(TOKENIZER, []) == unknown_share(TOKENIZER, [""]) == 0


def test_a_corpus_of_unknown_characters_is_refused_by_name() -> None:
    documents = [("你好龘鼗", "龘龘好")]
    with pytest.raises(
        DataError, match=r"^57.1% of the tokens of c.txt are unknown .* above all 龘 鼗; make"
    ):
        check_coverage(build_tokenizer(learn([("你好",)], VocabSection())), documents, "c.txt")


def test_few_unknown_tokens_are_accepted() -> None:
    check_coverage(TOKENIZER, [("好" * 150 + "\U0001f9ff",)], "c.txt")


def test_too_small_a_size_is_one_sentence(tmp_path: Path) -> None:
    recipe = Recipe(
        corpus=CorpusSection(files=("missing.txt",)),
        vocab=VocabSection(size=1000),
        run=RunSection(directory=tmp_path),
    )
    with pytest.raises(
        RecipeError, match=r"vocab.size=1000 is less than the \d+ entries .*; give \d+ or more"
    ):
        run(recipe)


def test_another_hash_seed_writes_the_same_files_and_transformers_reads_them(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        recipe = write_recipe(tmp_path / name, [*DOCUMENTS[:1000], *MIXED])
        folders.append(tmp_path / name / "run" / "vocabulary")
        if name == "a":
            assert run(read_recipe(recipe)) == folders[0]
        else:
            command = [sys.executable, "-m", "train", "vocab", str(recipe)]
            environment = os.environ | {"PYTHONHASHSEED": "1"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == str(folders[1])
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert "tokenizer.json" in first
    assert first == second
    reloaded = AutoTokenizer.from_pretrained(folders[0])
    tokens = reloaded.convert_ids_to_tokens(range(len(reloaded)))
    texts = [text for document in (*DOCUMENTS[:20], *MIXED[:2]) for text in document]
    assert tokens[:5] == list(SPECIAL_TOKENS)
    assert reloaded(texts)["input_ids"] == build_tokenizer(tokens)(texts)["input_ids"]
    assert unknown_share(reloaded, texts) < 0.001
