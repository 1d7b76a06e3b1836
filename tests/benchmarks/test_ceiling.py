"""The ceiling counts the products of a whole model, and each way to multiply computes a product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import ceiling
from benchmarks.ceiling import WAYS, Found, Task


def test_bert_base_takes_170_million_operations_a_token() -> None:
    assert ceiling.widths("base") == [(768, 2304), (768, 768), (768, 3072), (3072, 768)]
    assert (
        ceiling.flops_per_token("base") == 2 * 12 * (768 * 2304 + 768 * 768 + 2 * 768 * 3072) == 169_869_312
    )


@pytest.mark.parametrize("way", ceiling.ways("cpu"))
def test_a_way_multiplies_what_it_says(way: str) -> None:
    assert WAYS[way](16, 32, 48, "cpu")().shape == (16, 48)  # type: ignore[attr-defined]


@pytest.mark.skipif(ceiling.BF16 not in ceiling.ways("cpu"), reason="PyTorch prepacks for x86 alone")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_prepacked_products_are_those_of_a_plain_layer(precision: str) -> None:
    import torch

    products = {}
    for way in (precision, f"{precision}, prepacked"):
        torch.manual_seed(3)
        products[way] = WAYS[way](16, 32, 48, "cpu")()
    plain, packed = products.values()
    assert torch.allclose(plain.float(), packed.float(), atol=0.1)  # type: ignore[attr-defined]
    assert plain.abs().max() > 1  # type: ignore[attr-defined]


def test_the_best_number_of_tokens_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {256: 1.0, 512: 1.5, 1024: 4.0}
    made: list[int] = []

    def way(tokens: int, *_: object) -> ceiling.Product:
        made.append(tokens)
        return lambda: None

    monkeypatch.setitem(WAYS, "fp32", way)
    monkeypatch.setattr(ceiling, "_seconds", lambda *_: seconds[made[-1]] / 4)
    (found,) = ceiling.measure(Task(["fp32"], "tiny", "cpu", 1, 0)).values()
    assert found.tokens == 512
    assert found.tokens_per_second == pytest.approx(512 / 1.5 / 2)
    assert found.tflops == pytest.approx(found.tokens_per_second * ceiling.flops_per_token("tiny") / 1e12)


def test_a_row_has_medians_and_the_best_number_of_tokens() -> None:
    rounds = [{"bf16": Found(1.0, 100.0, 256)}, {"bf16": Found(3.0, 300.0, 512)}]
    assert ceiling.rows(rounds) == [("bf16", "2.000 (1.000-3.000)", "200 (100-300)", "512")]


def test_prepacking_is_for_x86_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling.platform, "machine", lambda: "AMD64")
    assert ceiling.ways("cpu") == list(WAYS)
    assert ceiling.ways("cuda:0") == ["fp32", "bf16"]
    monkeypatch.setattr(ceiling.platform, "machine", lambda: "aarch64")
    assert ceiling.ways("cpu") == ["fp32", "bf16"]


def test_it_runs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ceiling.main(["--quick", "--seconds", "0", "--threads", "1", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(way in printed for way in ceiling.ways("cpu"))
    (path,) = tmp_path.iterdir()
    (only,) = json.loads(path.read_text(encoding="utf-8"))["rounds"]
    assert set(only) == set(ceiling.ways("cpu"))
