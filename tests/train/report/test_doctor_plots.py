from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.checks.lengths import BARS, Distribution
from train.data.checks.scripts import ScriptFigures
from train.report.doctor_plots import HEIGHT, MOST_LABELS, WIDTH, histogram, label_bars, script_bars


def distribution(counts: list[int], width: int = 1) -> Distribution:
    return {"mean": 1.0, "quantiles": {}, "longest": len(counts) * width, "width": width, "counts": counts}


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=BARS).filter(lambda counts: counts[-1] > 0),
    st.integers(1, 200),
    st.one_of(st.none(), st.integers(3, 10_000)),
)
def test_bars_stand_inside_the_plot_one_after_the_other(
    counts: list[int], width: int, limit: int | None
) -> None:
    plot = histogram(distribution(counts, width), limit, sum(counts))
    assert len(plot.bars) == len(counts)
    assert [bar.x for bar in plot.bars] == sorted(bar.x for bar in plot.bars)
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 1 for bar in plot.bars)
    assert max(bar.height for bar in plot.bars) == HEIGHT
    assert all(abs(bar.y + bar.height - HEIGHT) < 1e-6 for bar in plot.bars)
    assert 2 <= len(plot.ticks) + (len(counts) * width == 1) <= 10
    assert plot.limit is None or 0 < plot.limit <= WIDTH


def test_what_lies_beyond_the_limit_is_cut() -> None:
    plot = histogram(distribution([1, 2, 3, 4], 10), 19, 10)
    assert [bar.cut for bar in plot.bars] == [False, False, True, True]
    assert plot.bars[1].title == "10 to 19: 2 rows (20.0%)"
    assert plot.limit == pytest.approx(WIDTH * 19 / 40)


def test_a_limit_that_no_text_reaches_is_drawn_all_the_same() -> None:
    plot = histogram(distribution([1, 2, 3, 4], 10), 80, 10)
    assert plot.limit is not None
    assert plot.bars[-1].x + plot.bars[-1].width < plot.limit


def test_the_last_bar_has_no_end() -> None:
    open_ended, closed = (histogram(distribution([1] * count), None, count) for count in (BARS, BARS - 1))
    assert open_ended.bars[-1].title.startswith("59 to more")
    assert (open_ended.has_longer, closed.has_longer) == (True, False)


def test_labels_come_as_in_train_and_each_split_has_its_scale() -> None:
    bars = label_bars({"train": {"a": 10, "b": 5}, "dev": {"b": 2, "c": 1}})
    assert [(bar.name, bar.rows) for bar in bars] == [
        ("a", {"train": 10, "dev": 0}),
        ("b", {"train": 5, "dev": 2}),
        ("c", {"train": 0, "dev": 1}),
    ]
    assert bars[1].lengths == {"train": 50.0, "dev": 100.0}
    assert len(label_bars({"train": {str(at): 1 for at in range(99)}})) == MOST_LABELS
    assert label_bars({}) == []


def test_parts_make_a_whole() -> None:
    figures: ScriptFigures = {
        "characters": {"han": 3, "latin": 0, "emoji": 1},
        "simplified_rows": 0,
        "traditional_rows": 0,
        "emoji_rows": 1,
    }
    assert [(part.name, part.percent) for part in script_bars({"train": figures})["train"]] == [
        ("Han", 75.0),
        ("emoji", 25.0),
    ]
