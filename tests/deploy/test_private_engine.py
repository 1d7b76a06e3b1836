"""A private engine is configured in one folder, and what its builds see stays out of its runs."""

from __future__ import annotations

import os
import resource
import tomllib
from pathlib import Path

import pytest

from deploy import private_engine
from deploy.engine import DeployError
from deploy.private_engine import (
    CA_BUNDLE,
    adapt_root,
    configure,
    debian_mirror,
    engine_configuration,
    install_tools,
    lowest_limit,
    torch_wheel,
    uv_configuration,
)

MACHINE = os.uname().machine


def wheel(folder: Path, version: str, python: str = "cp311") -> Path:
    """Make an empty file that is named like a wheel of torch."""
    path = folder / f"torch-{version}-{python}-{python}-manylinux_2_28_{MACHINE}.whl"
    path.touch()
    return path


def test_only_builds_see_certificates_and_wheels(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "2.13.0+cpu")
    engine = configure(tmp_path / "work", wheels)
    run = tomllib.loads(Path(engine.run_environment["CONTAINERS_CONF"]).read_text())
    build = tomllib.loads(Path(engine.build_environment["CONTAINERS_CONF"]).read_text())
    assert run["containers"]["volumes"] == []
    assert build["containers"]["volumes"] == [
        f"{CA_BUNDLE}:{CA_BUNDLE}:ro",
        f"{tmp_path}/work/configuration/uv.toml:/etc/uv/uv.toml:ro",
        f"{wheels}:{wheels}:ro",
    ]


def test_a_private_engine_stores_everything_in_its_folder(tmp_path: Path) -> None:
    engine = configure(tmp_path, None)
    storage = tomllib.loads(Path(engine.run_environment["CONTAINERS_STORAGE_CONF"]).read_text())["storage"]
    assert (storage["graphroot"], storage["runroot"]) == (f"{tmp_path}/storage", f"{tmp_path}/run")
    assert Path(engine.run_environment["TMPDIR"]).is_dir()
    assert (
        engine.run_environment["CONTAINERS_STORAGE_CONF"]
        == engine.build_environment["CONTAINERS_STORAGE_CONF"]
    )


def test_the_default_folder_lies_outside_the_cache_that_builds_mount() -> None:
    assert not private_engine.DEFAULT_WORK.is_relative_to("/root/.cache")


def test_limits_never_exceed_what_this_process_may_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 4096))
    assert lowest_limit(resource.RLIMIT_NOFILE, 1_048_576) == 4096
    assert lowest_limit(resource.RLIMIT_NOFILE, 1024) == 1024
    assert '"nofile=4096:4096"' in engine_configuration([])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, resource.RLIM_INFINITY))
    assert lowest_limit(resource.RLIMIT_NOFILE, 1_048_576) == 1_048_576


def test_uv_takes_torch_from_the_wheel_folder(tmp_path: Path) -> None:
    path = wheel(tmp_path, "2.13.0+cpu")
    configuration = tomllib.loads(uv_configuration(tmp_path))
    assert configuration["override-dependencies"] == [f"torch @ {path.as_uri()}"]
    assert "%2B" in configuration["override-dependencies"][0]


def test_without_a_wheel_folder_uv_is_left_alone() -> None:
    assert tomllib.loads(uv_configuration(None)) == {"system-certs": True}


def test_the_newest_fitting_wheel_of_torch_is_taken(tmp_path: Path) -> None:
    wheel(tmp_path, "2.9.1+cpu")
    newest = wheel(tmp_path, "2.13.0+cpu")
    wheel(tmp_path, "2.14.0+cpu", python="cp312")
    assert torch_wheel(tmp_path) == newest


def test_a_folder_without_a_fitting_wheel_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path, "2.14.0+cpu", python="cp312")
    with pytest.raises(DeployError, match="holds no torch wheel for cp311 on Linux"):
        torch_wheel(tmp_path)


def test_what_is_installed_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(private_engine, "command", lambda *arguments, **_: asked.append(arguments))
    monkeypatch.setattr(
        private_engine.shutil, "which", lambda tool: None if tool == "runc" else f"/bin/{tool}"
    )
    monkeypatch.setattr(private_engine, "NETWORK_TOOLS", ())
    install_tools()
    assert asked[-1][-2:] == ("--no-install-recommends", "runc")
    asked.clear()
    monkeypatch.setattr(private_engine.shutil, "which", lambda tool: f"/bin/{tool}")
    install_tools()
    assert asked == []


def test_the_base_image_comes_from_the_mirror_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_engine, "command", lambda *_: "http://a/x trixie\nhttp://b/y bookworm\n")
    assert debian_mirror() == "http://b/y"
    monkeypatch.setattr(private_engine, "command", lambda *_: "http://a/x trixie\n")
    with pytest.raises(DeployError, match="apt knows no mirror of Debian bookworm"):
        debian_mirror()


def test_a_bare_debian_becomes_a_slim_python_image(tmp_path: Path) -> None:
    for name in ("doc", "man", "info", "locale"):
        (tmp_path / "usr/share" / name / "x").mkdir(parents=True)
    for name in ("usr/local/bin", "etc/apt/apt.conf.d", "usr/lib/python3.11"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("var/lib/apt/lists", "var/cache/apt/archives"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "downloaded").touch()
    (tmp_path / "var/cache/apt/pkgcache.bin").touch()
    (tmp_path / "usr/lib/python3.11/EXTERNALLY-MANAGED").touch()
    adapt_root(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {"usr/local/bin/python", "etc/apt/apt.conf.d/docker-clean"}
    assert (tmp_path / "usr/local/bin/python").readlink() == Path("../../bin/python3")
    assert (tmp_path / "var/cache/apt/archives/partial").is_dir()


def test_the_base_image_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setattr(private_engine, "install_tools", lambda: None)
    monkeypatch.setattr(private_engine, "make_base_image", lambda _, work: made.append(work))
    for present, times in ((True, 0), (False, 1)):
        monkeypatch.setattr(private_engine.Engine, "succeeds", lambda *_, present=present: present)
        private_engine.make_private_engine(tmp_path, None)
        assert made == [tmp_path] * times
