from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from runtime.errors import RecipeError, UsageError
from train.data.distributed import mapped
from train.data.preparation import PrivacySection
from train.data.privacy import Anonymizer
from train.data.row_steps import RowSteps
from train.data.sections import DataSection
from train.data.stream import read_batches
from train.prepare import run
from train.recipe import read_recipe


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start Ray with two processors, without a dashboard and without telling anybody."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("two_workers")
def test_ray_gives_what_this_process_gives(tmp_path: Path) -> None:
    """Ray takes half a minute to start: the rows and the whole command are compared in one test."""
    steps = RowSteps(
        ("fold_fullwidth",),
        ("one_character", "no_letters"),
        str,
        Anonymizer(PrivacySection(mode="surrogate")),
    )
    batches = list(read_batches(DataSection(train="sample:train"), "train", 500))
    local = pa.concat_tables([steps(batch) for batch in batches])
    assert len(local) == 24_000
    assert pa.concat_tables(list(mapped(steps, batches, batches_at_once=20))).equals(local)

    recipe = tmp_path / "mine.toml"
    recipe.write_text('[data]\ntrain = "sample:dev"\n', encoding="utf-8")
    folders = {
        engine: run(read_recipe(recipe, [f"prepare.engine={engine}", f"run.directory={tmp_path}/{engine}"]))
        for engine in ("local", "ray")
    }
    for name in ("train", "dev", "test", "dropped"):
        written = {(folder / f"{name}.parquet").read_bytes() for folder in folders.values()}
        assert len(written) == 1, name


def test_without_ray_the_sentence_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with pytest.raises(
        RecipeError, match=r'install it with `pip install -e "\.\[ray\]" -c constraints\.txt`'
    ):
        list(mapped(lambda table: table, []))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    given: dict[str, Any] = {}

    def unreachable(**settings: Any) -> None:
        given.update(settings)
        raise ConnectionError("Failed to connect\nto it")

    monkeypatch.setattr(ray, "init", unreachable)
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    with pytest.raises(UsageError, match=r"RAY_ADDRESS=.* is no cluster that.*connect to it") as error:
        list(mapped(lambda table: table, []))
    assert "\n" not in str(error.value)
    assert [Path(name).name for name in given["runtime_env"]["py_modules"]] == ["train", "runtime"]
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(UsageError):
        list(mapped(lambda table: table, []))
    assert given["runtime_env"] is None
    assert given["include_dashboard"] is False
