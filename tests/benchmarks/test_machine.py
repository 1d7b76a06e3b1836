"""A figure comes with what it was measured on, in print and in JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine, record


def test_the_machine_is_described() -> None:
    found = machine.describe(["pytest", "no-such-package"])
    assert found.cores >= 1
    assert found.cpu
    assert found.versions["pytest"].count(".") >= 1
    assert found.versions["no-such-package"] == "not installed"
    assert f"{found.cores} cores" in str(found)
    assert platform.python_version() in str(found)


def test_results_are_json_with_their_time(tmp_path: Path) -> None:
    found = asdict(machine.describe([]))
    path = record.write("http", {"machine": found}, tmp_path / "new")
    assert path.name.endswith("-http.json")
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["machine"] == found
    assert written["benchmark"] == "http"
    assert written["time"].endswith("+00:00")


def test_versions_of_another_environment_are_read_off_it(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "python3.11" / "site-packages" / "thing-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.2\n", encoding="utf-8")
    found = machine.versions_beside(tmp_path / "bin" / "thing", ["thing", "other"])
    assert found == {"thing": "1.2", "other": "unknown"}
