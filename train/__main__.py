"""The command line: `python -m train COMMAND RECIPE.toml [section.key=value ...] [--resume]`.

It knows the names of the commands, not their work: a module is imported when its command is chosen.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
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

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it: 128 + SIGINT."""


class Command(NamedTuple):
    """The module whose `run(recipe)` does the work and returns what to print, and its line of help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "show": Command("train.show", "print the resolved recipe: every setting, its value and what it means"),
    "vocab": Command("train.vocab", "learn a WordPiece vocabulary from the corpus"),
    "pretrain": Command("train.pretrain", "teach a BERT your unlabelled texts, by guessing hidden words"),
    "finetune": Command("train.finetune", "train a classifier; keep its best epoch as a servable directory"),
    "evaluate": Command("train.evaluate", "measure the trained model through the code that serves it"),
    "export": Command("train.export", "write it for a backend and precision, and compare with the original"),
    "save": Command("train.save", "put export, metrics and model card into the BentoML model store"),
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
    """Run one command and return the exit status: 0 done, 1 failed, 2 wrong usage."""
    from runtime.errors import BentobertError, UsageError

    handler = _StandardError()
    logger = logging.getLogger("train")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        print(_run(sys.argv[1:] if arguments is None else arguments), flush=True)
    except BentobertError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has gone; the interpreter would complain once more at its end
        return 1
    except Exception as error:
        if not _is_the_machines_fault(error):
            raise
        reason = " ".join(str(error).split())[:_MOST_REASON]
        print(f"error: {reason}; make room, give the rights, or name another place.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command with --resume to continue.", file=sys.stderr)
        return INTERRUPTED
    finally:
        logger.removeHandler(handler)
    return 0


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

    recipe = read_recipe(Path(given.recipe), given.overrides, resume=given.resume)
    run: Callable[[Recipe], Path | str] = importlib.import_module(command.module).run
    return run(recipe)


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
        usage="python -m train COMMAND RECIPE.toml [section.key=value ...] [--resume]",
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
    parser.add_argument("--resume", action="store_true", help="continue training where it was interrupted")
    return parser


if __name__ == "__main__":
    sys.exit(main())
