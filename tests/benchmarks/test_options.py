"""`--quick` changes defaults and nothing that was asked for."""

from __future__ import annotations

import json

import pytest

from benchmarks import options


def chosen(*arguments: str) -> dict[str, object]:
    parser = options.parser("engine", "What it does.", seconds=4.0)
    options.add_contenders(parser, ["a", "b"])
    return options.plain(options.finish(parser, arguments))


def test_quick_takes_the_place_of_defaults() -> None:
    assert {name: chosen()[name] for name in ("shape", "rounds", "seconds")} == {
        "shape": "base",
        "rounds": 3,
        "seconds": 4.0,
    }
    quick = chosen("--quick", "--rounds", "2")
    known = options.QUICK.keys() & quick.keys() - {"rounds"}
    assert len(known) >= 3
    assert {name: quick[name] for name in known} == {name: options.QUICK[name] for name in known}
    assert quick["rounds"] == 2


def test_choices_are_plain_json() -> None:
    found = chosen("--only", "a", "--only", "b", "--infinity", "/x")
    assert json.loads(json.dumps(found)) == found
    assert found["only"] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--rounds", "0"], "0 is not a positive number"), (["--only", "c"], "invalid choice")],
)
def test_a_wrong_option_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        chosen(*arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err
