"""The architecture as rules that are executed: who imports whom, how long files are, what their names are."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BODIES = ("runtime", "train", "loadtests", "benchmarks", "deploy")
SCRIPTS = ("service.py", "quickstart.py")
SOURCES = sorted(
    [ROOT / name for name in SCRIPTS if (ROOT / name).exists()]
    + [path for body in BODIES for path in (ROOT / body).rglob("*.py")]
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OURS = {*BODIES, "service", "quickstart", "tests"}

ANY = ("*",)
HTTP = (
    "pydantic",
    "pydantic_core",
    "pydantic_settings",
    "prometheus_client",
    "starlette",
    "typing_extensions",
)


@dataclass(frozen=True)
class Rule:
    """What files may import: modules of ours and libraries, by prefix; `never` is stronger than both."""

    ours: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def allows(self, module: str) -> bool:
        """Tell whether a module may be imported; the standard library always may."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return True
        if _below(module, self.never):
            return False
        return _below(module, self.ours) if top in OURS else self.libraries == ANY or top in self.libraries


# The first prefix that fits a file's path decides.
RULES = {
    "service.py": Rule(("runtime",), ("bentoml", "pydantic", "starlette")),
    "quickstart.py": Rule(("loadtests.server", "train"), ANY, never=("torch", "transformers", "bentoml")),
    "runtime/errors.py": Rule(),
    "runtime/api/": Rule(
        ("runtime.api", "runtime.cpus", "runtime.errors", "runtime.isolation", "runtime.logs"), HTTP
    ),
    "runtime/backends/torch": Rule(
        ("runtime.backends", "runtime.tokenizer", "runtime.errors", "runtime.files"),
        ("numpy", "pydantic", "safetensors", "torch"),
    ),
    "runtime/backends/openvino.py": Rule(
        ("runtime.backends", "runtime.tokenizer", "runtime.errors", "runtime.files"), ("numpy", "openvino")
    ),
    "runtime/backends/": Rule(("runtime.backends", "runtime.tokenizer", "runtime.errors"), ("numpy",)),
    "runtime/scheduler.py": Rule(),
    "runtime/pipeline.py": Rule(("runtime.scheduler", "runtime.errors", "runtime.isolation", "runtime.logs")),
    "runtime/dispatcher.py": Rule(
        (
            "runtime.pipeline",
            "runtime.scheduler",
            "runtime.errors",
            "runtime.isolation",
            "runtime.api.connection",
            "runtime.api.deadline",
        ),
        ("bentoml", "_bentoml_impl", "starlette"),
    ),
    "runtime/envelope.py": Rule(("runtime.errors", "runtime.keys"), ("cryptography",)),
    "runtime/": Rule(("runtime",), ("numpy", "pydantic", "tokenizers"), never=("runtime.api",)),
    "train/save.py": Rule(("train", "runtime"), ANY, never=("runtime.api",)),
    "train/": Rule(("train", "runtime"), ANY, never=("runtime.api", "bentoml")),
    "loadtests/": Rule(("loadtests",), ANY, never=("bentoml", "torch", "transformers")),
    "benchmarks/": Rule(("benchmarks", "loadtests", "runtime", "train"), ANY, never=("runtime.api",)),
    "deploy/": Rule(("deploy",), ("packaging",)),
}


def _below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def name_of(path: Path) -> str:
    """Return a path as it is read: from the root, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def prefix_for(name: str) -> str:
    """Return the key of the rule that decides for a file."""
    return next(prefix for prefix in RULES if name.startswith(prefix))


def imported(tree: ast.AST) -> set[str]:
    """Return every module that some line imports, at import or later; a relative import starts with a dot."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from runtime import api` imports a module as much as `import runtime.api` does.
            packages = {f"{module}.{alias.name}" for alias in node.names} if module in OURS else set()
            found |= packages or {module}
    return found


