"""A real image, built and run hardened: slow, so only `make test-container` asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.__main__ import build_run_and_check, default_wheels, engine_for
from deploy.container import USER_ID
from deploy.engine import why_no_container
from deploy.private_engine import DEFAULT_WORK


@pytest.mark.container
@pytest.mark.timeout(1800)
def test_the_image_serves_hardened_and_answers_what_is_in_flight_when_stopped(
    tiny_model_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = why_no_container()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setenv("BENTOML_HOME", str(tiny_model_store))
    engine = engine_for(DEFAULT_WORK, default_wheels())
    report = build_run_and_check(engine)
    engine("image", "rm", report.image)
    assert report.user_id == str(USER_ID)
    assert report.exit_code == 0
    assert report.requests_in_flight >= report.answered_after_sigterm >= 1
    assert report.ready_seconds < 60
    assert report.image_size_mb < 1600
