"""The load test as Locust runs it: headless, from its web page, or on several machines.

locust -f loadtests/locustfile.py --host http://127.0.0.1:3000
locust -f loadtests/locustfile.py --headless --users 32 --run-time 60s --scenario spike
locust -f loadtests/locustfile.py --master        and on other machines: … --worker --master-host NAME
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from locust import FastHttpUser, LoadTestShape, constant, events, task

from loadtests import corpus, workload
from loadtests.scenarios import SCENARIOS, users_at
from loadtests.summary import Summary

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.runners import Runner

_user_numbers = itertools.count()


def _texts_file(path: str) -> str:
    try:
        corpus.texts(path or None)
    except corpus.CorpusError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Add the options of this load test; all but `--summary` also stand on the web page."""
    parser.set_defaults(num_users=16, spawn_rate=100.0, run_time="60s")
    parser.add_argument(
        "--scenario",
        choices=list(SCENARIOS),
        default="steady",
        env_var="LOCUST_SCENARIO",
        help="how the number of users changes over the run",
    )
    parser.add_argument(
        "--texts",
        type=_texts_file,
        default="",
        env_var="LOCUST_TEXTS",
        help="file with one text a line; generated Chinese reviews when empty",
    )
    parser.add_argument(
        "--seed", type=int, default=0, env_var="LOCUST_SEED", help="which texts are drawn, in which order"
    )
    parser.add_argument(
        "--summary",
        default="",
        include_in_web_ui=False,
        help="file that receives the figures of the whole run as JSON when Locust ends",
    )


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def make_texts(environment: Environment, **_: object) -> None:
    """Read or generate the texts before the first user needs them."""
    _texts(environment)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def write_summary(environment: Environment, **_: object) -> None:
    """Write what `--summary` asks for."""
    path = _options(environment).summary
    if path:
        content = json.dumps(asdict(summarise(environment)), indent=2)
        Path(path).write_text(content + "\n", encoding="utf-8")


def summarise(environment: Environment) -> Summary:
    """Return the figures of the whole run, workers included."""
    total, entries = environment.stats.total, environment.stats.entries.values()
    texts = sum(
        (entry.num_requests - entry.num_failures) * workload.ROW_SIZES[entry.name] for entry in entries
    )
    seconds = (total.last_request_timestamp or 0) - (total.start_time or 0)
    answered = total.num_requests - total.num_failures
    return Summary(
        scenario=_options(environment).scenario,
        requests=total.num_requests,
        failures=total.num_failures,
        requests_per_second=answered / seconds if seconds > 0 else 0.0,
        texts_per_second=texts / seconds if seconds > 0 else 0.0,
        p50_ms=total.get_response_time_percentile(0.50),
        p95_ms=total.get_response_time_percentile(0.95),
        p99_ms=total.get_response_time_percentile(0.99),
        max_ms=total.max_response_time,
    )


def _options(environment: Environment) -> argparse.Namespace:
    """Return the options of this run: the command line, the web page's form, or the master's."""
    return cast("argparse.Namespace", environment.parsed_options)


def _texts(environment: Environment) -> tuple[str, ...]:
    options = _options(environment)
    return corpus.texts(options.texts or None, options.seed)


class ClassifyUser(FastHttpUser):
    """Asks, waits for the answer, and asks again: the number of users is the number of open requests."""

    host = "http://127.0.0.1:3000"
    wait_time = constant(0)

    def on_start(self) -> None:
        """Give every user of every worker an order of texts of its own."""
        seed, worker = _options(self.environment).seed, self.environment.runner.worker_index
        self.texts = _texts(self.environment)
        self.rng = random.Random(f"{seed} {worker} {next(_user_numbers)}")

    @task
    def classify(self) -> None:
        """Send one request and report a wrong answer as a failure."""
        texts = workload.draw(self.texts, self.rng)
        with self.client.post(
            workload.PATH,
            data=workload.body(texts),  # type: ignore[arg-type]  # bytes are sent as they are
            headers={"Content-Type": "application/json"},
            name=workload.row_name(len(texts)),
            catch_response=True,
        ) as response:
            # Without a status there was no answer: Locust reports the broken connection itself.
            if response.status_code:
                problem = workload.problem(response.status_code, response.content or b"", len(texts))
                if problem is not None:
                    response.failure(problem)


class ScenarioShape(LoadTestShape):
    """Follows the chosen scenario with Locust's own `--users`, `--spawn-rate` and `--run-time`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users of this second and how fast to get there, None at the end."""
        options = _options(cast("Runner", self.runner).environment)
        seconds = self.get_run_time()  # type: ignore[no-untyped-call]
        users = users_at(options.scenario, seconds, run_seconds=options.run_time, users=options.num_users)
        return None if users is None else (users, options.spawn_rate)
