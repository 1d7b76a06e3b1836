"""The fastest this machine multiplies the matrices of BERT through PyTorch: the most an engine can reach.

On a CPU weights are prepacked for oneDNN, which is faster than a plain linear layer; that stands beside it.
Nothing but products is computed: no attention, no norms, no activations.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks import machine, options, record
from benchmarks.isolated import isolated
from benchmarks.model import SHAPES
from benchmarks.spread import Spread, rotated
from loadtests.table import table

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGES = ("torch", "numpy")
HEADER = ("products", "TFLOP/s", "tokens/s", "tokens at once")
TOKENS = (256, 512, 1024)
GPU_TOKENS = (4096, 16_384, 65_536)
_CALLS = 4
Product = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Found:
    """The best rate of one way to multiply, and with how many tokens it was reached."""

    tflops: float
    tokens_per_second: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Task:
    """What a process of its own measures."""

    ways: Sequence[str]
    shape: str
    device: str
    threads: int
    seconds: float


def widths(shape: str) -> list[tuple[int, int]]:
    """Return inputs and outputs of the four linear layers of a layer: attention in and out, up, down."""
    hidden, inner = SHAPES[shape]["hidden_size"], SHAPES[shape]["intermediate_size"]
    return [(hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)]


def flops_per_token(shape: str) -> int:
    """Return the operations of all linear layers for one token: 170 million for BERT-base."""
    layers: int = SHAPES[shape]["num_hidden_layers"]
    return layers * sum(2 * inputs * outputs for inputs, outputs in widths(shape))


def _plain(precision: str) -> Callable[[int, int, int, str], Product]:
    def make(tokens: int, inputs: int, outputs: int, device: str) -> Product:
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        x, weight, bias = _floats(tokens, inputs, outputs, device, dtype)
        return lambda: torch.nn.functional.linear(x, weight, bias)

    return make


def _prepacked(precision: str) -> Callable[[int, int, int, str], Product]:
    def make(tokens: int, inputs: int, outputs: int, device: str) -> Product:
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        x, weight, bias = _floats(tokens, inputs, outputs, device, dtype)
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, tokens)  # noqa: SLF001 - the only way
        return lambda: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")  # noqa: SLF001

    return make


def _int8(tokens: int, inputs: int, outputs: int, device: str) -> Product:
    """Multiply unsigned activations by signed weights, one scale an output, into bf16: as int8 engines do."""
    import torch

    x = torch.randint(0, 256, (tokens, inputs), dtype=torch.uint8, device=device)
    weight = torch.randint(-127, 128, (outputs, inputs), dtype=torch.int8, device=device)
    packed = torch.ops.onednn.qlinear_prepack(weight, [tokens, inputs])
    scales, zeros, bias = (
        torch.full((outputs,), 0.01),
        torch.zeros(outputs, dtype=torch.int64),
        torch.zeros(outputs),
    )
    return lambda: torch.ops.onednn.qlinear_pointwise(
        x, 0.02, 128, packed, scales, zeros, bias, 1.0, 0, torch.bfloat16, "none", [], ""
    )


BF16, INT8 = "bf16, prepacked", "int8, prepacked"
GPU_BF16 = "bf16"
WAYS: dict[str, Callable[[int, int, int, str], Product]] = {
    "fp32": _plain("fp32"),
    "fp32, prepacked": _prepacked("fp32"),
    GPU_BF16: _plain("bf16"),
    BF16: _prepacked("bf16"),
    INT8: _int8,
}
"""How matrices are multiplied → (tokens, inputs, outputs, device) → the product."""


def ways(device: str) -> list[str]:
    """Return what can be measured on a device: PyTorch prepacks for x86 processors alone."""
    has_prepacking = device == "cpu" and platform.machine().lower() in {"x86_64", "amd64"}
    return list(WAYS) if has_prepacking else ["fp32", GPU_BF16]


def measure(task: Task) -> dict[str, Found]:
    """Measure all ways in this process; the best number of tokens counts."""
    import torch

    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    counts = GPU_TOKENS if task.device.startswith("cuda") else TOKENS
    with torch.inference_mode():
        return {
            way: max((_rate(way, task, tokens) for tokens in counts), key=lambda found: found.tflops)
            for way in task.ways
        }


def _rate(way: str, task: Task, tokens: int) -> Found:
    shares = len(widths(task.shape)) * len(TOKENS)
    seconds = sum(
        _seconds(WAYS[way](tokens, inputs, outputs, task.device), task.seconds / shares, task.device)
        for inputs, outputs in widths(task.shape)
    )
    layers: int = SHAPES[task.shape]["num_hidden_layers"]
    tokens_per_second = tokens / (seconds * layers)
    return Found(tokens_per_second * flops_per_token(task.shape) / 1e12, tokens_per_second, tokens)


def _seconds(product: Product, least_seconds: float, device: str) -> float:
    """Return the seconds of one product in the fastest of several runs: a ceiling is what can be reached."""
    product()
    best, until = float("inf"), time.perf_counter() + least_seconds
    while best == float("inf") or time.perf_counter() < until:
        _wait_for(device)
        started = time.perf_counter()
        for _ in range(_CALLS):
            product()
        _wait_for(device)
        best = min(best, (time.perf_counter() - started) / _CALLS)
    return best


def _wait_for(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _floats(
    tokens: int, inputs: int, outputs: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    import torch

    shapes = (tokens, inputs), (outputs, inputs), (outputs,)
    x, weight, bias = (torch.randn(shape, device=device).to(dtype) for shape in shapes)
    return x, weight, bias


def rows(rounds: Sequence[dict[str, Found]]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`: medians and ranges over the rounds."""
    return [
        (
            way,
            Spread.of(one[way].tflops for one in rounds).cell(3),
            Spread.of(one[way].tokens_per_second for one in rounds).cell(),
            str(max(rounds, key=lambda one, way=way: one[way].tflops)[way].tokens),  # type: ignore[misc]
        )
        for way in rounds[0]
    ]


def main(argv: Sequence[str]) -> int:
    """Measure all ways in turn, print the table, write the JSON."""
    parser = options.parser("ceiling", __doc__, seconds=3.0)
    chosen = options.finish(parser, argv)
    host = machine.describe(PACKAGES)
    rounds = [run_round(number, chosen) for number in range(chosen.rounds)]
    mflops = flops_per_token(chosen.shape) / 1e6
    print(f"{host}\nBERT-{chosen.shape}, {mflops:,.0f} MFLOP a token, {chosen.threads} threads\n")
    print(table(HEADER, rows(rounds)))
    content: dict[str, object] = {
        "machine": asdict(host),
        "settings": options.plain(chosen),
        "rounds": [{way: asdict(found) for way, found in one.items()} for one in rounds],
    }
    print(f"\n{record.write('ceiling', content, chosen.results)}")
    return 0


def run_round(number: int, chosen: argparse.Namespace) -> dict[str, Found]:
    """Measure all ways once, another one first in each round, in a process of its own."""
    names = ways(chosen.device)
    task = Task(rotated(names, number), chosen.shape, chosen.device, chosen.threads, chosen.seconds)
    found = isolated(measure, task)
    print(f"round {number + 1}: ceiling", file=sys.stderr, flush=True)
    return {way: found[way] for way in names}
