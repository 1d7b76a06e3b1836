"""Whatever engine runs: the logits of transformers, whoever shares the batch; failures are sentences."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertForSequenceClassification

from runtime import backends
from runtime.backends import (
    BACKENDS,
    Backend,
    BackendOptions,
    Engine,
    check_engine,
    check_precision,
    load_backend,
)
from runtime.errors import BackendError, EngineError
from runtime.probes import softmax
from runtime.tokenizer import Batch, Encoding, pad
from train.exporters import EXPORTERS

VOCAB_SIZE, POSITIONS = 97, 48
SERVED = [(name, precision) for name, engine in BACKENDS.items() for precision in engine.precisions]
NEAR = {"fp32": 2e-5, "bf16": 2e-2, "int8": 0.15}
"""How far a probability may be from the reference's: this model's weights are wide."""


def encodings(lengths: list[int], seed: int) -> list[Encoding]:
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, VOCAB_SIZE, length).tolist() for length in lengths]
    return [Encoding(ids, [i % 2 for i in ids], truncated=False) for ids in rows]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BertForSequenceClassification]:
    directory = tmp_path_factory.mktemp("reference")
    config = BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=96,
        max_position_embeddings=POSITIONS,
        num_labels=4,
        initializer_range=0.15,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = BertForSequenceClassification(config).eval()
    model.save_pretrained(directory)
    return directory, model


@pytest.fixture(scope="module", params=SERVED, ids=" ".join)
def served(
    request: pytest.FixtureRequest,
    reference: tuple[Path, BertForSequenceClassification],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Backend]:
    name, precision = request.param
    directory = tmp_path_factory.mktemp("served")
    reference[1].save_pretrained(directory)
    EXPORTERS[name](directory, precision, encodings([5, 12, 20, 31, 40] * 8, seed=5))
    return precision, load_backend(name, directory, BackendOptions(precision=precision, threads=1))


@given(lengths=st.lists(st.integers(2, POSITIONS), min_size=1, max_size=9), seed=st.integers(0, 1_000))
@settings(max_examples=25)
def test_logits_are_those_of_transformers(
    served: tuple[str, Backend],
    reference: tuple[Path, BertForSequenceClassification],
    lengths: list[int],
    seed: int,
) -> None:
    precision, backend = served
    batch = pad(encodings(lengths, seed), 0)
    found = backend.logits(batch)
    assert found.dtype == np.float32
    assert found.shape == (len(lengths), 4)
    with torch.no_grad():
        expected = reference[1](**{name: torch.from_numpy(getattr(batch, name)) for name in Batch.__slots__})
    np.testing.assert_allclose(softmax(found), softmax(expected.logits.numpy()), atol=NEAR[precision])


@given(
    length=st.integers(2, POSITIONS),
    others=st.lists(st.integers(2, POSITIONS), min_size=1, max_size=8),
    place=st.integers(0, 8),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=25)
def test_neighbours_do_not_change_a_text(
    served: tuple[str, Backend], length: int, others: list[int], place: int, seed: int
) -> None:
    precision, backend = served
    [text] = encodings([length], seed)
    company = encodings(others, seed + 1)
    place = min(place, len(company))
    together = backend.logits(pad([*company[:place], text, *company[place:]], 0))[place]
    alone = backend.logits(pad([text], 0))[0]
    allowed = 1e-5 if precision == "fp32" else 1e-2
    np.testing.assert_allclose(softmax(together[None]), softmax(alone[None]), atol=allowed)


def test_a_result_is_not_overwritten_by_the_next(served: tuple[str, Backend]) -> None:
    first, second = (pad(encodings([length], seed=length), 0) for length in (9, 17))
    kept = served[1].logits(first)
    copied = kept.copy()
    assert not np.array_equal(served[1].logits(second), copied)
    np.testing.assert_array_equal(kept, copied)


def test_a_text_longer_than_the_positions_is_refused(served: tuple[str, Backend]) -> None:
    with pytest.raises(EngineError, match=f"{POSITIONS + 1} tokens"):
        served[1].logits(pad(encodings([POSITIONS + 1], seed=1), 0))


def test_an_id_beyond_the_vocabulary_is_refused(served: tuple[str, Backend]) -> None:
    with pytest.raises(EngineError, match=str(VOCAB_SIZE)):
        served[1].logits(pad([Encoding([VOCAB_SIZE], [0], truncated=False)], 0))


def test_what_computes_is_told(served: tuple[str, Backend]) -> None:
    assert served[1].compute.split(" ")[0] in {served[0], "fp32"}
    assert "on cpu, 1 threads" in served[1].compute


@pytest.mark.parametrize("name", BACKENDS)
def test_an_entry_names_a_class_with_the_one_method(name: str) -> None:
    module, class_name = BACKENDS[name].factory.split(":")
    backend: Any = getattr(importlib.import_module(module), class_name)
    assert list(inspect.signature(backend.logits).parameters) == ["self", "batch"]


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="did you mean 'torch'"):
        load_backend("pytorch", tmp_path, BackendOptions(precision="fp32"))


def test_a_precision_that_the_engine_does_not_run_names_one_that_does() -> None:
    with pytest.raises(BackendError, match="does not run 'int8', only fp32, bf16; 'int8' runs on openvino"):
        check_precision("torch", "int8")
    with pytest.raises(BackendError, match="'int4' runs on none"):
        check_precision("torch", "int4")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "npu"])
def test_a_device_that_the_engine_does_not_know_names_one_that_does(tmp_path: Path, device: str) -> None:
    options = BackendOptions(precision="fp32", device=device)
    with pytest.raises(
        BackendError, match=f"{device!r} cannot run a model of backend 'openvino'; give auto or cpu"
    ):
        load_backend("openvino", tmp_path, options)


def test_another_backend_for_the_device_is_named() -> None:
    with pytest.raises(BackendError, match="or export the model for torch"):
        check_engine("openvino", "int8", "cuda:0")
    check_engine("torch", "bf16", "cuda:0")
    check_engine("openvino", "int8", "auto")


def test_a_missing_library_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        backends.BACKENDS, "absent", Engine("no_such_engine:Engine", "no_such_engine", ("cpu",), ("fp32",))
    )
    with pytest.raises(BackendError, match="pip install no_such_engine"):
        load_backend("absent", tmp_path, BackendOptions(precision="fp32"))
