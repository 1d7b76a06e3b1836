"""What `make` promises: every command sets up what it needs, once, and says what is missing."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()

# Stands in for Python: `venv` copies it into the environment, `pip` fails while a file `broken` is there.
FAKE_PYTHON = """\
#!/bin/sh
echo "$*" >> calls
case "$*" in
  *"venv --clear"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
  *"pip install"*) test ! -e broken ;;
esac
"""


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder as from a fresh shell: these tests may themselves run below `make test`."""
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the files that set-up reads, and a stand-in for Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    python = tmp_path / "fake-python"
    python.write_text(FAKE_PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def calls(clone: Path) -> list[str]:
    """Return what the stand-in was asked since the last time, without the checks of its version."""
    log = clone / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return [line for line in lines if not line.startswith(("-c", "--version"))]


def test_set_up_installs_under_the_constraints_and_only_once(clone: Path) -> None:
    assert make(clone, "setup", "PYTHON=./fake-python").returncode == 0
    first = calls(clone)
    assert first[0] == "-m venv --clear .venv"
    assert [
        line for line in first if "pip install" in line and "--constraint constraints.txt" not in line
    ] == []
    assert first[-1].endswith(".[train,loadtests,dev]")
    assert make(clone, "setup", "PYTHON=./fake-python").returncode == 0
    assert calls(clone) == []


def test_an_interrupted_set_up_starts_from_nothing(clone: Path) -> None:
    (clone / "broken").touch()
    assert make(clone, "setup", "PYTHON=./fake-python").returncode != 0
    calls(clone)
    (clone / "broken").unlink()
    assert make(clone, "setup", "PYTHON=./fake-python").returncode == 0
    assert calls(clone)[0] == "-m venv --clear .venv"


def test_new_pins_are_installed_into_the_same_environment(clone: Path) -> None:
    make(clone, "setup", "PYTHON=./fake-python")
    calls(clone)
    later = (clone / ".venv/.ready").stat().st_mtime + 10
    os.utime(clone / "constraints.txt", (later, later))
    assert make(clone, "setup", "PYTHON=./fake-python").returncode == 0
    again = calls(clone)
    assert [line for line in again if "venv" in line] == []
    assert len([line for line in again if "pip install" in line]) == 2


def test_a_machine_without_a_fitting_python_is_told_so_in_one_sentence(clone: Path) -> None:
    done = make(clone, "test", "PYTHON=/bin/false")
    assert done.returncode != 0
    sentence = done.stderr.splitlines()[0]
    assert sentence == (
        "None of these is a Python 3.11, 3.12 or 3.13 with the venv module: /bin/false; "
        "install one, or name it: make test PYTHON=/path/to/python3.12"
    )
    assert not (clone / ".venv").exists()


def targets() -> dict[str, str]:
    """Return each documented target with what it depends on."""
    return dict(re.findall(r"^([a-z-]+):(.*?)##", MAKEFILE, re.MULTILINE))


def test_every_command_that_runs_python_sets_up_first() -> None:
    without = {name for name, needs in targets().items() if "$(READY)" not in needs}
    assert without == {"help", "clean"}


def test_help_lists_every_command() -> None:
    listed = re.findall(r"^make ([a-z-]+)", make(ROOT, "help").stdout, re.MULTILINE)
    assert listed == list(targets())
    promised = {
        "quickstart",
        "test",
        "lint",
        "bench",
        "loadtest",
        "container",
        "test-container",
        "test-slow",
        "serve",
    }
    assert promised <= set(listed)


def test_ci_runs_lint_and_tests_and_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    lines = script.read_text().splitlines()
    assert lines[lines.index("set -euo pipefail") + 1 :] == [
        'cd "$(dirname "$0")/.."',
        "make lint",
        "make test",
    ]
