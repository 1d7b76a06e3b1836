"""Contenders are measured in turn and on equal terms, and a comparison that is not fair is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ceiling, engine, options, report, serving, suite
from benchmarks.clients import Load
from benchmarks.contenders import CONTENDERS, Contender, available
from benchmarks.model import REFERENCE
from benchmarks.report import Results
from benchmarks.servers import Start
from benchmarks.suite import Parts, Suite
from benchmarks.texts import Workload

LOAD = Load(requests=100, errors=0, seconds=10, p50_ms=20, p95_ms=40)
RATES = {f"{kind} {way}": 1.0 for kind, way in engine.CALLS}
PARTS = {
    "all": Parts("all", ceiling=True, engine=True, http=True),
    "engine": Parts("engine", ceiling=True, engine=True),
    "http": Parts("http", http=True),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measure nothing, and return what would have been, in order."""
    done: list[str] = []

    def isolated(function: object, task: Any) -> object:
        if function is ceiling.measure:
            done.append("ceiling")
            return {way: ceiling.Found(1.0, 1.0, 256) for way in task.ways}
        done.append(f"engine {task.loader} {task.options.directory}")
        return engine.Found(RATES, 1.0, [0.5])

    def serve(server: str, start: Start, plan: serving.Plan, *, sweeps: bool) -> serving.Found:
        done.append(f"{server} {start.directory}{' sweep' if sweeps else ''}")
        return serving.Found([serving.Point(plan.connections, LOAD, 1.0)], 1, 1.0, [0.5])

    monkeypatch.setattr(suite, "isolated", isolated)
    monkeypatch.setattr(suite.ceiling, "isolated", isolated)
    monkeypatch.setattr(suite.serving, "measure", serve)
    return done


def suite_of(name: str, *arguments: str) -> Suite:
    chosen = suite._chosen(PARTS[name], "", ["--quick", *arguments])
    contenders = {each: CONTENDERS[each] for each in ("seed loop fp32", "naive BentoML fp32", "torch bf16")}
    models = {contender.model: Path(str(contender.model)) for contender in contenders.values()}
    return Suite(PARTS[name], chosen, Path(), models, contenders, [Workload("reviews", ["好"])], ["好"])


def test_a_round_measures_ceiling_engines_and_servers(asked: list[str]) -> None:
    found = suite_of("all").run_round(0)
    assert asked == [
        "ceiling",
        "engine seed torch-fp32",
        "naive torch-fp32 sweep",
        "engine classifier torch-bf16",
        "service torch-bf16 sweep",
    ]
    assert set(found.ceiling) == set(ceiling.WAYS)
    assert list(found.engines) == ["seed loop fp32", "torch bf16"]
    assert list(found.served) == ["naive BentoML fp32", "torch bf16"]


def test_another_contender_begins_in_the_next_round_and_nobody_is_swept_again(asked: list[str]) -> None:
    suite_of("all").run_round(1)
    assert asked == [
        "ceiling",
        "naive torch-fp32",
        "engine classifier torch-bf16",
        "service torch-bf16",
        "engine seed torch-fp32",
    ]


def test_a_part_alone_measures_no_other(asked: list[str]) -> None:
    suite_of("engine").run_round(1)
    assert asked == ["ceiling", "engine classifier torch-bf16", "engine seed torch-fp32"]
    asked.clear()
    # HTTP stands beside the engine of the same texts, and no other engine is of use there.
    suite_of("http").run_round(1)
    assert asked == ["naive torch-fp32", "engine classifier torch-bf16", "service torch-bf16"]


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [(["--shape", "small"], 30), (["--shape", "small", "--tokens", "64"], 64), (["--tokens", "50"], 50)],
)
def test_the_small_shape_gets_short_texts(arguments: list[str], tokens: int) -> None:
    source, found = suite._texts(suite._chosen(PARTS["http"], "", arguments))
    assert source == f"generated, {tokens} tokens each"
    assert {len(text) for text in found} == {tokens - 2}


