from __future__ import annotations

from typing import Any

import datasets
import pytest

from runtime.errors import RecipeError
from train.data.formats import read_hub
from train.data.sources import HubDataset

TNEWS = HubDataset("clue/clue", "tnews", "validation")


def test_a_hub_dataset_is_asked_for_by_configuration_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def load(path: str, name: str | None, *, split: str) -> datasets.Dataset:
        asked.append((path, name, split))
        return datasets.Dataset.from_dict({"sentence": ["a", "b"], "label": [1, None]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    table = read_hub(TNEWS)
    assert asked == [("clue/clue", "tnews", "validation")]
    assert table.columns == ["sentence", "label"]
    assert [dict(record.values) for record in table.records] == [
        {"sentence": "a", "label": 1},
        {"sentence": "b", "label": None},
    ]


def test_a_hub_dataset_that_cannot_be_had_is_wrong_usage() -> None:
    with pytest.raises(RecipeError, match="clue/clue/tnews:validation is neither a file here nor") as raised:
        read_hub(TNEWS)
    assert "\n" not in str(raised.value)
