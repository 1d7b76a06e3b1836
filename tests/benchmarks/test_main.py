"""Every benchmark in the table can be started by its name, and a misspelt one names the nearest."""

from __future__ import annotations

import importlib

import pytest

from benchmarks.__main__ import BENCHMARKS, DEFAULT, main


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_explains_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert f"python -m benchmarks {name}" in printed
    description = importlib.import_module(BENCHMARKS[name]).__doc__
    assert description is not None
    assert description.partition(",")[0] in " ".join(printed.split())


@pytest.mark.parametrize("arguments", [[], ["--rounds", "5"]])
def test_without_a_name_the_default_runs_with_the_options(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(BENCHMARKS[DEFAULT])
    monkeypatch.setattr(module, "main", lambda given: 40 + len(given))
    assert main(arguments) == 40 + len(arguments)


def test_a_misspelt_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acuracy"]) == 2
    assert "did you mean 'accuracy'?" in capsys.readouterr().err
