"""Clients post what they are given, count what fails, and never take silence for an answer."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benchmarks import clients
from benchmarks.clients import CLIENTS, ClientError, whole_passes
from benchmarks.texts import bodies
from loadtests.server import free_port

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn

TEXTS = [f"第{number}条" for number in range(7)]
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
EACH_CLIENT = [pytest.param(name, marks=needs_wrk if name == "wrk" else ()) for name in CLIENTS]


@pytest.mark.parametrize("name", EACH_CLIENT)
def test_a_client_posts_all_bodies_and_takes_the_time(name: str, stand_in: StandIn) -> None:
    load = CLIENTS[name](stand_in.url, bodies(TEXTS, 1), 2, 0.1)
    assert 0 < load.requests <= len(stand_in.asked)
    assert load.errors == 0
    assert load.seconds > 0
    assert 0 < load.p50_ms <= load.p95_ms
    assert load.requests_per_second == load.requests / load.seconds
    assert {text for texts in stand_in.asked for text in texts} == set(TEXTS)


def test_whole_passes_post_every_body_equally_often(stand_in: StandIn) -> None:
    load = whole_passes(stand_in.url, bodies(TEXTS, 1), 3, 0.1)
    (times,) = set(Counter(text for texts in stand_in.asked for text in texts).values())
    assert load.requests == times * len(TEXTS)
    assert times > 1


def test_without_time_there_is_one_pass(stand_in: StandIn) -> None:
    assert whole_passes(stand_in.url, bodies(TEXTS, 2), 3, 0).requests == 4


@pytest.mark.parametrize("name", EACH_CLIENT)
def test_refused_requests_are_errors_and_not_requests(name: str, stand_in: StandIn) -> None:
    stand_in.failing = {TEXTS[0]}
    load = CLIENTS[name](stand_in.url, bodies(TEXTS, 1), 1, 0.1)
    refused = sum(texts == [TEXTS[0]] for texts in stand_in.asked)
    assert load.errors == pytest.approx(refused, abs=1) != 0
    assert load.requests == pytest.approx(len(stand_in.asked) - refused, abs=1)


def test_a_server_that_answers_nothing_is_an_error() -> None:
    with pytest.raises(ClientError, match="answered none of 7 requests"):
        whole_passes(f"http://127.0.0.1:{free_port()}", bodies(TEXTS, 1), 2, 0)


def test_a_missing_wrk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.shutil, "which", lambda _: None)
    with pytest.raises(ClientError, match="wrk is not installed"):
        clients.wrk("http://127.0.0.1:9", [b"{}"], 1, 1)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3000), (0.95, 5000), (0.0, 1000), (1.0, 5000)])
def test_percentiles_are_latencies_that_occurred(share: float, expected: float) -> None:
    assert clients.percentile_ms([1, 2, 3, 4, 5], share) == expected
