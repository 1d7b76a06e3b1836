"""The first run: trains the embedded sample model, saves it, serves it, asks it, and says what comes next.

It knows the command line of training and the HTTP contract of the service; no model, no engine.

    python quickstart.py [section.key=value ...]    settings that replace those of the recipe
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from loadtests.server import Server, ServerError, bentoml_server
from train.data.sample import DEMO

ROOT = Path(__file__).resolve().parent
RECIPE = "train/configs/quickstart.toml"
ANSWER_TIMEOUT_SECONDS = 30

NEXT = """\
What next
  serve it           make serve
  train on your own  {python} -m train all train/configs/bert-base-chinese.toml data.train=FILE.csv
  load-test it       make loadtest"""


class QuickstartError(Exception):
    """A step failed; the message is one sentence."""


class Laps:
    """Names and seconds of the steps done so far."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self._start = time.monotonic()

    def end(self, name: str) -> None:
        """Note that a step ended now; the next one begins."""
        now = time.monotonic()
        self.done.append((name, now - self._start))
        self._start = now

    def table(self) -> str:
        """Return a line per step and one for all of them."""
        rows = [*self.done, ("altogether", sum(seconds for _, seconds in self.done))]
        return "\n".join(f"  {seconds:6.1f} s  {name}" for name, seconds in rows)


def main(overrides: Sequence[str]) -> int:
    """Run all steps and return the exit status: 0 done, 1 failed, 130 interrupted."""
    signal.signal(signal.SIGTERM, _end)  # the default would leave training or the server running
    try:
        run(overrides)
    except (QuickstartError, ServerError, OSError) as error:
        print(f"quickstart failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("quickstart interrupted; start it again with `make quickstart`.", file=sys.stderr)
        return 130
    return 0


def run(overrides: Sequence[str]) -> None:
    """Train, save, serve, ask, stop, and say what comes next."""
    laps = Laps()
    say("1. Fine-tune the included Chinese encoder on generated reviews")
    model = train(overrides)
    laps.end("train, evaluate, export, save")
    tag = f"{model.parent.name}:{model.name}"
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    share, rows = f"{metrics['accuracy']:.1%}", f"{metrics['rows']:,}"
    say(f"   {share} of {rows} {metrics['split']} reviews are classified rightly")

    say(f"2. Serve {tag}")
    with bentoml_server(model=tag) as server:
        laps.end("start the server")
        say(f"3. POST {server.url}/classify, {len(DEMO)} sentences that are in none of its data")
        answers = ask(server, DEMO)
        laps.end("classify the sentences")
        for text, answer in zip(DEMO, answers, strict=True):
            say(f"   {answer['label']}  {answer['score']:.3f}  {text}")
    laps.end("stop the server")

    say(f"Done\n{laps.table()}")
    say(NEXT.format(python=python_name()))


def train(overrides: Sequence[str]) -> Path:
    """Run training with its progress on our standard error; return the directory of the stored model.

    Raises
    ------
    QuickstartError
        Training did not end well; it has said why.
    """
    done = subprocess.run(
        [sys.executable, "-m", "train", "all", RECIPE, *overrides],
        cwd=ROOT,
        env={**os.environ, "BENTOML_DO_NOT_TRACK": "True"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise QuickstartError(f"training ended with exit status {done.returncode}; its reason stands above.")
    return Path(done.stdout.splitlines()[-1])


def ask(server: Server, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the service answers to these texts, in order.

    Raises
    ------
    QuickstartError
        The service refused.
    """
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=ANSWER_TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST", "/classify", json.dumps({"texts": texts}), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        body = response.read().decode()
    except http.client.HTTPException as error:
        raise QuickstartError(f"POST /classify got no answer: {error!r}.") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise QuickstartError(f"POST /classify was answered with {response.status}: {body}")
    answers: list[dict[str, Any]] = json.loads(body)
    return answers


def python_name() -> str:
    """Return what to type for this interpreter, from the root of the project."""
    path = Path(sys.executable)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def say(lines: str) -> None:
    """Print at once, also into a pipe."""
    print(lines, flush=True)


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
