"""`python -m loadtests` runs Locust, leaves its reports, and its exit status says whether thresholds held."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtests.__main__ import main

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn

GENEROUS = "[{}]\np95_ms = 60000\nmax_error_rate = 0\nmin_requests_per_second = 0.1\n"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    limits = tmp_path / "limits.toml"
    limits.write_text(GENEROUS.format("steady") + GENEROUS.format("ramp"), encoding="utf-8")
    return [
        "--thresholds",
        str(limits),
        "--reports",
        str(tmp_path / "reports"),
        "--run-time",
        "1",
        "--users",
        "2",
    ]


def test_a_run_that_keeps_its_thresholds_leaves_its_reports(
    stand_in: StandIn, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("唯一\n", encoding="utf-8")
    assert main([*arguments, "--host", stand_in.url, "--texts", str(texts), "ramp"]) == 0
    printed = capsys.readouterr().out
    (folder,) = (tmp_path / "reports").iterdir()
    assert str(folder) in printed
    assert folder.name.endswith("-ramp")
    figures = json.loads((folder / "ramp.json").read_text(encoding="utf-8"))
    assert figures["scenario"] == "ramp"
    assert figures["requests"] == len(stand_in.asked) > 0
    assert figures["failures"] == 0
    assert figures["texts_per_second"] >= figures["requests_per_second"] > 0
    assert f"{figures['requests']:,}" in printed
    assert {text for texts in stand_in.asked for text in texts} == {"唯一"}
    assert "<html" in (folder / "ramp.html").read_text(encoding="utf-8")
    with (folder / "ramp_stats.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["Name"].startswith("/classify")


def test_a_broken_threshold_is_named_and_ends_with_status_1(
    stand_in: StandIn, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.result = {"label": "正面"}
    assert main([*arguments, "--host", stand_in.url]) == 1
    sentences = capsys.readouterr().err.splitlines()
    assert "steady: max_error_rate is 0, the run had 1." in sentences
    assert "steady: min_requests_per_second is 0.1, the run had 0." in sentences


def test_a_locust_that_does_not_run_ends_with_status_2_and_its_reason(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--host", "http://127.0.0.1:9", "--texts", "/nowhere/texts.txt"]) == 2
    assert "/nowhere/texts.txt cannot be read" in capsys.readouterr().err


def test_a_scenario_without_thresholds_ends_with_status_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--host", "http://127.0.0.1:9", "spike"]) == 2
    assert "has no section [spike]" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_a_misspelt_scenario_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["stedy"])
    assert caught.value.code == 2
    assert "did you mean 'steady'?" in capsys.readouterr().err


def test_the_service_is_started_loaded_and_stopped(
    tiny_model_store: Path, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_model_store.is_dir()
    assert main([*arguments, "--model", "bert-classifier:tiny"]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "reports").iterdir()
    figures = json.loads((folder / "steady.json").read_text(encoding="utf-8"))
    assert figures["requests"] > 0
    assert figures["failures"] == 0
    assert (folder / "server.log").stat().st_size > 0


@pytest.mark.parametrize("users", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_users_that_is_none_is_wrong_usage(
    users: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--users", users])
    assert caught.value.code == 2
    assert "number of users" in capsys.readouterr().err
