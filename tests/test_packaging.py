"""What is installed, what is packed into a bento, and that the lists of packages agree with each other."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy import requirements
from deploy.engine import BASE_IMAGE
from runtime.manifest import MANIFEST_NAME

ROOT = Path(__file__).resolve().parents[1]
TINY_TAG = "bert-classifier:tiny"
PINS = requirements.pins()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]
# An extra may name others of the project's own extras.
DEPENDENCIES = [requirement for requirement in REQUIREMENTS if requirement.name != PROJECT["name"]]
# Imported by name, installed as a part of another package, at exactly the version that this one asks for.
PART_OF = {"pydantic-core": "pydantic", "greenlet": "gevent", "gevent": "locust"}


def tree_of(directory: Path) -> set[str]:
    """Return the files below a directory, without what Python or a test has cached."""
    files = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(directory).as_posix() for path in files}


def build(home: Path, model: str) -> subprocess.CompletedProcess[str]:
    """Run the real `bentoml build` on a model of a store."""
    environment = {**os.environ, "BENTOML_HOME": str(home), "CLASSIFIER_MODEL": model}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def copy_for(engine: str, store: Path, home: Path) -> Path:
    """Copy a store's tiny model into another, where its manifest names this engine; return the manifest."""
    shutil.copytree(store / "models", home / "models")
    path = home / "models" / TINY_TAG.replace(":", "/") / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "backend": engine}))
    return path


