"""Speed of masked language modelling: `pretrain`'s steps, a plain autocast loop, and the ceiling, in turn.

All train the same shape on the same batches, in bf16 with the same optimizer. The share of the ceiling counts
the operations of the matrix products alone, forwards and backwards.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks import ceiling, machine, options, record
from benchmarks.isolated import isolated
from benchmarks.model import SHAPES
from benchmarks.spread import Spread, ratios, rotated
from loadtests.table import table

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import BertForMaskedLM

    from train.data.masking import MaskedBatches

PACKAGES = ("torch", "transformers")
SHAPE = "mini"
HEADER = ("loop", "tokens/s", "TFLOP/s", "share of the ceiling", "over autocast")
VOCABULARY = 8000
_TOKENS = 400_000
_STEPS_WARM = 2
_ROW = 512
_BAG_OF_WORDS = 0.3


@dataclass(frozen=True, slots=True)
class Task:
    """What a process of its own measures."""

    loop: str
    shape: str
    precision: str
    batch_tokens: int
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Medians of a loop's steps."""

    tokens_per_second: float
    tflops: float


def _ours(model: BertForMaskedLM, batches: MaskedBatches, task: Task) -> Callable[[int], int]:
    import torch

    from train.half_precision import prepare
    from train.language_model import bag_of_words_loss, guess, loss_and_hits

    dtype = torch.bfloat16 if task.precision == "bf16" else torch.float32
    prepare(model, torch.device("cpu"))
    optimizer = _optimizer(model)

    def step(index: int) -> int:
        batch = batches[index]
        logits, row_logits = guess(model, batch, dtype)
        loss, _ = loss_and_hits(logits, batch["targets"])
        loss = loss + _BAG_OF_WORDS * bag_of_words_loss(row_logits, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return batch["input_ids"].numel()

    return step


def _autocast(model: BertForMaskedLM, batches: MaskedBatches, task: Task) -> Callable[[int], int]:
    """Train as examples do: labels of -100 where nothing is hidden, the head over all tokens, autocast."""
    import torch

    optimizer = _optimizer(model)

    def step(index: int) -> int:
        batch = batches[index]
        labels = torch.full_like(batch["input_ids"], -100)
        labels.view(-1)[batch["places"]] = batch["targets"]
        with torch.autocast("cpu", torch.bfloat16, enabled=task.precision == "bf16"):
            loss = model(input_ids=batch["input_ids"], labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return batch["input_ids"].numel()

    return step


LOOPS = {"pretrain": _ours, "autocast": _autocast}
"""Name → what makes its step, a function of the number of the batch that returns its tokens."""


def main(argv: Sequence[str]) -> int:
    """Measure loops and ceiling in turn, print the table, write the JSON."""
    parser = options.parser("pretraining", __doc__, seconds=20.0)
    parser.add_argument("--batch-tokens", type=options.positive, default=4096, help="default: %(default)s")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="default: %(default)s")
    parser.set_defaults(shape=SHAPE)
    chosen = options.finish(parser, argv)
    host = machine.describe(PACKAGES)
    rounds = []
    for number in range(chosen.rounds):
        found = {"ceiling": ceiling.run_round(number, chosen)[_ceiling(chosen.precision)].tflops}
        rates = {}
        for loop in rotated(list(LOOPS), number):
            task = Task(
                loop, chosen.shape, chosen.precision, chosen.batch_tokens, chosen.threads, chosen.seconds
            )
            rates[loop] = isolated(measure, task)
            print(f"round {number + 1}: {loop}", file=sys.stderr, flush=True)
        rounds.append((found["ceiling"], rates))
    print(f"{host}\nBERT-{chosen.shape}, {chosen.batch_tokens:,} tokens a step, {chosen.threads} threads\n")
    print(table(HEADER, rows(rounds)))
    print(f"\nceiling: {Spread.of(top for top, _ in rounds).cell(3)} TFLOP/s")
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": options.plain(chosen),
        "rounds": [
            {"ceiling_tflops": top, **{loop: asdict(rate) for loop, rate in rates.items()}}
            for top, rates in rounds
        ],
    }
    print(f"\n{record.write('pretraining', content, chosen.results)}")
    return 0


def measure(task: Task) -> Rate:
    """Train on one batch after another in this process for some seconds."""
    import numpy as np
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from train.config import PretrainSection
    from train.data.masking import MaskedBatches, SpecialIds
    from train.data.tokens import TokenStream
    from train.language_model import operations_per_token

    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **{name: value for name, value in SHAPES[task.shape].items() if name != "initializer_range"},
    )
    generator = np.random.default_rng(0)
    ids = generator.integers(5, VOCABULARY, _TOKENS).astype(np.uint16)
    stream = TokenStream(ids, generator.random(_TOKENS) < 0.6)
    special = SpecialIds(begin=2, separator=3, mask=4, vocabulary=VOCABULARY)
    settings = PretrainSection(batch_tokens=task.batch_tokens, max_length=_ROW, epochs=50.0, seed=1)
    batches = MaskedBatches(stream, special, settings)
    step = LOOPS[task.loop](BertForMaskedLM(config), batches, task)
    rates, lengths = [], []
    until = float("inf")
    for index in range(len(batches)):
        started = time.perf_counter()
        tokens = step(index)
        ended = time.perf_counter()
        if index == _STEPS_WARM:
            until = ended + task.seconds
        if index > _STEPS_WARM:
            rates.append(tokens / (ended - started))
            lengths.append(batches[index]["input_ids"].shape[1])
        if ended > until:
            break
    rate = statistics.median(rates)
    operations = operations_per_token(config, statistics.mean(lengths), settings.masked)
    return Rate(rate, rate * operations / 1e12)


def rows(rounds: Sequence[tuple[float, dict[str, Rate]]]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`; shares and ratios are taken within rounds."""
    tops = [top for top, _ in rounds]
    plain = [rates["autocast"].tokens_per_second for _, rates in rounds]
    return [
        (
            loop,
            Spread.of(rates[loop].tokens_per_second for _, rates in rounds).cell(),
            Spread.of(rates[loop].tflops for _, rates in rounds).cell(3),
            ratios([rates[loop].tflops for _, rates in rounds], tops).cell(2),
            ratios([rates[loop].tokens_per_second for _, rates in rounds], plain).cell(2),
        )
        for loop in LOOPS
    ]


def _ceiling(precision: str) -> str:
    return {"bf16": ceiling.BF16, "fp32": "fp32, prepacked"}[precision]


def _optimizer(model: BertForMaskedLM) -> Optimizer:
    from train.optimizer import MuonAndAdamW

    return MuonAndAdamW(model, matrix_rate=1e-3, other_rate=1e-3, weight_decay=0.01)
