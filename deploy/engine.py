"""Finds a container engine that really works, or makes a private one; it knows no bento and no service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The image that service.py names; python.org's own, from the engine's default registry.
BASE_IMAGE = "python:3.11-slim"


class DeployError(Exception):
    """Something outside the service stops the deployment; the message says what to do."""


class CheckError(Exception):
    """The container does not behave as it must."""


def say(message: str) -> None:
    """Report progress on stderr; stdout is for the result."""
    print(f"== {message}", file=sys.stderr, flush=True)


def command(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    errors_too: bool = False,
) -> str:
    """Run a command and return its standard output, with its standard error if wanted.

    Raises
    ------
    DeployError
        The command failed; the message ends with the last lines that it wrote.
    """
    done = subprocess.run(
        [str(argument) for argument in arguments],
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise DeployError(f"`{' '.join(map(str, arguments))}` ended with status {done.returncode}:\n{tail}")
    return done.stdout + done.stderr if errors_too else done.stdout


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine: its command, and the environment for building and for running.

    The two differ for a private engine, whose builds see files that must not get into the image.
    """

    binary: str
    run_environment: Mapping[str, str] = field(default_factory=dict)
    build_environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, errors_too: bool = False) -> str:
        """Run one command of the engine and return its output."""
        return command(self.binary, *arguments, environment=self.run_environment, errors_too=errors_too)

    def succeeds(self, *arguments: str) -> bool:
        """Tell whether one command of the engine ends with status 0."""
        try:
            self(*arguments)
        except DeployError:
            return False
        return True


def find_engine() -> Engine | None:
    """Return docker or podman where it runs and has, or can fetch, the base image."""
    for binary in ("docker", "podman"):
        if shutil.which(binary) is None:
            continue
        engine = Engine(binary)
        if not engine.succeeds("info"):
            say(f"{binary} is installed, but no engine answers it")
        elif engine.succeeds("image", "inspect", BASE_IMAGE) or engine.succeeds("pull", BASE_IMAGE):
            return engine
        else:
            say(f"{binary} runs, but cannot pull {BASE_IMAGE}")
    return None


def why_no_private_engine() -> str | None:
    """Return the reason why this machine cannot make an engine of its own, or None where it can."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("apt-get") is None:
        return "no apt-get"
    return None


def why_no_container() -> str | None:
    """Return the reason why no container can be built and run here, or None where one can."""
    reason = why_no_private_engine()
    if reason is None or find_engine() is not None:
        return None
    return no_container(reason)


def no_container(reason: str) -> str:
    """Say that no container can run, and why none could be helped to."""
    return f"neither docker nor podman works here, and none can be installed ({reason})"
