"""What is installed, what is packed into a bento, and that the lists of packages agree with each other."""

from __future__ import annotations

import ast
import os
import re
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

ROOT = Path(__file__).resolve().parents[1]
PINS = requirements.pins()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]
# Imported by name, installed as a part of another package, at exactly the version that this one asks for.
PART_OF = {"pydantic-core": "pydantic", "greenlet": "gevent", "gevent": "locust"}


def tree_of(directory: Path) -> set[str]:
    """Return the files below a directory, without what Python or a test has cached."""
    files = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(directory).as_posix() for path in files}


@pytest.fixture(scope="session")
def bento(tiny_model_store: Path) -> Path:
    """Return the folder of a bento that was built by the real command."""
    environment = {**os.environ, "BENTOML_HOME": str(tiny_model_store)}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, version = done.stdout.split("__tag__:")[1].strip().split(":")
    return tiny_model_store / "bentos" / name / version


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
    assert models == ["bert-classifier:tiny"]
    assert described["labels"]["task"] == "text-classification"


def test_the_image_starts_small_and_installs_no_compiler(bento: Path) -> None:
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert f"FROM {BASE_IMAGE} " in dockerfile
    assert "apt-get" not in dockerfile
    assert "build-essential" not in dockerfile


def test_the_image_gets_the_cpu_build_of_torch_unless_told_otherwise(bento: Path) -> None:
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert "ARG UV_TORCH_BACKEND=cpu\nENV UV_TORCH_BACKEND=$UV_TORCH_BACKEND" in dockerfile
    assert dockerfile.index("UV_TORCH_BACKEND") < dockerfile.index("pip install -r")


def test_the_image_installs_the_pinned_serving_packages(bento: Path) -> None:
    installed = set((bento / "env/python/requirements.txt").read_text().split("\n"))
    pinned = set((ROOT / "deploy/requirements.txt").read_text().split("\n"))
    assert {line for line in installed if line} == {line for line in pinned if line}


def test_the_pins_of_the_image_are_those_of_the_constraints() -> None:
    text = (ROOT / "deploy/requirements.txt").read_text()
    assert text == requirements.render(), "run `python -m deploy.requirements > deploy/requirements.txt`"
    names = {line.partition("==")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {"bentoml", "torch", "tokenizers", "safetensors", "uvloop", "httptools"} <= names
    assert (
        names & {"transformers", "datasets", "accelerate", "scikit-learn", "locust", "pytest", "triton"}
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
