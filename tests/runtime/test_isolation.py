"""One text that cannot be classified fails alone, and a broken engine is noticed and forgiven."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.isolation import ALONE, DOWN, Failure, Isolation


class Engine:
    """Raises for bad texts, refuses others, loses answers, and can be down altogether."""

    def __init__(self) -> None:
        self.down = False
        self.batches: list[list[str]] = []
        self.probes = 0

    def predict(self, texts: Sequence[str]) -> list[str]:
        self.batches.append(list(texts))
        if self.down or any("bad" in text for text in texts):
            raise RuntimeError(f"cannot compute {texts}")
        if any("refused" in text for text in texts):
            raise InputError("it is refused.")
        return [text.upper() for text in texts if "lost" not in text]

    def probe(self) -> None:
        self.probes += 1
        if self.down:
            raise RuntimeError("still down")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def isolation(engine: Engine) -> Isolation[str, str]:
    return Isolation(engine.predict, engine.probe)


REFUSED = Failure(422, "cannot be classified: it is refused.")
EXPECTED = {"bad": ALONE, "refused": REFUSED, "lost": ALONE}


@given(st.lists(st.sampled_from(["a", "b", "bad", "refused", "lost"]), max_size=20))
def test_every_text_gets_what_it_gets_alone(texts: list[str]) -> None:
    engine = Engine()
    isolation: Isolation[str, str] = Isolation(engine.predict, engine.probe)
    assert isolation(texts) == [EXPECTED.get(text, text.upper()) for text in texts]
    assert isolation.is_ready()


def test_a_good_batch_runs_once_and_without_a_probe(isolation: Isolation[str, str], engine: Engine) -> None:
    assert isolation(["a", "b"]) == ["A", "B"]
    assert engine.batches == [["a", "b"]]
    assert engine.probes == 0


def test_one_bad_text_of_many_costs_few_batches(isolation: Isolation[str, str], engine: Engine) -> None:
    found = isolation(["a"] * 37 + ["bad"] + ["a"] * 26)
    assert found == ["A"] * 37 + [ALONE] + ["A"] * 26
    assert len(engine.batches) == 13  # the whole, then two halves for each of log2(64) levels


def test_a_refused_text_needs_no_probe(isolation: Isolation[str, str], engine: Engine) -> None:
    assert isolation(["refused", "a"]) == [REFUSED, "A"]
    assert engine.probes == 0


def test_a_dead_engine_is_asked_once_and_is_not_ready(isolation: Isolation[str, str], engine: Engine) -> None:
    engine.down = True
    assert isolation(["a"] * 64) == [DOWN] * 64
    assert len(engine.batches) == 1
    assert not isolation.is_ready()


def test_an_engine_that_dies_on_the_way_gives_no_more_batches(engine: Engine) -> None:
    def predict(texts: Sequence[str]) -> list[str]:
        engine.down = len(texts) == 2
        return engine.predict(texts)

    isolation: Isolation[str, str] = Isolation(predict, engine.probe)
    assert isolation(["bad", "a", "a", "a"]) == [DOWN] * 4
    assert [len(batch) for batch in engine.batches] == [4, 2]
    engine.down = False
    assert isolation.is_ready()


def test_a_passing_probe_makes_ready_again(isolation: Isolation[str, str], engine: Engine) -> None:
    engine.down = True
    isolation(["a"])
    engine.down = False
    assert isolation.is_ready()
    probes = engine.probes
    assert isolation(["a"]) == ["A"]
    assert engine.probes == probes


def test_while_down_the_probe_goes_first(isolation: Isolation[str, str], engine: Engine) -> None:
    engine.down = True
    isolation(["a"])
    batches = len(engine.batches)
    assert isolation(["a"]) == [DOWN]
    assert len(engine.batches) == batches


def test_the_log_tells_the_place_and_not_the_text(
    isolation: Isolation[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        isolation(["a"] * 7 + ["bad 机密"])
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3 + ["ERROR"]
    assert "in predict" in caplog.records[-1].getMessage()
    assert "RuntimeError" in caplog.text
    assert "机密" not in caplog.text


def test_going_down_and_coming_up_are_told_once(
    isolation: Isolation[str, str], engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.down = True
    isolation(["a"])
    caplog.clear()
    for _ in range(3):
        assert not isolation.is_ready()
    assert caplog.records == []
    engine.down = False
    for _ in range(3):
        assert isolation.is_ready()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
