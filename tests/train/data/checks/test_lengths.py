from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.normalize import NORMALIZERS, normalize
from tests.train.data.checks.clean_rows import COMMON, LABELS, clean, sentences
from train.data.checks.finding import Finding
from train.data.checks.lengths import _LEAVE_PLAIN_ALONE, _PLAIN, BARS, MOST_COUNTED, Lengths, _distribution
from train.doctor import diagnose

Find = Callable[..., list[Finding]]


def labelled(texts: list[str]) -> list[tuple[str, str]]:
    return [(text, LABELS[at % 2]) for at, text in enumerate(texts)]


@given(st.lists(st.integers(1, 3 * MOST_COUNTED), min_size=1, max_size=60))
def test_a_distribution_holds_every_text_once(lengths: list[int]) -> None:
    counted = np.minimum(lengths, MOST_COUNTED)
    found = _distribution(np.bincount(counted, minlength=MOST_COUNTED + 1))
    assert sum(found["counts"]) == len(lengths)
    assert len(found["counts"]) <= BARS
    assert found["longest"] == counted.max()
    assert found["quantiles"]["50%"] == np.quantile(counted, 0.5, method="inverted_cdf")
    inside = [at for at, bar in enumerate(found["counts"][:-1]) for _ in range(bar)]
    assert inside == sorted(int(length) // found["width"] for length in counted)[: len(inside)]


def test_tokens_are_those_of_the_base_model_with_special_ones(recipe_for: Callable[..., Any]) -> None:
    recipe = recipe_for(train=labelled(["很好", "OK的", "囍"]))
    figures = diagnose(recipe, [Lengths])["splits"]["train"]
    assert figures["tokens"]["distribution"]["counts"] == [0, 0, 0, 1, 2]
    assert figures["characters"]["counts"] == [0, 1, 1, 1]
    assert (figures["tokens"]["max_length"], figures["tokens"]["truncated_rows"]) == (48, 0)


def test_a_pair_has_a_special_token_more(recipe_for: Callable[..., Any]) -> None:
    rows = [{"text": "很好", "pair": "不好说", "label": label} for label in LABELS]
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    found = diagnose(recipe_for("data.text_pair=pair", train=content), [Lengths])["splits"]["train"]
    assert found["tokens"]["distribution"]["longest"] == 2 + 3 + 3


def test_the_recommended_length_cuts_one_text_in_twenty_at_most(find: Find) -> None:
    chance = random.Random(3)
    texts = ["".join(chance.choices(COMMON, k=chance.randrange(20, 200))) for _ in range(300)]
    (finding,) = [one for one in find(Lengths, train=labelled(texts)) if one["check"] == "truncation"]
    name, _, length = finding["fix"].partition("=")
    assert name == "finetune.max_length"
    assert finding["count"] == sum(len(text) + 2 > 48 for text in texts)
    assert 0 < sum(len(text) + 2 > int(length) for text in texts) <= 0.05 * len(texts)
    assert find(Lengths, f"finetune.max_length={length}", train=labelled(texts)) == []


def test_a_text_of_a_million_letters_is_counted_as_long(recipe_for: Callable[..., Any]) -> None:
    figures = diagnose(recipe_for(train=labelled(["很好", "好" * 900_000])), [Lengths])["splits"]["train"]
    assert figures["tokens"]["truncated_rows"] == 1
    assert figures["characters"]["longest"] == MOST_COUNTED


def test_unknown_characters_are_named_and_texts_are_not(find: Find) -> None:
    rows = clean()
    rows[4] = ("囍囍囧", "正面")
    rows[5] = ("囍" * 30, "正面")
    (finding,) = find(Lengths, train=rows)
    assert finding["check"] == "unknown_tokens"
    assert finding["rows"] == [5, 6]
    assert finding["examples"] == ["囍 (32)", "囧 (1)"]


def test_normalizers_come_before_the_tokenizer(recipe_for: Callable[..., Any]) -> None:
    rows = labelled(["ＡＢＣ很好", "ＡＢＣ不好"])
    with_fold, without = (
        diagnose(recipe_for(f"data.normalizers={names}", train=rows), [Lengths])["splits"]["train"]["tokens"]
        for names in ('["fold_fullwidth"]', "[]")
    )
    assert with_fold["unknown_share"] == 0 < without["unknown_share"]


def test_an_unreadable_base_model_stops_nothing(recipe_for: Callable[..., Any]) -> None:
    diagnosis = diagnose(recipe_for("finetune.base_model=nobody/has-this", train=clean()), [Lengths])
    (finding,) = diagnosis["findings"]
    assert (finding["check"], finding["severity"]) == ("base_model_unreadable", "info")
    assert "nobody/has-this" in finding["what"]
    assert "tokens" not in diagnosis["splits"]["train"]
    assert diagnosis["splits"]["train"]["characters"]["longest"] == 25


@given(st.text(st.sampled_from("我很好,.!A9z，。！？：；（）、“”‘’《》【】一鿿"), min_size=1))
@pytest.mark.parametrize("name", sorted(_LEAVE_PLAIN_ALONE))
def test_what_is_spared_the_normalizers_would_not_be_changed(name: str, text: str) -> None:
    assert name in NORMALIZERS
    assert _PLAIN.fullmatch(text)
    assert normalize(text, [name]) == text


def test_short_texts_are_not_cut(find: Find) -> None:
    assert find(Lengths, train=labelled(sentences(50, length=40))) == []