@pytest.mark.parametrize(
    ("arguments", "has_wrk", "client", "texts"),
    [
        (["--shape", "small"], True, "wrk", 512),
        (["--shape", "small"], False, "whole-passes", 512),
        (["--shape", "small", "--client", "whole-passes", "--texts", "9"], True, "whole-passes", 9),
        ([], True, "whole-passes", 48),
    ],
)
def test_a_small_model_gets_many_texts_from_a_fast_client(
    arguments: list[str], has_wrk: bool, client: str, texts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite.shutil, "which", lambda _: "/usr/bin/wrk" if has_wrk else None)
    chosen = suite._chosen(PARTS["http"], "", arguments)
    assert (chosen.client, chosen.texts) == (client, texts)


def results(contenders: dict[str, Contender], expected: list[float], errors: int = 0) -> Results:
    rates = {engine.REVIEWS_BULK: 1.0, engine.REVIEWS_ARRIVING: 1.0}
    served = serving.Found([serving.Point(8, Load(9, errors, 1.0, 1.0, 1.0), 1.0)], 1, 1.0, [0.5])
    found = report.Round(
        engines={"torch bf16": engine.Found(rates, 1.0, [0.5])}, served={"torch bf16": served}
    )
    return Results(contenders, "generated", {"reviews": 9.0}, expected, [found, found])


def test_failed_requests_and_other_answers_are_flaws_told_once() -> None:
    contenders, _ = available("cpu", None, ["torch bf16"])
    assert list(report.flaws_of(results(contenders, [0.5]))) == []
    assert list(report.flaws_of(results(contenders, [0.5], errors=2))) == [
        "torch bf16: 4 requests failed; its figures do not count."
    ]
    (told,) = report.flaws_of(results(contenders, [0.9]))
    assert told == "torch bf16: answers differ from those of float32 by 0.4000, 0.05 is allowed."


@pytest.mark.parametrize(("errors", "status"), [(0, 0), (1, 1)])
def test_a_flaw_decides_the_status_and_stands_in_the_record(
    errors: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contenders, _ = available("cpu", None, ["torch bf16"])
    monkeypatch.setattr(suite, "_measure", lambda *_: results(contenders, [0.5], errors))
    arguments = ["--quick", "--only", "torch bf16", "--results", str(tmp_path)]
    assert suite.http(arguments) == status
    (path,) = tmp_path.glob("*.json")
    written = json.loads(path.read_text(encoding="utf-8"))
    assert len(written["flaws"]) == status
    assert [figure["name"] for figure in written["figures"]] == ["HTTP torch bf16 over its engine"]
    assert path.with_suffix(".png").is_file()


@pytest.mark.parametrize(("shape", "goal"), [("base", 0.9), ("tiny", None)])
def test_goals_are_for_the_shape_that_they_were_set_for(
    shape: str, goal: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contenders, _ = available("cpu", None, ["torch bf16"])
    monkeypatch.setattr(suite, "_measure", lambda *_: results(contenders, [0.5]))
    assert suite.http(["--shape", shape, "--results", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    (figure,) = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert figure["goal"] == goal


def test_what_cannot_be_measured_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "save_in", lambda *_: {REFERENCE: tmp_path})
    monkeypatch.setattr(suite.answers, "reference", lambda *_: [0.5])
    monkeypatch.setattr(suite.engine, "mean_tokens", lambda *_: {"reviews": 9.0})
    arguments = ["--quick", "--only", "infinity bf16", "--infinity", str(tmp_path / "none")]
    assert suite.http([*arguments, "--results", str(tmp_path)]) == 2
    assert "cannot be run" in capsys.readouterr().err
    assert list(tmp_path.glob("*.json")) == []


def test_quick_is_a_choice_of_every_part() -> None:
    for name, parts in PARTS.items():
        chosen = options.plain(suite._chosen(parts, "", ["--quick"]))
        assert chosen["shape"] == "tiny", name


@pytest.mark.slow
def test_the_whole_benchmark_runs_at_tiny_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.everything(["--quick", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    found, _ = available("cpu", None)
    assert all(name in printed for name in found)
    (path,) = tmp_path.glob("*.json")
    (only,) = json.loads(path.read_text(encoding="utf-8"))["rounds"]
    assert set(only["served"]) == {name for name, contender in found.items() if contender.server}
    assert set(only["engines"]) == {name for name, contender in found.items() if contender.loader}
