from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from benchmarks import ceiling, pretraining
from benchmarks.ceiling import Found
from benchmarks.pretraining import LOOPS, Rate, Task


def test_loops_train_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is compared between loops that learn the same: in fp32 the same weights come out.

    Muon orthogonalises in bf16 and would make much of the last digits in which gradients differ.
    """
    monkeypatch.setattr(pretraining, "_BAG_OF_WORDS", 0.0)  # a task that other loops do not have
    monkeypatch.setattr(pretraining, "_optimizer", lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    import numpy as np

    from train.config import PretrainSection
    from train.data.masking import MaskedBatches, SpecialIds
    from train.data.tokens import TokenStream

    stream = TokenStream(np.arange(2000, dtype=np.uint16) % 35 + 5, np.ones(2000, dtype=bool))
    special = SpecialIds(begin=2, separator=3, mask=4, vocabulary=40)
    found = []
    for loop in LOOPS.values():
        torch.manual_seed(0)
        shape = BertConfig(
            vocab_size=40,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        model = BertForMaskedLM(shape)
        batches = MaskedBatches(stream, special, PretrainSection(batch_tokens=256, max_length=64, seed=1))
        step = loop(model, batches, Task("x", "mini", "fp32", 256, 1, 0.0))
        assert [step(index) for index in range(2)] == [
            batches[index]["input_ids"].numel() for index in (0, 1)
        ]
        found.append(model.state_dict())
    assert len(found) == 2
    for name, weight in found[0].items():
        torch.testing.assert_close(found[1][name], weight, atol=2e-5, rtol=1e-3, msg=name)


def test_shares_and_ratios_are_taken_within_rounds() -> None:
    rounds = [
        (2.0, {"pretrain": Rate(200.0, 1.0), "autocast": Rate(100.0, 0.5)}),
        (1.0, {"pretrain": Rate(90.0, 0.6), "autocast": Rate(30.0, 0.2)}),
    ]
    (ours, plain) = pretraining.rows(rounds)
    assert ours[0] == "pretrain"
    assert ours[3] == "0.55 (0.50-0.60)"
    assert ours[4] == "2.50 (2.00-3.00)"
    assert plain[4] == "1.00"


def test_the_table_and_the_json_hold_every_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        ceiling, "run_round", lambda number, chosen: {name: Found(2.0, 1.0, 256) for name in ceiling.WAYS}
    )
    monkeypatch.setattr(pretraining, "isolated", lambda function, task: Rate(100.0, 1.0))
    assert pretraining.main(["--rounds", "2", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "pretrain" in printed
    assert "0.50" in printed
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [set(one) for one in content["rounds"]] == [{"ceiling_tflops", *LOOPS}] * 2


def test_a_rate_is_measured() -> None:
    threads = torch.get_num_threads()
    rate = pretraining.measure(Task("pretrain", "mini", "fp32", 512, 1, 0.01))
    torch.set_num_threads(threads)
    assert rate.tokens_per_second > 0
    assert rate.tflops == pytest.approx(rate.tokens_per_second * 35e6 / 1e12, rel=0.2)
