"""The base model replaces a word only by Chinese characters it is sure of, and must have learned to guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from runtime.errors import RecipeError
from train.config import Recipe
from train.data import augment_language_model
from train.data.augment_language_model import WordGuesser
from train.data.augment_marks import is_hanzi, mark
from train.run import RunDirectory

Make = Callable[..., Recipe]
MINI = "finetune.base_model=bert-mini-chinese"
SENTENCE = "昨天下午公司召开会议，讨论今年的工作计划和财务预算，大家认为应当提高服务质量。"


def replaced(guesser: WordGuesser, seeds: int = 6) -> set[str]:
    """Return what a guesser makes of the sentence."""
    texts = {guesser(mark(SENTENCE), Random(seed)) for seed in range(seeds)}
    return {text for text in texts if text is not None}


@pytest.fixture(scope="module")
def guesser(tmp_path_factory: pytest.TempPathFactory) -> WordGuesser:
    from train.recipe import read_recipe

    path = tmp_path_factory.mktemp("recipe") / "mini.toml"
    path.write_text('[data]\ntrain = "sample:train"\n', encoding="utf-8")
    return WordGuesser.of(read_recipe(path, [MINI]))


def test_words_become_words_of_the_same_length(guesser: WordGuesser) -> None:
    found = replaced(guesser)
    assert len(found) > 1
    for text in found:
        assert len(text) == len(SENTENCE)
        assert all(is_hanzi(new) for old, new in zip(SENTENCE, text, strict=True) if old != new)


def test_an_unsure_model_changes_nothing(guesser: WordGuesser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_language_model, "CONFIDENT", 1.1)
    assert replaced(guesser) == set()


def test_a_guess_that_negates_or_is_no_chinese_is_none(guesser: WordGuesser) -> None:
    vocabulary = guesser._tokenizer.get_vocab()
    for guess, expected in (("好", "好"), ("不", None), ("a", None), ("大", None)):
        probabilities = torch.zeros(1, len(vocabulary))
        probabilities[0, vocabulary[guess]] = 0.9
        assert guesser._best(probabilities, "大") == expected


def test_words_behind_what_the_model_reads_stay(
    guesser: WordGuesser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment_language_model, "CONFIDENT", 0.0)
    short = WordGuesser(guesser._model, guesser._tokenizer, max_length=8)
    texts = replaced(short, seeds=20)
    assert texts
    assert all(text[6:] == SENTENCE[6:] for text in texts)


@pytest.mark.parametrize("base", ["scratch", "finished"])
def test_a_model_that_cannot_guess_is_refused(base: str, make: Make, finished: Recipe) -> None:
    folder = base if base == "scratch" else str(RunDirectory.of(finished).model)
    with pytest.raises(RecipeError, match=r"take language_model out of augment\.methods") as caught:
        WordGuesser.of(make(f"finetune.base_model={folder}"))
    assert "finetune.base_model" in str(caught.value)
    assert Path(folder).name in str(caught.value)
