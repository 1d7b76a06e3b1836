"""Files encrypted at rest, read back into memory only; it knows neither models nor rows.

Every file is encrypted with a random key of its own, and that key, in the file's header, with the key of the
user: envelope encryption. So a new key of the user changes the header alone. The content is cut into chunks
that AES-256-GCM encrypts under nonces that count (Hoang, Reyhanitabar, Rogaway and Vizár, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015: STREAM). The nonce also tells the last
chunk: chunks that were cut off, appended, repeated, exchanged or taken from another file are seen. All of it
is bound to the name of the file and the version of the format.

    magic 8 | version 1 | chunk size 4 | key id 8 | nonce 12 | data key encrypted 48 | chunks, each + 16

What it does not do: hide the size of a file or when it was written, notice that a file was put back to an
older state of itself, or keep keys and plaintext out of swap space and memory images, which no Python program
can. A reader is for one thread.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from runtime.errors import ProtectionError
from runtime.keys import KEY_BYTES, derived, key_id, read_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["SUFFIX", "content_digest", "decrypted", "encrypting", "name_of", "read_key", "rewrap"]

SUFFIX = ".enc"
"""What the name of an encrypted file ends in, after the name of what it holds."""

CHUNK_BYTES = 1 << 20

_MAGIC = b"BENTOENC"
_VERSION = 1
_MOST_CHUNK_BYTES = 1 << 26
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ID_BYTES = 8
_WRAPPED_BYTES = KEY_BYTES + _TAG_BYTES
_HEADER_BYTES = len(_MAGIC) + 1 + 4 + _ID_BYTES + _NONCE_BYTES + _WRAPPED_BYTES


def name_of(path: Path) -> str:
    """Return what an encrypted file is called before encryption: `train.parquet` for `train.parquet.enc`."""
    return path.name.removesuffix(SUFFIX)


@contextmanager
def encrypting(path: Path, key: bytes, name: str, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[BinaryIO]:
    """Yield a writer whose bytes are encrypted into `path`, which appears when the block ends well.

    Memory holds two chunks. Only the owner may read the file.

    Parameters
    ----------
    path : Path
    key : bytes
        The key of the user, 32 bytes.
    name : str
        What the file must be called when it is read; see `name_of`.
    chunk_bytes : int
        Size of one chunk of plaintext.
    """
    beside = path.with_name(f".{path.name}.part")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            writer = _Writer(file, key, name, chunk_bytes)
            yield cast("BinaryIO", writer)
            writer.finish()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def decrypted(path: Path, key: bytes, name: str) -> BinaryIO:
    """Return a seekable reader of an encrypted file; its plaintext exists in memory only, a chunk at a time.

    Each chunk is proven when it is read, the last one at once: a file that was cut is refused here.

    Raises
    ------
    ProtectionError
        The file is not encrypted, is encrypted with another key, under another name, or was changed; reading
        raises it too.
    OSError
        The file cannot be read.
    """
    file = path.open("rb")
    try:
        reader = _Reader(file, path, key, name)
    except BaseException:
        file.close()
        raise
    return io.BufferedReader(reader, buffer_size=reader.chunk_bytes)


def rewrap(path: Path, old: bytes, new: bytes, name: str) -> bool:
    """Exchange the key of a file and leave its content alone; tell whether there was anything to do.

    Raises
    ------
    ProtectionError
        The file is encrypted with neither key, or was changed. It stays as it is.
    """
    with path.open("rb") as file:
        header = _Header.read(file, path)
        if hmac.compare_digest(header.owner, key_id(new)):
            header.data_key(new, name, path)
            return False
        data_key = header.data_key(old, name, path)
        beside = path.with_name(f".{path.name}.part")
        try:
            with beside.open("wb") as copy:
                beside.chmod(path.stat().st_mode & 0o777)
                copy.write(_Header.wrap(data_key, new, name, header.chunk_bytes).encoded())
                while piece := file.read(CHUNK_BYTES):
                    copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return True


def content_digest(path: Path) -> str:
    """Return the sha256 of an encrypted file without its header: a new key of the user leaves it as it is."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(_HEADER_BYTES)
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Header:
    """The beginning of an encrypted file: whose key opens it, and the key of its content."""

    chunk_bytes: int
    owner: bytes
    nonce: bytes
    wrapped: bytes

    @classmethod
    def wrap(cls, data_key: bytes, key: bytes, name: str, chunk_bytes: int) -> _Header:
        owner, nonce = key_id(key), secrets.token_bytes(_NONCE_BYTES)
        bound = _bound(name, chunk_bytes, owner)
        return cls(chunk_bytes, owner, nonce, _wrapping(key).encrypt(nonce, data_key, bound))

    @classmethod
    def read(cls, file: BinaryIO, path: Path) -> _Header:
        found = file.read(_HEADER_BYTES)
        if found[: len(_MAGIC)] != _MAGIC:
            remedy = (
                f"take its suffix {SUFFIX} off" if path.suffix == SUFFIX else f"name one ending in {SUFFIX}"
            )
            raise ProtectionError(f"{path} is not encrypted; {remedy}, or write it anew.")
        if found[len(_MAGIC) : len(_MAGIC) + 1] != bytes([_VERSION]):
            raise ProtectionError(f"{path} is of another format than {_VERSION}; write it anew.")
        fields = found[len(_MAGIC) + 1 :]
        chunk_bytes = int.from_bytes(fields[:4])
        if len(found) < _HEADER_BYTES or not 0 < chunk_bytes <= _MOST_CHUNK_BYTES:
            raise _changed(path)
        ends = (4, 4 + _ID_BYTES, 4 + _ID_BYTES + _NONCE_BYTES)
        return cls(chunk_bytes, fields[ends[0] : ends[1]], fields[ends[1] : ends[2]], fields[ends[2] :])

    def encoded(self) -> bytes:
        beginning = _MAGIC + bytes([_VERSION]) + self.chunk_bytes.to_bytes(4)
        return beginning + self.owner + self.nonce + self.wrapped

    def data_key(self, key: bytes, name: str, path: Path) -> bytes:
        if not hmac.compare_digest(self.owner, key_id(key)):
            raise ProtectionError(
                f"{path} is encrypted with another key than the one given; give the key it was written with."
            )
        bound = _bound(name, self.chunk_bytes, self.owner)
        return _opened(_wrapping(key), self.nonce, self.wrapped, bound, path)


