"""Requests that are said to be in flight are, by the service's own count."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from deploy import traffic
from deploy.container import free_port
from deploy.engine import CheckError


def test_a_status_is_that_of_the_answer_or_zero_where_there_is_none(service: Any) -> None:
    assert traffic.status_of(f"{service.url}/readyz") == 200
    service.status = 503
    assert traffic.status_of(f"{service.url}/readyz") == 503
    assert traffic.status_of(f"http://127.0.0.1:{free_port()}/readyz") == 0


def test_classify_returns_one_prediction_per_text(service: Any) -> None:
    assert [answer["label"] for answer in traffic.classify(service.url, ["好", "坏"])] == ["正面", "正面"]


def test_a_refused_request_fails_the_check(service: Any) -> None:
    service.status = 429
    with pytest.raises(CheckError, match="/classify answered 429"):
        traffic.classify(service.url, ["好"])


def test_a_metric_is_summed_over_the_series_with_the_wanted_labels(service: Any) -> None:
    traffic.classify(service.url, ["好"])
    assert traffic.metric(service.url, "request_total", endpoint="/classify") == 3
    assert traffic.metric(service.url, "request_total", http_response_code="400") == 2
    assert traffic.metric(service.url, "request_total", endpoint="/other") == 0


def test_a_burst_counts_what_the_service_has_in_hand(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_REQUESTS", 5)
    hold_after_the_first(service)
    with traffic.burst(service.url) as requests:
        assert requests.wait_until_in_flight() == 5
        assert service.in_progress == 5
        released = time.monotonic()
        service.release.set()
        results = requests.results()
    assert [result.status for result in results] == [200] * 5
    assert min(result.finished for result in results) > released


def test_no_two_texts_of_a_burst_are_alike(service: Any) -> None:
    # A service that computes what is alike only once would be idle before the signal comes.
    sent: list[str] = []
    classify = service.classify
    service.classify = lambda texts: sent.extend(texts) or classify(texts)
    with traffic.burst(service.url) as requests:
        requests.results()
    assert len(sent) >= 4
    assert len({text[:32] for text in sent}) == len(sent)


def test_lost_answers_are_status_zero(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_REQUESTS", 3)
    hold_after_the_first(service)
    with traffic.burst(service.url) as requests:
        requests.wait_until_in_flight()
        service.lose.set()
        service.release.set()
        assert [result.status for result in requests.results()] == [0, 0, 0]


def test_a_burst_suits_the_speed_of_the_service(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    classify = service.classify

    def remember(texts: list[str]) -> list[dict[str, Any]]:
        sent.append(len(texts))
        answers: list[dict[str, Any]] = classify(texts)
        return answers

    service.classify = remember
    for seconds_per_text, expected in ((2.0, [1] * 3), (0.1, [10] * 5), (0.001, [32] * 64)):
        clock = iter((0.0, seconds_per_text))
        monkeypatch.setattr(traffic.time, "monotonic", lambda clock=clock: next(clock, 9.0))
        sent.clear()
        with traffic.burst(service.url) as requests:
            requests.results()
        assert sent == [1, *expected]


def test_requests_that_were_answered_at_once_were_never_in_flight(service: Any) -> None:
    with traffic.burst(service.url) as requests:
        requests.results()
        with pytest.raises(CheckError, match="answered before they were seen in flight"):
            requests.wait_until_in_flight()


def hold_after_the_first(service: Any) -> None:
    """Let the request that measures the service pass, and hold back all that follow."""
    classify, first = service.classify, threading.Event()

    def after_the_first(texts: list[str]) -> list[dict[str, Any]]:
        if first.is_set():
            service.hold.set()
        first.set()
        answers: list[dict[str, Any]] = classify(texts)
        return answers

    service.classify = after_the_first
