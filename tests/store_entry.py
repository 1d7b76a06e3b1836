"""Entries of a BentoML model store, made without BentoML: by copying a directory and adding its file."""

from __future__ import annotations

from pathlib import Path

_MODEL_YAML = """
name: bert-classifier
version: {version}
module: ""
labels: {{}}
options: {{}}
metadata: {{}}
context: {{framework_name: "", framework_versions: {{}}, bentoml_version: 1.4.39, python_version: 3.11.7}}
signatures: {{}}
api_version: v1
creation_time: "2026-01-01T00:00:00+00:00"
"""


def write_model_yaml(entry: Path) -> None:
    """Write what BentoML knows of an entry of its store, whose folder is called like the version."""
    (entry / "model.yaml").write_text(_MODEL_YAML.format(version=entry.name), encoding="utf-8")
