"""Requests hold few texts, mostly one; every kind of wrong answer is told apart from a right one."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from loadtests import workload

RIGHT = {"label": "正面", "score": 0.93, "scores": {"正面": 0.93, "负面": 0.07}, "truncated": False}


def test_nine_requests_in_ten_hold_one_text() -> None:
    rng = random.Random(0)
    sizes = Counter(len(workload.draw(["好", "坏"], rng)) for _ in range(10_000))
    assert set(sizes) == set(workload.SIZES)
    assert sizes[1] == pytest.approx(9_000, rel=0.03)


def test_texts_are_drawn_from_those_given_in_an_order_fixed_by_the_seed() -> None:
    texts = [str(number) for number in range(1_000)]
    first, again, other = (
        [workload.draw(texts, random.Random(seed)) for _ in range(20)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert {text for request in first for text in request} <= set(texts)


def test_the_body_is_utf_8_json_without_escapes() -> None:
    assert json.loads(workload.body(["好", "😀"])) == {"texts": ["好", "😀"]}
    assert "好".encode() in workload.body(["好"])


def test_each_size_has_a_row_of_its_own() -> None:
    assert {workload.row_name(size): size for size in workload.SIZES} == workload.ROW_SIZES
    assert len(workload.ROW_SIZES) == len(workload.SIZES)


@pytest.mark.parametrize("result", [RIGHT, {"label": "正面", "score": 1}, {"label": "b", "score": 0.0}])
def test_a_right_answer_has_no_problem(result: object) -> None:
    assert workload.problem(200, json.dumps([result, RIGHT]).encode(), 2) is None


@pytest.mark.parametrize(
    ("status", "content", "problem"),
    [
        (503, b"Service Unavailable", "HTTP 503, not JSON"),
        (200, b"", "HTTP 200, not JSON"),
        (429, b'{"error": "Too many requests"}', "HTTP 429: Too many requests"),
        (400, b'[{"error": "bad"}]', "HTTP 400: [{'error': 'bad'}]"),
        (200, b'{"label": "x"}', "a JSON dict instead of a list"),
        (200, json.dumps([RIGHT]).encode(), "1 results for 2 texts"),
        (200, json.dumps([RIGHT] * 3).encode(), "3 results for 2 texts"),
        (200, json.dumps([RIGHT, "x"]).encode(), "a result that is a JSON str instead of an object"),
        (200, json.dumps([RIGHT, {"score": 0.5}]).encode(), "a result without a label"),
        (200, json.dumps([RIGHT, {"label": "", "score": 0.5}]).encode(), "a result without a label"),
        (200, json.dumps([RIGHT, {"label": "x"}]).encode(), "a result without a score between 0 and 1"),
        (
            200,
            json.dumps([RIGHT, {"label": "x", "score": True}]).encode(),
            "a result without a score between 0 and 1",
        ),
        (
            200,
            json.dumps([RIGHT, {"label": "x", "score": 1.5}]).encode(),
            "a result without a score between 0 and 1",
        ),
    ],
)
def test_a_wrong_answer_is_named(status: int, content: bytes, problem: str) -> None:
    assert workload.problem(status, content, 2) == problem
