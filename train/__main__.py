"""The command line: `python -m train COMMAND RECIPE.toml [section.key=value ...] [--resume] [--apply FILE]`.

It knows the names of the commands, not their work: a module is imported when its command is chosen.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from train.config import Recipe

_THE_MACHINES_FAULT = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
}
_NUMBER = re.compile(r"(?:Errno|os error) (\d+)")
_TORCH_CANNOT_WRITE = "inline_container"
_MOST_REASON = 300
_ONLY_READ = {"show", "audit"}
"""Commands that leave no line in the log of the run."""

_APPLIES = "noise"
"""The command, and the section, that `--apply` belongs to."""

_ANEW = "run the same command again; finetune, pretrain and all continue with --resume"

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it: 128 + SIGINT."""

TERMINATED = 143
"""Exit status after SIGTERM: 128 + SIGTERM."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which schedulers and containers end a process: it unwinds like Ctrl-C."""


class Command(NamedTuple):
    """The module whose `run(recipe)` does the work and returns what to print, and its line of help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "show": Command("train.show", "print the resolved recipe: every setting, its value and what it means"),
    "doctor": Command("train.doctor", "report what is wrong with the data, before any minute of training"),
    "prepare": Command("train.prepare", "clean, deduplicate and split the rows; write them with a datasheet"),
    "noise": Command("train.noise", "list labels that look wrong, or put the list back with --apply FILE"),
    "augment": Command("train.augment", "make training rows from training rows; keep them if that is better"),
    "vocab": Command("train.vocab", "learn a WordPiece vocabulary from the corpus"),
    "pretrain": Command("train.pretrain", "teach a BERT your unlabelled texts, by guessing hidden words"),
    "finetune": Command("train.finetune", "train a classifier; keep its best epoch as a servable directory"),
    "evaluate": Command("train.evaluate", "measure the trained model through the code that serves it"),
    "export": Command("train.export", "write it for a backend and precision, and compare with the original"),
    "save": Command("train.save", "put export, metrics and model card into the BentoML model store"),
    "audit": Command("train.audit", "print the log of the run, if nobody has changed it"),
    "all": Command("train.all", "finetune, evaluate, export and save, one after the other"),
}


class _StandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is now, so that lines go above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        from runtime.errors import UsageError

        raise UsageError(f"{message}; see `python -m train --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted."""
    from runtime.errors import BentobertError

    handler = _StandardError()
    logger = logging.getLogger("train")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        with terminated_as_interrupted():
            print(_run(sys.argv[1:] if arguments is None else arguments), flush=True)
    except BentobertError as error:
        print(f"error: {error}", file=sys.stderr)
        return _status(error)
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has gone; the interpreter would complain once more at its end
        return 1
    except Exception as error:
        if not _is_the_machines_fault(error):
            raise
        reason = " ".join(str(error).split())[:_MOST_REASON]
        print(f"error: {reason}; make room, give the rights, or name another place.", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        status = _status(interrupt)
        word = "terminated" if status == TERMINATED else "interrupted"
        print(f"{word}; {_ANEW}.", file=sys.stderr)
        return status
    finally:
        logger.removeHandler(handler)
    return 0


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM raise `Terminated` in this process until the block ends, so that the log tells of it.

    Where somebody else decided what it does, or this is no main thread, nothing changes.
    """
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of every handler
        if os.getpid() == process:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)  # a forked child has inherited this, and ends without a word
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_the_machines_fault(error: Exception) -> bool:
    """Tell a full disk and missing rights from a bug, also where a library tells the number in its text."""
    numbers = {int(number) for number in _NUMBER.findall(str(error))}
    if isinstance(error, OSError):
        numbers.add(error.errno or 0)
    return not numbers.isdisjoint(_THE_MACHINES_FAULT) or _TORCH_CANNOT_WRITE in str(error)


def _run(arguments: Sequence[str]) -> Path | str:
    given = _parser().parse_intermixed_args(arguments)
    if given.command is None:
        raise _usage_error("no command given; write `python -m train COMMAND RECIPE.toml`, see --help.")
    command = _chosen(given.command)
    if given.recipe is None:
        name = given.command
        raise _usage_error(f"{name} needs a recipe; write `python -m train {name} RECIPE.toml`.")
    from train.recipe import read_recipe

    recipe = read_recipe(Path(given.recipe), _overrides(given), resume=given.resume)
    run: Callable[[Recipe], Path | str] = importlib.import_module(command.module).run
    try:
        return run(recipe)
    except (Exception, KeyboardInterrupt) as error:
        _log_failure(given.command, recipe, error)
        raise


def _log_failure(command: str, recipe: Recipe, error: BaseException) -> None:
    """Write into the log of the run that a command failed, where there is a run to tell it of."""
    if command in _ONLY_READ or not _has_run(recipe):
        return
    from train.audit import RecordedError, record

    if isinstance(error, RecordedError):
        return
    try:
        record(command, recipe, exit_status=_status(error))
    except OSError as failure:  # what went wrong first is what the user must see
        logging.getLogger(__name__).warning("the audit log cannot be written (%s)", failure.strerror)


def _has_run(recipe: Recipe) -> bool:
    from train.run import RunDirectory

    try:
        return RunDirectory.of(recipe).root.is_dir()
    except OSError:  # a name that no folder can have
        return False


def _status(error: BaseException) -> int:
    """Return the exit status after an error."""
    from runtime.errors import UsageError

    if isinstance(error, KeyboardInterrupt):
        return TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    return 2 if isinstance(error, UsageError) else 1


def _overrides(given: argparse.Namespace) -> list[str]:
    """Return the overrides, `--apply FILE` as the one that it stands for."""
    if given.apply is None:
        return list(given.overrides)
    if given.command != _APPLIES:
        raise _usage_error(f"{given.command} knows no --apply; it belongs to the command {_APPLIES}.")
    if not given.apply.strip():
        raise _usage_error("--apply names no file; give the list that `python -m train noise` wrote.")
    return [*given.overrides, f"{_APPLIES}.apply={given.apply}"]


def _chosen(name: str) -> Command:
    if name not in COMMANDS:
        from runtime.errors import nearest

        raise _usage_error(f"{name!r} is not a command; {nearest(name, COMMANDS)}")
    return COMMANDS[name]


def _usage_error(message: str) -> Exception:
    from runtime.errors import UsageError

    return UsageError(message)


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:10}{command.help}" for name, command in COMMANDS.items())
    parser = _Parser(
        prog="python -m train",
        usage="python -m train COMMAND RECIPE.toml [section.key=value ...] [--resume] [--apply FILE]",
        description=f"Labelled text in, a servable classifier out.\n\ncommands:\n{lines}",
        epilog="The path of what was made goes to standard output, progress to standard error. "
        "Exit status: 0 done, 1 failed, 2 wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="one of the commands above")
    parser.add_argument("recipe", metavar="RECIPE.toml", nargs="?", help="what to train, on what, and how")
    parser.add_argument(
        "overrides",
        metavar="section.key=value",
        nargs="*",
        help="replaces a setting of the recipe; an empty value restores its default",
    )
    parser.add_argument(
        "--apply", metavar="FILE", help="of noise: put the labels of a filled-in list into the rows"
    )
    parser.add_argument("--resume", action="store_true", help="continue training where it was interrupted")
    return parser


if __name__ == "__main__":
    sys.exit(main())
