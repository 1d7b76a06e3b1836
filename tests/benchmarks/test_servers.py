"""Each server is asked in its own words and answers in probabilities of the same label."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks import servers, texts
from benchmarks.clients import ClientError
from benchmarks.model import REFERENCE
from benchmarks.servers import Running, Start
from loadtests.server import ServerError

if TYPE_CHECKING:
    from tests.loadtests.conftest import StandIn

# What infinity does as far as the benchmark is concerned: ready, then one answer to everything.
FAKE_INFINITY = """\
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def do_GET(self):
        self.answer(b"{}")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scores = [{"label": "正面", "score": 0.75}, {"label": "负面", "score": 0.25}]
        self.answer(json.dumps({"data": [scores for _ in asked["input"]]}).encode())
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def program(path: Path, code: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def running(stand_in: StandIn) -> Running:
    return Running(stand_in.url, os.getpid(), texts.bodies, servers.our_answers)


def test_probabilities_are_those_of_the_first_label(stand_in: StandIn) -> None:
    stand_in.result = {"label": "负面", "score": 0.75}
    assert running(stand_in).probabilities(["a", "b", "c"]) == [0.75] * 3
    assert stand_in.asked == [["a"], ["b"], ["c"]]
    stand_in.result = {"label": "正面", "score": 0.75}
    assert running(stand_in).probabilities(["a"]) == [0.25]


def test_a_refused_text_ends_the_benchmark(stand_in: StandIn) -> None:
    stand_in.status = 503
    with pytest.raises(ClientError, match="answered 503"):
        running(stand_in).probabilities(["a"])


def test_what_the_server_uses_is_read_off_its_processes(stand_in: StandIn) -> None:
    found = running(stand_in)
    before = found.cpu_seconds()
    while found.cpu_seconds() <= before:
        sum(range(100_000))
    assert found.resident_mb() > 10


def test_infinity_is_started_asked_and_stopped(tmp_path: Path) -> None:
    start = Start(tmp_path, REFERENCE, tmp_path, infinity=program(tmp_path / "infinity_emb", FAKE_INFINITY))
    with servers.infinity(start) as found:
        assert found.probabilities(["一", "二"]) == [0.25, 0.25]
        process = psutil.Process(found.pid)
        command = process.cmdline()
        assert command[command.index("--model-id") + 1] == str(tmp_path)
        assert {"v2", "--no-bettertransformer", "bfloat16"} <= set(command)
    assert not process.is_running()


def test_infinity_gets_texts_in_its_own_words() -> None:
    asked = [json.loads(body) for body in servers.infinity_bodies(["a", "b", "c"], 2)]
    assert [one["input"] for one in asked] == [["a", "b"], ["c"]]
    assert len({one["model"] for one in asked}) == 1


def test_an_infinity_that_dies_tells_its_last_lines(tmp_path: Path) -> None:
    start = Start(
        tmp_path, REFERENCE, tmp_path, infinity=program(tmp_path / "x", "raise SystemExit('no torch')")
    )
    with pytest.raises(ServerError, match=r"(?s)was not ready.*no torch"), servers.infinity(start):
        pass


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    start = Start(tmp_path, REFERENCE, tmp_path, infinity=tmp_path / "none")
    with pytest.raises(ServerError, match="give --infinity"), servers.infinity(start):
        pass