def forbidden(name: str, source: str) -> set[str]:
    """Return the imports of a file that its rule does not allow."""
    rule = RULES[prefix_for(name)]
    return {module for module in imported(ast.parse(source)) if not rule.allows(module)}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_imports_only_what_its_rule_allows(path: Path) -> None:
    assert forbidden(name_of(path), path.read_text()) == set()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("service.py", "import torch"),
        ("service.py", "from train.config import Recipe"),
        ("runtime/errors.py", "import runtime.manifest"),
        ("runtime/api/pages.py", "from runtime.classifier import Classifier"),
        ("runtime/api/pages.py", "from runtime import classifier"),
        ("runtime/classifier.py", "def load():\n    import torch"),
        ("runtime/tokenizer.py", "from transformers import AutoTokenizer"),
        ("runtime/manifest.py", "import train.config"),
        ("runtime/backends/openvino.py", "import torch"),
        ("runtime/normalize.py", "from . import errors"),
        ("runtime/classifier.py", "import bentoml"),
        ("runtime/pipeline.py", "import bentoml"),
        ("runtime/scheduler.py", "from runtime.errors import InputError"),
        ("train/evaluate.py", "import bentoml"),
        ("train/save.py", "from runtime.api.settings import Settings"),
        ("loadtests/corpus.py", "from train.data import sample"),
        ("deploy/image.py", "import service"),
    ],
)
def test_a_forbidden_import_is_seen(name: str, source: str) -> None:
    assert len(forbidden(name, source)) == 1


def test_every_rule_decides_for_some_file() -> None:
    decided = {prefix_for(name_of(path)) for path in SOURCES}
    assert set(RULES) - decided == set()
    assert len(SOURCES) > 60


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("service", {"torch", "transformers", "datasets", "train"}),
        ("runtime.classifier", {"torch", "transformers", "bentoml", "starlette", "train"}),
        ("train.__main__", {"torch", "transformers", "datasets", "bentoml"}),
        ("loadtests.locustfile", {"torch", "transformers", "bentoml", "runtime", "train"}),
    ],
)
def test_importing_a_module_loads_nothing_heavy(module: str, never: set[str]) -> None:
    code = f"import sys, {module}; print(*(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert module.partition(".")[0] in loaded
    assert loaded & never == set()


def work_at_import(source: str) -> list[str]:
    """Return the expressions outside functions that read the environment, set up logging or use an engine."""
    found = []
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}:
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("logging.basic", "torch.")):
            found.append(ast.unparse(node))
        waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if name_of(path).startswith(("runtime/", "train/"))], ids=name_of
)
def test_no_work_is_done_at_import(path: Path) -> None:
    assert work_at_import(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nHOME = os.environ['HOME']",
        "class A:\n    b = os.getenv('B')",
        "logging.basicConfig()",
        "DEVICE = torch.device('cpu')",
    ],
)
def test_work_at_import_is_seen(source: str) -> None:
    assert len(work_at_import(source)) == 1


def lines_of(path: Path) -> int:
    """Return the number of lines of a file."""
    return len(path.read_text().splitlines())


def test_files_are_short() -> None:
    lengths = {name_of(path): lines_of(path) for path in SOURCES + TESTS}
    assert len(lengths) > 100
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
    assert statistics.median(lengths.values()) <= 150


def long_functions(source: str) -> dict[str, int]:
    """Return the functions of more than 45 lines, their docstrings not counted."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            if lines > 45:
                found[node.name] = lines
    return found


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    assert long_functions(path.read_text()) == {}


def test_a_long_function_is_seen() -> None:
    assert long_functions("def f():\n    '''Doc.'''\n" + "    x = 1\n" * 46) == {"f": 46}


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "base", "manager", "handler", "misc", "core"}
    names = [part.removesuffix(".py") for path in SOURCES for part in path.relative_to(ROOT).parts]
    assert len(names) > 100
    assert vague.intersection(names) == set()


def mirror_of(path: Path) -> Path:
    """Return a module's test file: `runtime/backends/torch.py` → `tests/runtime/backends/test_torch.py`."""
    relative = path.relative_to(ROOT)
    stem = relative.parent.name if path.name == "__init__.py" else relative.stem.strip("_")
    return ROOT / "tests" / relative.parent / f"test_{stem}.py"


def has_code(path: Path) -> bool:
    """Tell whether a module computes anything; tables and records cannot be wrong by themselves."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(node, kinds) for node in ast.walk(ast.parse(path.read_text())))


MIRRORED = [
    path
    for path in SOURCES
    if name_of(path).startswith(("runtime/", "train/", "deploy/", *SCRIPTS)) and has_code(path)
]


@pytest.mark.parametrize("path", MIRRORED, ids=name_of)
def test_a_module_has_its_test_file(path: Path) -> None:
    mirror = mirror_of(path)
    assert mirror.is_file(), f"{name_of(mirror)} is missing"
    assert "def test_" in mirror.read_text()


def test_enough_modules_are_mirrored() -> None:
    assert len(MIRRORED) > 45


def test_tests_are_no_packages() -> None:
    assert [name_of(path) for path in TESTS if path.name == "__init__.py"] == []
