"""Engines get the same texts in the ways that are said, in whole passes, and a mix has its ideal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from benchmarks import engine, texts
from benchmarks.contenders import CONTENDERS, PIPELINE
from benchmarks.engine import ARRIVING, BULK, CALLS, HEADER, Call, Found
from benchmarks.engines import BATCH_SIZE, Options
from benchmarks.texts import LONG, MIX, REVIEWS, SHORT

RATES = {f"{kind} {way}": 10.0 for kind, way in CALLS}


def found(**changes: float) -> Found:
    rates = RATES | {name.replace("_", " "): rate for name, rate in changes.items()}
    return Found(rates, 512.0, [0.5])


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_pass_hands_over_every_text_once(size: int) -> None:
    handed: list[Sequence[str]] = []

    def collect(batch: Sequence[str]) -> list[float]:
        handed.append(batch)
        return []

    asked = [str(number) for number in range(7)]
    assert engine.rate(collect, Call("x", asked, size), seconds=0) > 0
    assert Counter(text for batch in handed for text in batch) == Counter(asked)
    assert max(map(len, handed)) == min(size, 7)


def test_another_pass_comes_in_another_order() -> None:
    orders: list[tuple[str, ...]] = []

    def collect(batch: Sequence[str]) -> list[float]:
        orders.append(tuple(batch))
        return []

    engine.rate(collect, Call("x", [str(number) for number in range(50)], 50), seconds=0.01)
    assert len(orders) > 1
    assert len(set(orders)) == len(orders)


def test_baselines_are_given_what_they_can_do_in_time() -> None:
    workloads = texts.workloads([str(number) for number in range(40)])
    ours = engine.calls(CONTENDERS["torch bf16"], workloads, everything=False)
    assert [call.name for call in ours] == list(engine.COLUMNS)
    assert {call.name: call.size for call in ours if call.name.startswith(REVIEWS)} == {
        f"{REVIEWS} {BULK}": 40,
        f"{REVIEWS} {ARRIVING}": BATCH_SIZE,
    }
    baseline = CONTENDERS[PIPELINE]
    assert [call.name for call in engine.calls(baseline, workloads, everything=False)] == [
        f"{REVIEWS} {ARRIVING}"
    ]
    assert len(engine.calls(baseline, workloads, everything=True)) == 4
    assert len(engine.calls(CONTENDERS["torch bf16"], workloads[:1], everything=True)) == 2


def test_the_ideal_mix_takes_what_its_parts_take_alone() -> None:
    # Nine short texts take 0.9 s and a long one 1.1 s: ten in 2 s.
    changes = {f"{SHORT}_{BULK}": 10.0, f"{LONG}_{BULK}": 1 / 1.1}
    one = found(**changes, **{f"{MIX} {ARRIVING}": 4.0, f"{MIX} {BULK}": 5.0})
    assert engine.mix_over_ideal(one) == pytest.approx(0.8)
    assert engine.mix_over_ideal(one, BULK) == pytest.approx(1.0)


def test_a_row_is_in_tokens_and_says_what_was_not_measured() -> None:
    tokens = {REVIEWS: 100.0, SHORT: 32.0, LONG: 512.0, MIX: 80.0}
    rounds = [{"a": found()}, {"a": found(reviews_bulk=30.0)}]
    cells = dict(zip(HEADER, engine.row("a", rounds, tokens, 0.01), strict=True))
    assert cells["reviews bulk"] == "2,000 (1,000-3,000)"
    assert cells["long bulk"] == "5,120"
    assert (cells["reviews/s"], cells["MB"], cells["answers apart"]) == ("20.0", "512", "0.0100")
    sparse = Found({f"{REVIEWS} {ARRIVING}": 1.0}, 1.0, [])
    assert engine.row("a", [{"a": sparse}], tokens, 0.0).count("–") == len(CALLS) - 1


def test_an_engine_is_measured_as_it_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    loaded: list[Options] = []

    def load(options: Options) -> engine.Engine:
        loaded.append(options)
        return lambda asked: [0.25] * len(asked)

    monkeypatch.setitem(engine.LOADERS, "seed", load)
    options = Options(tmp_path, "fp32", "cpu", 2)  # type: ignore[arg-type]
    result = engine.measure(engine.Task("seed", options, [Call("reviews bulk", ["a"], 1)], ["b", "c"], 0))
    assert loaded == [options]
    assert result.probabilities == [0.25, 0.25]
    assert list(result.texts_per_second) == ["reviews bulk"]
    assert result.resident_mb > 10


def test_mean_tokens_count_special_ones(tiny_model_dir: object) -> None:
    workloads = [texts.Workload("a", ["好", "很好坏"])]
    assert engine.mean_tokens(tiny_model_dir, workloads, 512) == {"a": 4.0}  # type: ignore[arg-type]
