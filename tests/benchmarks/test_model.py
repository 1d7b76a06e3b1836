"""Variants have names that come back, and a model that cannot be made says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS
from benchmarks.model import SHAPES, SaveError, Variant, save_in


@pytest.mark.parametrize("variant", sorted({contender.model for contender in CONTENDERS.values()}), ids=str)
def test_a_name_is_read_as_it_is_written(variant: Variant) -> None:
    assert Variant.parse(str(variant)) == variant
    assert variant.tag == f"bert-classifier:{variant.backend}-{variant.precision}"


@pytest.mark.parametrize("name", ["torch", "torch-fp64", "", "-"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(SaveError, match="write it as torch-bf16"):
        Variant.parse(name)


def test_a_failed_export_is_told(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"(?s)ended with status 1.*int8"):
        save_in(tmp_path, "tiny", [Variant("torch", "int8")])


def test_the_store_holds_every_variant(tmp_path: Path) -> None:
    variants = [Variant("torch", "bf16"), Variant("torch", "fp32")]
    saved = save_in(tmp_path, "tiny", variants)
    assert list(saved) == variants
    sizes = [(path / "model.safetensors").stat().st_size for path in saved.values()]
    assert sizes[0] < 0.6 * sizes[1]


def test_heads_divide_the_width_of_every_shape() -> None:
    assert {name: shape["hidden_size"] % shape["num_attention_heads"] for name, shape in SHAPES.items()} == {
        "tiny": 0,
        "small": 0,
        "mini": 0,
        "base": 0,
    }
