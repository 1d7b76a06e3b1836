"""Every benchmark in the table can be started by its name, and a misspelt one names the nearest."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.__main__ import BENCHMARKS, DEFAULT, main


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_explains_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert f"python -m benchmarks {name}" in printed
    assert len(" ".join(printed.split()).partition("options:")[0]) > 100


@pytest.mark.parametrize("arguments", [[], ["--rounds", "5"]])
def test_without_a_name_the_default_runs_with_the_options(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, function = BENCHMARKS[DEFAULT].partition(":")
    monkeypatch.setattr(importlib.import_module(module), function, lambda given: 40 + len(given))
    assert main(arguments) == 40 + len(arguments)


def test_help_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.strip() == str(benchmarks.__doc__).strip()
    listed = [line.split()[0] for line in str(benchmarks.__doc__).splitlines()[2:] if line]
    assert sorted(listed) == sorted(BENCHMARKS)


def test_a_misspelt_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acuracy"]) == 2
    assert "did you mean 'accuracy'?" in capsys.readouterr().err