class _Writer(io.RawIOBase):
    """Encrypts what is written, chunk by chunk; the last chunk waits for `finish`."""

    def __init__(self, file: BinaryIO, key: bytes, name: str, chunk_bytes: int) -> None:
        if not 0 < chunk_bytes <= _MOST_CHUNK_BYTES:
            raise ValueError(f"chunk_bytes={chunk_bytes} is not allowed; 1 to {_MOST_CHUNK_BYTES}")
        data_key = secrets.token_bytes(KEY_BYTES)
        self._file, self._cipher, self._chunk_bytes = file, _cipher(data_key), chunk_bytes
        self._bound = _bound(name, chunk_bytes)
        self._waiting = bytearray()
        self._chunks = 0
        self._written = 0
        file.write(_Header.wrap(data_key, key, name, chunk_bytes).encoded())

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer; its type came with Python 3.12
        view = memoryview(data).cast("B")
        for start in range(0, len(view), self._chunk_bytes):
            self._waiting += view[start : start + self._chunk_bytes]
            # A full chunk waits for one more byte: it may be the last one.
            while len(self._waiting) > self._chunk_bytes:
                self._put(self._waiting[: self._chunk_bytes], last=False)
                del self._waiting[: self._chunk_bytes]
        self._written += len(view)
        return len(view)

    def finish(self) -> None:
        """Write the last chunk, and have all of it on disk."""
        self._put(self._waiting, last=True)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _put(self, chunk: bytearray, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._chunks, last=last), bytes(chunk), self._bound))
        self._chunks += 1


class _Reader(io.RawIOBase):
    """Decrypts the chunk that is asked for and remembers the one decrypted last."""

    def __init__(self, file: BinaryIO, path: Path, key: bytes, name: str) -> None:
        header = _Header.read(file, path)
        self.chunk_bytes = header.chunk_bytes
        self._file, self._path = file, path
        self._cipher = _cipher(header.data_key(key, name, path))
        self._bound = _bound(name, header.chunk_bytes)
        sealed = file.seek(0, os.SEEK_END) - _HEADER_BYTES
        self._chunks = -(-sealed // (self.chunk_bytes + _TAG_BYTES))
        self._size = sealed - self._chunks * _TAG_BYTES
        self._place = 0
        self._held: tuple[int, bytes] = (-1, b"")
        # The last chunk proves where the file ends; only that of an empty file is empty.
        if self._chunks < 1 or (not self._chunk(self._chunks - 1) and self._chunks > 1):
            raise _changed(path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"the place {start + offset} lies before the beginning")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401
        view = memoryview(buffer).cast("B")
        index, start = divmod(self._place, self.chunk_bytes)
        if index >= self._chunks:
            return 0
        piece = self._chunk(index)[start : start + len(view)]
        view[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        pieces = bytearray(max(0, self._size - self._place))
        view, done = memoryview(pieces), 0
        while done < len(view):
            done += self.readinto(view[done:])
        return bytes(pieces)

    def close(self) -> None:
        self._held = (-1, b"")
        self._file.close()
        super().close()

    def _chunk(self, index: int) -> bytes:
        if self._held[0] != index:
            self._file.seek(_HEADER_BYTES + index * (self.chunk_bytes + _TAG_BYTES))
            sealed = self._file.read(self.chunk_bytes + _TAG_BYTES)
            nonce = _nonce(index, last=index == self._chunks - 1)
            self._held = (index, _opened(self._cipher, nonce, sealed, self._bound, self._path))
        return self._held[1]


def _wrapping(key: bytes) -> AESGCM:
    return _cipher(derived(key, "wrapping of data keys"))


def _bound(name: str, chunk_bytes: int, owner: bytes = b"") -> bytes:
    """Return what is authenticated with a chunk or, with the id of its key, with a data key."""
    return _MAGIC + bytes([_VERSION]) + chunk_bytes.to_bytes(4) + owner + name.encode()


def _nonce(chunk: int, *, last: bool) -> bytes:
    return chunk.to_bytes(_NONCE_BYTES - 1) + bytes([last])


def _cipher(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ProtectionError(
            "encryption needs a library that is not installed; "
            "install it with `pip install cryptography -c constraints.txt`."
        ) from error
    return AESGCM(key)


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, bound: bytes, path: Path) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, sealed, bound)
    except InvalidTag:
        raise _changed(path) from None


def _changed(path: Path) -> ProtectionError:
    return ProtectionError(
        f"{path} was changed, cut or renamed since it was encrypted; take it from a copy, or write it anew."
    )
