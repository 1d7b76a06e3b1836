"""The commands that apply the remedies of all findings at once; it knows no check.

They repeat the recipe and the overrides that the doctor was given, and are quoted for a shell.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from train.config import Origin, Recipe
from train.data.checks.finding import Finding, overrides_of
from train.protection import key_settings
from train.run import RunDirectory

_OF_TRAINING = "finetune."


def commands(recipe: Recipe, findings: Sequence[Finding]) -> list[str]:
    """Return the commands to run next, in order; none where no command helps.

    Where the files have to be read otherwise, that is `doctor` again, as nothing else that was found counts.
    Else it is `prepare`, with what training needs as a second command, where no error is left to be mended by
    hand. Infos are only worth knowing, so their settings are left out.

    Parameters
    ----------
    recipe : Recipe
        As it was read; one that comes from no file has no commands.
    findings : sequence of Finding
    """
    origin = recipe.origin
    if origin.path is None:
        return []
    wanted = [finding for finding in findings if finding["severity"] != "info"]
    anew = _combined(finding["settings"] for finding in wanted if _is_read_anew(finding))
    if anew:
        return [command("doctor", origin, anew)]
    settings = _combined(finding["settings"] for finding in wanted)
    training = {name: value for name, value in settings.items() if name.startswith(_OF_TRAINING)}
    found, prepared = [], {}
    if any(finding["by_prepare"] for finding in wanted):
        rows = {name: value for name, value in settings.items() if name not in training}
        was_prepared = recipe.data is not None and recipe.data.prepared is not None
        found.append(command("prepare", origin, rows, {"data.prepared": ""} if was_prepared else {}))
        key = dict(setting.split("=", 1) for setting in key_settings(recipe))
        prepared = {"data.prepared": str(RunDirectory.of(recipe).prepared), **key}
    if training and not any(_is_left(finding) for finding in wanted):
        found.append(command("finetune", origin, training, prepared))
    return found


def command(
    name: str, origin: Origin, settings: Mapping[str, Any], paths: Mapping[str, str] | None = None
) -> str:
    """Return a command with the overrides of the user, but for those of the same settings, and with ours."""
    paths = paths or {}
    ours = [*(f"{key}={path}" for key, path in paths.items()), *overrides_of(settings)]
    replaced = {*settings, *paths}
    kept = [override for override in origin.overrides if override.partition("=")[0] not in replaced]
    python = python_name(Path(sys.executable))
    return shlex.join([python, "-m", "train", name, str(origin.path), *kept, *ours])


def python_name(executable: Path) -> str:
    """Return what to type for an interpreter: its path from here where it lies below, else all of it."""
    here = Path.cwd()
    return str(executable.relative_to(here) if executable.is_relative_to(here) else executable)


def _is_read_anew(finding: Finding) -> bool:
    """Tell whether a finding says that the files are to be read otherwise."""
    return not finding["by_prepare"] and any(name.startswith("data.") for name in finding["settings"])


def _is_left(finding: Finding) -> bool:
    """Tell whether training would still fail, or measure falsely, after the commands."""
    return finding["severity"] == "error" and not finding["by_prepare"] and not finding["settings"]


def _combined(settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return settings that do what each of these does: every entry of lists, the greatest of numbers."""
    found: dict[str, Any] = {}
    for one in settings:
        for name, value in one.items():
            before = found.get(name, value)
            if isinstance(value, list):
                found[name] = list(dict.fromkeys([*before, *value]))
            else:
                found[name] = value if isinstance(value, str) else max(before, value)
    return found
