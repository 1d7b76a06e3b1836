"""`python -m runtime.keys`: keys of 32 bytes are made, read and exchanged; it knows no model and no recipe.

python -m runtime.keys new FILE                        makes a key, in a file of its own
python -m runtime.keys rewrap --from OLD --to NEW PATH …   gives encrypted files another key
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hmac
import os
import secrets
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import BentobertError, ProtectionError

KEY_BYTES = 32

_MOST_FILE_BYTES = 1024
_MAKE_ONE = "`python -m runtime.keys new FILE` makes one"


def read_key(
    file: str | None,
    variable: str,
    *,
    setting: str = "its setting",
    opens: Path | None = None,
    protects: Path | None = None,
) -> bytes:
    """Return the key of a file or, where none is named, of an environment variable.

    Parameters
    ----------
    file : str, optional
        File with 32 bytes in base64; only its owner may read it.
    variable : str
        Name of the environment variable that counts where `file` is None.
    setting : str
        What names the file, for the message where it is None.
    opens : Path, optional
        Encrypted file that is to be read: a new key would be of no use to it.
    protects : Path, optional
        Folder that the key protects; the file must lie outside of it, or a copy of the one is a copy of both.

    Raises
    ------
    ProtectionError
        There is no key, or it cannot be read, others can read it, or it is no key. No message quotes it.
    """
    if file is not None:
        return _of_file(Path(file), protects, may_be_new=opens is None)
    text = os.environ.get(variable, "")
    if not text.strip():
        why = "there is no key" if opens is None else f"{opens} is encrypted and there is no key"
        raise ProtectionError(
            f"{why}: set {setting} to its file, or the environment variable {variable}"
            f"{f'; {_MAKE_ONE}' if opens is None else ''}."
        )
    return _decoded(text, f"the environment variable {variable}")


def new_key(path: Path) -> Path:
    """Make a random key in a new file that only its owner can read, and return its path.

    Raises
    ------
    ProtectionError
        The file exists, or cannot be made.
    """
    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ProtectionError(
            f"{path} exists, and whatever is encrypted with a key is lost with it; name another file."
        ) from None
    except OSError as error:
        raise ProtectionError(f"{path} cannot be made ({error.strerror}); name another file.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def find_key(file: str | None, variable: str) -> bytes | None:
    """Return the key as `read_key` does, or None where neither file nor variable is set.

    Raises
    ------
    ProtectionError
        One is set, and is no key.
    """
    return read_key(file, variable) if file is not None or os.environ.get(variable, "").strip() else None


def key_id(key: bytes) -> bytes:
    """Return 8 bytes by which a key is known again; nothing of the key follows from them."""
    return derived(key, "key id")[:8]


def derived(key: bytes, purpose: str) -> bytes:
    """Return a key of 32 bytes for one purpose, from which neither `key` nor any other can be told.

    It is HMAC-SHA256 as a pseudo-random function, the expand step of HKDF (RFC 5869) for one block.
    """
    return hmac.digest(key, f"bentobert {purpose}".encode(), "sha256")


def _of_file(path: Path, protects: Path | None, *, may_be_new: bool = False) -> bytes:
    path = _expanded(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ProtectionError(f"{path} is no regular file, so no key is read from it; name another one.")
        with path.open("rb") as file:
            _refuse_readable_by_others(path, os.fstat(file.fileno()))
            text = file.read(_MOST_FILE_BYTES + 1)
    except OSError as error:
        raise ProtectionError(
            f"the key file {path} cannot be read ({error.strerror}); name another one"
            f"{f': {_MAKE_ONE}' if may_be_new else ''}."
        ) from error
    if protects is not None and path.resolve().is_relative_to(protects.resolve()):
        raise ProtectionError(
            f"the key file {path} lies in {protects}, which it protects: whoever copies that has both; "
            "move it elsewhere."
        )
    return _decoded(text.decode("ascii", "replace"), f"the key file {path}")


def _expanded(path: Path) -> Path:
    """Return a path without `~`."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ProtectionError(f"{path}: there is no such user here; name another file.") from error


def _refuse_readable_by_others(path: Path, found: os.stat_result) -> None:
    """Refuse a file that its group or all may read.

    The group alone may where it is our only way to the file: so Kubernetes hands secrets to a process that
    is not root.
    """
    if os.name == "nt":
        return  # permission bits mean nothing there
    mode = stat.S_IMODE(found.st_mode)
    allowed = 0o700 if found.st_uid == os.geteuid() else 0o770
    if mode & ~allowed & 0o777:
        raise ProtectionError(
            f"the key file {path} has the permissions {mode:03o}: others can read or change it; "
            f"run `chmod 600 {path}`, and take a new key if they may have read it."
        )


def _decoded(text: str, source: str) -> bytes:
    """Decode base64, its URL-safe alphabet too."""
    try:
        key = base64.b64decode("".join(text.split()).replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ProtectionError(f"{source} holds no key; it must be {KEY_BYTES} bytes in base64: {_MAKE_ONE}.")
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or exchange a key and return the exit status: 0 done, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "new":
            print(new_key(_expanded(options.file)))
            return 0
        from runtime.rewrap import rewrap_all

        old = _of_file(options.old, None)
        new = _of_file(options.new, None, may_be_new=True)
        changed = False
        for path in rewrap_all(options.paths, old, new):
            print(path, flush=True)
            changed = True
        if not changed:
            print("nothing to do: everything there has the new key already.", file=sys.stderr)
    except (BentobertError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runtime.keys",
        description="Keys of encrypted data sets and models.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="make a random key in a new file that only you can read")
    new.add_argument("file", type=Path, metavar="FILE", help="keep a copy: without the key all is lost")
    rewrap = commands.add_parser("rewrap", help="give encrypted files another key; their content stays")
    rewrap.add_argument("--from", dest="old", type=Path, required=True, metavar="FILE", help="key they have")
    rewrap.add_argument("--to", dest="new", type=Path, required=True, metavar="FILE", help="key they get")
    rewrap.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a .enc file, a prepared folder or a stored model"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
