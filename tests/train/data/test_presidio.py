"""Our recognisers work in Presidio and its own beside ours; where it is missing a sentence says so."""

from __future__ import annotations

import pytest

from runtime.errors import RecipeError
from runtime.pii import DEFAULT_KINDS, Span
from train.data import presidio

TEXT = "手机13812345678，IBAN GB82 WEST 1234 5698 7654 32，于2023-11-08发到a@b.cn"


def test_without_presidio_a_sentence_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio.importlib.util, "find_spec", lambda _: None)
    for ask in (presidio.require, presidio.recognizer):
        with pytest.raises(RecipeError, match=r"run `pip install 'presidio-analyzer.*`, or set"):
            ask()


def test_kinds_have_names_in_the_manner_of_presidio() -> None:
    assert presidio.entity("resident_id") == "CN_RESIDENT_ID"


def test_an_analyser_of_presidio_uses_our_recognisers() -> None:
    analyzer = pytest.importorskip("presidio_analyzer")
    registry = analyzer.RecognizerRegistry(supported_languages=["zh"])
    registry.add_recognizer(presidio.recognizer())
    ours = registry.get_recognizers("zh", all_fields=True)
    assert ours[0].supported_entities == [presidio.entity(kind) for kind in DEFAULT_KINDS]
    every = ours[0].analyze(TEXT, [], None)
    assert [(one.entity_type, one.start, one.end) for one in every] == [
        ("CN_MOBILE", 2, 13),
        ("CN_EMAIL", 60, 66),
    ]
    assert [one.entity_type for one in ours[0].analyze(TEXT, ["CN_EMAIL"], None)] == ["CN_EMAIL"]


def test_recognisers_of_presidio_add_what_ours_leave() -> None:
    pytest.importorskip("presidio_analyzer")
    assert presidio.find_more(TEXT) == [
        Span(2, 13, "mobile"),
        Span(19, 46, "IBAN_CODE"),
        Span(60, 66, "email"),
    ]
    assert presidio.find_more("房间很好，2023-11-08入住") == []
