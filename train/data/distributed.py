"""Runs a function from batch to batch on Ray Data, on one machine or many; it knows not what it computes.

Batches go out in windows, so that neither this process nor the object store ever holds all rows, and come
back in their order: Ray gives results as they are ready, and the position of each row puts them back.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from runtime.errors import RecipeError, UsageError

BATCHES_AT_ONCE = 100
"""Batches of a window; with 10,000 rows each, a million rows are under way."""

ADDRESS = "RAY_ADDRESS"
"""Environment variable, Ray's own, with the address of a cluster; unset: this machine."""

_POSITION = "position"
_BODIES = ("train", "runtime")

Step = Callable[[pa.Table], pa.Table]


def mapped(
    step: Step, batches: Iterable[pa.RecordBatch], batches_at_once: int = BATCHES_AT_ONCE
) -> Iterator[pa.Table]:
    """Yield what a function makes of batches, in their order.

    Parameters
    ----------
    step : callable
        Returns a row for a row, in their order; it is sent to the workers.
    batches : iterable of pyarrow.RecordBatch
    batches_at_once : int
        How many are on their way to workers at a time.

    Raises
    ------
    RecipeError
        Ray is not installed.
    UsageError
        The cluster of the environment cannot be reached.
    """
    waiting = iter(batches)
    with _connected():
        while window := list(islice(waiting, batches_at_once)):
            yield _map_window(step, window)


def _map_window(step: Step, window: list[pa.RecordBatch]) -> pa.Table:
    import ray

    tables, start = [], 0
    for batch in window:
        position = pa.array(range(start, start + len(batch)), pa.int64())
        tables.append(pa.Table.from_batches([batch]).append_column(_POSITION, position))
        start += len(batch)
    references = [ray.put(table) for table in tables]
    rows = ray.data.from_arrow_refs(references).map_batches(
        partial(_with_positions, step=step), batch_format="pyarrow", batch_size=None
    )
    found = pa.concat_tables([ray.get(reference) for reference in rows.to_arrow_refs()])
    return found.sort_by(_POSITION).drop_columns([_POSITION])


def _with_positions(table: pa.Table, step: Step) -> pa.Table:
    return step(table.drop_columns([_POSITION])).append_column(_POSITION, table.column(_POSITION))


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to the cluster of the environment, or start Ray here; leave alone what was there before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers what runs here
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RecipeError(
            'prepare.engine="ray" needs Ray, which is not installed; install it with '
            '`pip install -e ".[ray]" -c constraints.txt`, or set prepare.engine=local.'
        ) from error
    if ray.is_initialized():
        yield
        return
    root = Path(__file__).resolve().parents[2]
    address = os.environ.get(ADDRESS)
    try:
        ray.init(
            address=address,
            include_dashboard=False if address is None else None,
            logging_level=logging.WARNING,
            log_to_driver=False,
            # Workers elsewhere have not got this code.
            runtime_env=None if address is None else {"py_modules": [str(root / name) for name in _BODIES]},
        )
    except ConnectionError as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{ADDRESS}={address!r} is no cluster that can be reached ({reason}); correct the variable, or "
            "unset it to use this machine."
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # two lines per window that say nothing
    try:
        yield
    finally:
        ray.shutdown()