@pytest.fixture(scope="session", params=requirements.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return the engine of the packed model."""
    return str(request.param)


@pytest.fixture(scope="session")
def bento(engine: str, tiny_model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bento that was built by the real command of a model for this engine."""
    home = tmp_path_factory.mktemp("home")
    copy_for(engine, tiny_model_store, home)
    done = build(home, TINY_TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    name, version = done.stdout.split("__tag__:")[1].strip().split(":")
    return home / "bentos" / name / version


def test_a_bento_holds_the_service_and_the_runtime_and_nothing_else(bento: Path) -> None:
    expected = {"bentofile.yaml", "service.py"} | {f"runtime/{name}" for name in tree_of(ROOT / "runtime")}
    assert tree_of(bento / "src") == expected
    assert len(expected) > 20


def test_a_bento_is_packed_without_caches_models_or_data(bento: Path) -> None:
    names = [path.name for path in bento.rglob("*")]
    assert len(names) > 30
    assert "__pycache__" not in names
    assert {Path(name).suffix for name in names} <= {
        "",
        ".py",
        ".yaml",
        ".md",
        ".json",
        ".txt",
        ".in",
        ".sh",
        ".html",
    }
    assert sum(path.stat().st_size for path in bento.rglob("*") if path.is_file()) < 1_000_000


def test_the_service_imports_from_a_bento_alone(bento: Path) -> None:
    code = (
        "import service, sys; print(service.__file__, *(m for m in ('train', 'deploy') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=bento / "src", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(bento / "src" / "service.py")]


def test_a_bento_names_the_model_that_it_was_built_with(bento: Path) -> None:
    described = yaml.safe_load((bento / "bento.yaml").read_text())
    models = [model["tag"] for service in described["services"] for model in service["models"]]
    assert models == [TINY_TAG]
    assert described["labels"]["task"] == "text-classification"


def test_the_image_starts_small_and_installs_no_compiler(bento: Path) -> None:
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert f"FROM {BASE_IMAGE} " in dockerfile
    assert "apt-get" not in dockerfile
    assert "build-essential" not in dockerfile


def test_the_image_gets_the_cpu_build_of_torch_unless_told_otherwise(bento: Path) -> None:
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert "ARG UV_TORCH_BACKEND=cpu\nENV UV_TORCH_BACKEND=$UV_TORCH_BACKEND" in dockerfile
    assert dockerfile.index("UV_TORCH_BACKEND") < dockerfile.index("install-engine.sh")


def pinned_in(path: Path) -> dict[str, str]:
    """Return the packages and versions of a list."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {line.partition("==")[0]: line.partition("==")[2] for line in lines}


def test_the_image_installs_the_pinned_packages_and_the_engine_of_the_model(bento: Path, engine: str) -> None:
    assert pinned_in(bento / "env/python/requirements.txt") == pinned_in(ROOT / "deploy/requirements.txt")
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert f"\nRUN sh ./env/docker/install-engine.sh {engine}\n" in dockerfile
    assert dockerfile.index("pip install -r") < dockerfile.index("install-engine.sh")
    for name in ("install-engine.sh", f"requirements-{engine}.txt"):
        assert (bento / "env/docker" / name).read_text() == (ROOT / "deploy" / name).read_text()


def test_the_image_has_no_other_engine(bento: Path, engine: str) -> None:
    lists = {path.name for path in bento.rglob("requirements*.txt")}
    assert lists == {"requirements.txt", f"requirements-{engine}.txt"}
    installed = {name for path in bento.rglob("requirements*.txt") for name in pinned_in(path)}
    assert (
        installed & {"torch", "safetensors", "openvino"}
        == {
            "torch": {"torch", "safetensors"},
            "openvino": {"openvino"},
        }[engine]
    )


def test_every_file_of_a_model_gets_into_the_image(bento: Path) -> None:
    assert (bento / ".dockerignore").read_text() == ""


def test_a_file_that_the_manifest_does_not_list_stays_out_of_the_image(
    tiny_model_store: Path, tmp_path: Path
) -> None:
    path = copy_for("openvino", tiny_model_store, tmp_path)
    manifest = json.loads(path.read_text())
    del manifest["files"]["model.safetensors"]
    path.write_text(json.dumps(manifest))
    done = build(tmp_path, TINY_TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    (ignored,) = tmp_path.glob("bentos/*/*/.dockerignore")
    assert ignored.read_text() == "models/bert-classifier/tiny/model.safetensors\n"


def test_the_image_of_an_encrypted_model_gets_what_opens_it(tiny_model_store: Path, tmp_path: Path) -> None:
    path = copy_for("openvino", tiny_model_store, tmp_path)
    manifest = json.loads(path.read_text())
    manifest["files"]["probes.jsonl.enc"] = manifest["files"].pop("probes.jsonl")
    path.write_text(json.dumps({**manifest, "seal": "0"}))
    done = build(tmp_path, TINY_TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("bentos/*/*/env/docker/Dockerfile")
    dockerfile, bento = path.read_text(), path.parents[2]
    for extra in ("openvino", "encryption"):
        assert f"\nRUN sh ./env/docker/install-engine.sh {extra}\n" in dockerfile
    lists = {path.name for path in bento.rglob("requirements*.txt")}
    assert lists == {"requirements.txt", "requirements-openvino.txt", "requirements-encryption.txt"}


def test_a_model_for_an_engine_without_a_list_is_not_packed(tiny_model_store: Path, tmp_path: Path) -> None:
    copy_for("tensorrt", tiny_model_store, tmp_path)
    done = build(tmp_path, TINY_TAG)
    assert done.returncode != 0
    assert f"{TINY_TAG} wants the engine 'tensorrt', for which there is no " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("extra", requirements.LISTS, ids=str)
def test_the_pins_of_the_image_are_those_of_the_constraints(extra: str | None) -> None:
    path = requirements.list_of(extra)
    assert path.read_text() == requirements.render(extra), "run `python -m deploy.requirements`"
    names = set(pinned_in(path))
    assert (
        names & {"transformers", "datasets", "accelerate", "scikit-learn", "locust", "nncf", "triton"}
        == set()
    )


@pytest.mark.parametrize("requirement", DEPENDENCIES, ids=lambda requirement: requirement.name)
def test_a_dependency_has_both_bounds_and_a_pin_between_them(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators in ({">=", "<"}, {"=="})
    assert Version(PINS[canonicalize_name(requirement.name)]) in requirement.specifier


def test_what_is_installed_is_what_is_pinned() -> None:
    installed = {canonicalize_name(found.name): Version(found.version) for found in metadata.distributions()}
    both = sorted(installed.keys() & PINS.keys())
    assert len(both) > 100
    different = {
        name: (str(installed[name]), PINS[name]) for name in both if installed[name].public != PINS[name]
    }
    assert different == {}


def imported_libraries() -> dict[str, str]:
    """Return each package that our code imports from elsewhere, with a file that does."""
    found = {}
    ours = {
        "runtime",
        "train",
        "loadtests",
        "benchmarks",
        "deploy",
        "service",
        "quickstart",
        "tests",
        "conftest",
    }
    for folder in (ROOT, *(ROOT / name for name in ours)):
        pattern = "*.py" if folder == ROOT else "**/*.py"
        for path in folder.glob(pattern):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                else:
                    continue
                found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return {name: path for name, path in found.items() if name not in ours | sys.stdlib_module_names}


def test_every_imported_library_is_a_declared_dependency() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in DEPENDENCIES}
    distributions = metadata.packages_distributions()
    libraries = imported_libraries()
    assert len(libraries) > 20
    undeclared = {}
    for library, path in libraries.items():
        sources = {canonicalize_name(name) for name in distributions.get(library, [library])}
        if not {PART_OF.get(source, source) for source in sources} & declared:
            undeclared[library] = path
    assert undeclared == {}


# A package index, a mirror or an image registry in a tracked file would tie the project to one place.
REGISTRY = re.compile(
    r"//[\w.-]*(?:pypi|pythonhosted|anaconda|npmjs|registry|mirror|npm)[\w.-]*"
    r"|\b(?:download|files|index|mirrors?|registry|deb)\.[a-z]+\.(?:org|com|io|net)\b"
    r"|\b(?:docker|quay|ghcr|gcr)\.io/"
)


def tracked_files() -> list[Path]:
    """Return the files that git knows or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so it is unknown which files belong to the project")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_registry() -> None:
    files = tracked_files()
    assert len(files) > 100
    found = {path.relative_to(ROOT): REGISTRY.findall(path.read_text(errors="replace")) for path in files}
    assert {path: hosts for path, hosts in found.items() if hosts} == {}


@pytest.mark.parametrize(
    "host", ["https:/{}/pypi.org/simple", "files{}.pythonhosted.org", "gh{}cr.io/x", "doc{}ker.io/a"]
)
def test_a_registry_is_seen(host: str) -> None:
    # Taken apart, or this file would be found itself.
    assert REGISTRY.search(f"index-url = {host.format('')}")
