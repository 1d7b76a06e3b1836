from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from runtime.errors import RecipeError
from train.embeddings import (
    Vectors,
    read_vectors,
    start_embeddings,
    start_neighbours,
    start_positions,
)

VOCABULARY = {"[PAD]": 0, "好": 1, "差": 2, "房": 3, "间": 4, "x": 5}


def vectors(width: int) -> Vectors:
    generator = np.random.default_rng(0)
    return {name: generator.normal(3, 2, width).astype(np.float32) for name in "好差房间猫"}


def embeddings(width: int) -> nn.Embedding:
    torch.manual_seed(0)
    found = nn.Embedding(len(VOCABULARY), width)
    nn.init.normal_(found.weight, std=0.02)
    return found


def angles(rows: torch.Tensor) -> torch.Tensor:
    rows = rows / rows.norm(dim=1, keepdim=True)
    return rows @ rows.T


@pytest.mark.parametrize("width", [8, 32])
def test_angles_between_characters_are_those_of_the_vectors(width: int) -> None:
    found, given = embeddings(width), vectors(8)
    assert start_embeddings(found, VOCABULARY, given, 0) == 4
    centred = torch.from_numpy(np.stack([given[name] for name in "好差房间"]))
    torch.testing.assert_close(angles(found.weight[1:5]), angles(centred - centred.mean(dim=0)))


def test_longer_vectors_are_shortened() -> None:
    found = embeddings(8)
    assert start_embeddings(found, VOCABULARY, vectors(32), 0) == 4
    assert found.weight[1:5].isfinite().all()


def test_other_tokens_and_the_spread_stay() -> None:
    found = embeddings(16)
    before = found.weight.detach().clone()
    start_embeddings(found, VOCABULARY, vectors(8), 0)
    assert torch.equal(found.weight[[0, 5]], before[[0, 5]])
    assert not torch.equal(found.weight[1:5], before[1:5])
    assert float(found.weight.detach()[1:5].std()) == pytest.approx(float(before[1:5].std()), rel=1e-4)


def test_the_seed_decides() -> None:
    found = [embeddings(16) for _ in range(3)]
    for one, seed in zip(found, (1, 1, 2), strict=True):
        start_embeddings(one, VOCABULARY, vectors(8), seed)
    assert torch.equal(found[0].weight, found[1].weight)
    assert not torch.equal(found[0].weight, found[2].weight)


def test_characters_of_another_language_change_nothing() -> None:
    found = embeddings(16)
    assert start_embeddings(found, VOCABULARY, {"ß": np.ones(8, dtype=np.float32)}, 0) == 0


def write(folder: Path, names: object, array: str = "embeddings") -> Path:
    np.savez(folder / "vectors.npz", **{array: np.ones((2, 4), dtype=np.float16)})
    (folder / "vocab.json").write_text(json.dumps(names), encoding="utf-8")
    return folder / "vectors.npz"


def test_vectors_are_read_by_the_row_of_their_character(tmp_path: Path) -> None:
    found = read_vectors(write(tmp_path, {"好": 1}))
    assert found["好"].tolist() == [1.0] * 4
    assert found["好"].dtype == np.float32


@pytest.mark.parametrize(
    ("names", "array"),
    [({"好": 2}, "embeddings"), ({"好": "x"}, "embeddings"), (["好"], "embeddings"), ({}, "e")],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, names: object, array: str) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read .*; it takes an npz file with"):
        read_vectors(write(tmp_path, names, array))


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"好": 0})
    np.savez(path, embeddings=np.array([{}], dtype=object))
    with pytest.raises(RecipeError, match=r"cannot be read"):
        read_vectors(path)


@pytest.mark.parametrize("missing", ["vectors.npz", "vocab.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    path = write(tmp_path, {})
    (tmp_path / missing).unlink()
    with pytest.raises(RecipeError, match=f"{missing} does not exist"):
        read_vectors(path)


@pytest.mark.parametrize("width", [16, 17])
def test_positions_start_as_waves_in_which_distance_is_the_same_everywhere(width: int) -> None:
    found = nn.Embedding(200, width)
    turns = start_positions(found, 0.05)
    assert len(turns) == width // 2
    weight = found.weight.detach()[:, : 2 * len(turns)]
    assert float(weight.std()) == pytest.approx(0.05, rel=0.15)
    products = weight @ weight.T
    neighbours = torch.diagonal(products, offset=1)
    assert len(neighbours) == 199
    torch.testing.assert_close(neighbours, neighbours[:1].expand(199), atol=1e-5, rtol=1e-4)
    assert bool((torch.diagonal(products)[1:] > neighbours + 0.01).all())


def test_the_heads_of_a_new_encoder_look_at_their_neighbours() -> None:
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=50,
        hidden_size=320,
        num_hidden_layers=1,
        num_attention_heads=5,
        intermediate_size=16,
        max_position_embeddings=128,
        initializer_range=320**-0.5,
    )
    model = BertForMaskedLM(shape).eval()
    embeddings, attention = model.bert.embeddings, model.bert.encoder.layer[0].attention.self
    before = attention.query.weight.detach().clone()
    turns = start_positions(embeddings.position_embeddings, shape.initializer_range)
    start_neighbours(attention.query, attention.key, 5, turns)
    embeddings.token_type_embeddings.weight.data.zero_()
    ids = torch.randint(5, 50, (3, 100))
    hidden = embeddings(input_ids=ids)
    query, key = (
        part(hidden).view(3, 100, 5, 64).transpose(1, 2) for part in (attention.query, attention.key)
    )
    weights = (query @ key.transpose(-1, -2) / 8).softmax(dim=-1).detach()
    places = torch.arange(2, 98)
    for head, offset in enumerate((-1, 1, -2, 2)):
        assert float(weights[:, head, places, places + offset].mean()) > 0.3
    assert float(weights[:, 4].max()) < 0.3
    assert torch.equal(attention.query.weight[256:], before[256:])
