"""Probes survive writing, and a model that computes something else is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ProbeError
from runtime.probes import (
    PROBE_TOLERANCE,
    PROBES_NAME,
    Probe,
    check_probes,
    read_probes,
    softmax,
    write_probes,
)

PROBES = [
    Probe(text="好\u2028的", logits=(1.5, -0.25)),
    Probe(text="a", text_pair="b", logits=(0.0, 0.1)),
]
RECORDED = np.array([probe.logits for probe in PROBES], dtype=np.float32)


def test_writing_and_reading_gives_the_same_probes(tmp_path: Path) -> None:
    write_probes(tmp_path, PROBES)
    assert read_probes(tmp_path) == PROBES
    assert [path.name for path in tmp_path.iterdir()] == [PROBES_NAME]
    assert [probe.input for probe in PROBES] == ["好\u2028的", ("a", "b")]


@pytest.mark.parametrize("content", [None, "", "{}\n", "not json\n"])
def test_unusable_probes_are_one_sentence(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / PROBES_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(ProbeError, match=PROBES_NAME) as caught:
        read_probes(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("precision", PROBE_TOLERANCE)
def test_a_change_is_judged_by_the_precision(precision: str) -> None:
    allowed = PROBE_TOLERANCE[precision]
    assert check_probes(PROBES, RECORDED, precision) == 0
    # Where the softmax is steepest a probability moves by a quarter of the change of the logits.
    within = RECORDED + np.array([0, allowed], dtype=np.float32)
    assert 0 < check_probes(PROBES, within, precision) < allowed
    with pytest.raises(ProbeError, match="probe 2"):
        check_probes(PROBES, RECORDED + np.array([[0, 0], [0, 8 * allowed]], dtype=np.float32), precision)


def test_a_wrong_number_of_labels_is_refused() -> None:
    with pytest.raises(ProbeError, match="2"):
        check_probes(PROBES, np.zeros((2, 3), dtype=np.float32), "fp32")


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ProbeError, match="nan"):
        check_probes(PROBES, np.full((2, 2), np.nan, dtype=np.float32), "fp32")


@given(st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_softmax_gives_probabilities_in_the_order_of_the_logits(rows: list[list[float]]) -> None:
    logits = np.array(rows, dtype=np.float32)
    found = softmax(logits)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found >= 0).all()
    assert (found[np.arange(len(rows)), logits.argmax(axis=1)] == found.max(axis=1)).all()
