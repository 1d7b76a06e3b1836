"""Every scenario has users from its first to its last second, reaches all of them, and ends."""

from __future__ import annotations

import pytest

from loadtests.scenarios import SCENARIOS, users_at

SECONDS = range(60)


def users(scenario: str, users: int = 50) -> list[int]:
    present = [users_at(scenario, second, run_seconds=60, users=users) for second in SECONDS]
    assert None not in present
    return [count for count in present if count is not None]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_users_are_present_throughout_and_all_of_them_at_some_time(scenario: str) -> None:
    present = users(scenario)
    assert min(present) >= 1
    assert max(present) == 50


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_ends_with_its_time(scenario: str) -> None:
    assert users_at(scenario, 59.9, run_seconds=60, users=5) is not None
    assert users_at(scenario, 60.0, run_seconds=60, users=5) is None


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_single_user_is_never_rounded_away(scenario: str) -> None:
    assert set(users(scenario, users=1)) == {1}


def test_steady_never_changes() -> None:
    assert set(users("steady")) == {50}


def test_ramp_climbs_in_ten_equal_steps() -> None:
    assert sorted(set(users("ramp"))) == list(range(5, 51, 5))
    assert users("ramp") == sorted(users("ramp"))


def test_spike_is_over_after_the_middle_third() -> None:
    present = users("spike")
    assert present[:20] == [10] * 20
    assert present[20:40] == [50] * 20
    assert present[40:] == [10] * 20
