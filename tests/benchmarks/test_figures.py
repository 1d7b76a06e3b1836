"""Ratios are taken within rounds and against the strictest partner, and only of what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import ceiling, engine, figures, serving
from benchmarks.clients import Load
from benchmarks.contenders import CONTENDERS, NAIVE, SEED_LOOP
from benchmarks.figures import Figure, Measured
from benchmarks.spread import Spread
from benchmarks.texts import REVIEWS


def ran(bulk: float, arriving: float) -> engine.Found:
    rates = {engine.REVIEWS_BULK: bulk, engine.REVIEWS_ARRIVING: arriving}
    return engine.Found(rates, 1.0, [0.5])


def served(requests: int) -> serving.Found:
    return serving.Found([serving.Point(8, Load(requests, 0, 1.0, 1.0, 1.0), 1.0)], 1, 1.0, [0.5])


CEILING = {ceiling.GPU_BF16: ceiling.Found(1.0, 900.0, 256), ceiling.BF16: ceiling.Found(1.0, 1_000.0, 256)}
ENGINES = {
    SEED_LOOP: ran(0.0, 2.0),
    "torch bf16": ran(6.0, 5.0),
    "openvino bf16": ran(5.0, 5.0),
    "openvino int8": ran(9.0, 8.0),
}
SERVED = {NAIVE: served(2), "torch bf16": served(4), "openvino int8": served(8)}
MEASURED = Measured(CONTENDERS, [CEILING] * 2, [ENGINES] * 2, [SERVED] * 2, {REVIEWS: 100.0})


def found(measured: Measured) -> dict[str, float]:
    return {figure.name: figure.spread.median for figure in figures.figures(measured)}


def test_every_figure_stands_beside_what_it_names() -> None:
    assert found(MEASURED) == {
        # 6 texts of 100 tokens a second beside 1,000 tokens: the faster way to multiply counts.
        "engine torch bf16 over the bf16 ceiling": pytest.approx(0.6),
        "engine openvino bf16 over the bf16 ceiling": pytest.approx(0.5),
        # Beside the fastest bf16 engine, not the slower one of the same library.
        "engine openvino int8 over torch bf16": pytest.approx(1.5),
        "engine torch bf16 over seed loop fp32": pytest.approx(3.0),
        "engine openvino bf16 over seed loop fp32": pytest.approx(2.5),
        "engine openvino int8 over seed loop fp32": pytest.approx(4.5),
        "HTTP torch bf16 over its engine": pytest.approx(0.8),
        "HTTP openvino int8 over its engine": pytest.approx(1.0),
        "HTTP torch bf16 over naive BentoML fp32": pytest.approx(2.0),
        "HTTP openvino int8 over naive BentoML fp32": pytest.approx(4.0),
    }


@pytest.mark.parametrize(
    ("missing", "gone", "left"),
    [
        ({"ceilings": [{}] * 2}, "ceiling", 8),
        ({"engines": [{}] * 2}, "engine", 2),
        ({"served": [{}] * 2}, "HTTP", 6),
    ],
)
def test_what_was_not_measured_has_no_figure(missing: dict[str, object], gone: str, left: int) -> None:
    names = list(found(replace(MEASURED, **missing)))  # type: ignore[arg-type]
    assert [name for name in names if gone in name] == []
    assert len(names) == left


def test_the_machine_may_drift_between_rounds() -> None:
    slower = {name: ran(one.texts_per_second[engine.REVIEWS_BULK] / 10, 1.0) for name, one in ENGINES.items()}
    both = figures.int8_over_bf16(replace(MEASURED, engines=[ENGINES, slower]))
    assert [figure.spread for figure in both] == [Spread(1.5, 1.5, 1.5)]


def test_a_ceiling_measured_while_the_machine_was_busy_does_not_count() -> None:
    busy = {way: replace(one, tokens_per_second=1.0) for way, one in CEILING.items()}
    first, *_ = figures.of_ceiling(replace(MEASURED, ceilings=[busy, CEILING]))
    assert first.spread.largest == pytest.approx(0.6)


def test_a_row_names_the_goal_where_there_is_one() -> None:
    assert Figure("a", Spread(1.0, 0.5, 2.0), 0.6).row() == ("a", "1.00 (0.50-2.00)", "0.6")
    assert Figure("a", Spread(1.0, 1.0, 1.0)).row() == ("a", "1.00", "")
