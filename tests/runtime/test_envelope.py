"""What is encrypted comes back byte for byte, and nothing that was changed, cut or exchanged ever does."""

from __future__ import annotations

import builtins
import io
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.envelope import content_digest, decrypted, encrypting, name_of, rewrap
from runtime.errors import ProtectionError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NAME = "train.parquet"
HEADER = 81
TAG = 16


def write(path: Path, content: bytes, *, key: bytes = KEY, name: str = NAME, chunk_bytes: int = 8) -> Path:
    with encrypting(path, key, name, chunk_bytes=chunk_bytes) as file:
        file.write(content)
    return path


def read(path: Path, *, key: bytes = KEY, name: str = NAME) -> bytes:
    with decrypted(path, key, name) as file:
        return file.read()


def refusal(path: Path, *, key: bytes = KEY, name: str = NAME) -> str:
    """Return the sentence with which a file is refused; it is one, and tells neither key nor content."""
    with pytest.raises(ProtectionError) as caught:
        read(path, key=key, name=name)
    message = str(caught.value)
    assert message.count("\n") == 0
    assert message.endswith(".")
    assert not any(secret.hex() in message or repr(secret) in message for secret in (KEY, OTHER))
    return message


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / f"{NAME}.enc"


@given(content=st.binary(max_size=300), chunk_bytes=st.integers(1, 70), pieces=st.integers(1, 9))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_come_back_however_they_are_written_and_read(
    place: Path, content: bytes, chunk_bytes: int, pieces: int
) -> None:
    size = len(content) // pieces + 1
    with encrypting(place, KEY, NAME, chunk_bytes=chunk_bytes) as file:
        for start in range(0, len(content), size):
            assert file.write(content[start : start + size]) == len(content[start : start + size])
        assert file.tell() == len(content)
    assert read(place) == content
    with decrypted(place, KEY, NAME) as file:
        found = b"".join(iter(lambda: file.read(size), b""))
    assert found == content
    chunks = max(1, -(-len(content) // chunk_bytes))
    assert place.stat().st_size == HEADER + len(content) + chunks * TAG


@given(
    moves=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.integers(-60, 60), st.integers(0, 40)), max_size=12
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reader_seeks_like_any_file(place: Path, moves: list[tuple[int, int, int]]) -> None:
    content = bytes(range(50))
    expected = io.BytesIO(content)
    if not place.exists():
        write(place, content, chunk_bytes=7)
    with decrypted(place, KEY, NAME) as file:
        for whence, offset, count in moves:
            start = {0: 0, 1: expected.tell(), 2: len(content)}[whence]
            if start + offset >= 0:
                assert file.seek(offset, whence) == expected.seek(offset, whence)
            assert file.read(count) == expected.read(count)
            assert file.tell() == expected.tell()


def test_a_place_before_the_beginning_is_refused(place: Path) -> None:
    with decrypted(write(place, b"abc"), KEY, NAME) as file, pytest.raises((ValueError, OSError)):
        file.seek(-4, os.SEEK_END)


@pytest.mark.parametrize("content", [b"", b"123456789 abcdefgh"], ids=len)
def test_every_change_of_a_single_byte_is_seen(place: Path, content: bytes) -> None:
    whole = write(place, content).read_bytes()
    assert len(whole) >= HEADER + TAG
    for position in range(len(whole)):
        for mask in (0x01, 0xFF):
            changed = bytearray(whole)
            changed[position] ^= mask
            place.write_bytes(changed)
            refusal(place)
    place.write_bytes(whole)
    assert read(place) == content


def test_every_truncation_is_seen_before_a_byte_is_read(place: Path) -> None:
    whole = write(place, b"12345678" * 4).read_bytes()
    for size in range(len(whole)):
        place.write_bytes(whole[:size])
        with pytest.raises(ProtectionError):
            decrypted(place, KEY, NAME)


def test_chunks_cannot_be_exchanged_repeated_dropped_or_appended(place: Path) -> None:
    whole = write(place, b"aaaaaaaabbbbbbbbccccccccdddddddd").read_bytes()
    header, step = whole[:HEADER], 8 + TAG
    chunks = [whole[start : start + step] for start in range(HEADER, len(whole), step)]
    a, b, c, d = chunks
    for order in (
        [b, a, c, d],
        [a, a, c, d],
        [a, c, d],
        [b, c, d],
        [a, b, d, c],
        [a, b, c, d, d],
        [d],
        [a, b, c],
    ):
        place.write_bytes(header + b"".join(order))
        refusal(place)
    place.write_bytes(header + b"".join(chunks))
    assert read(place) == b"aaaaaaaabbbbbbbbccccccccdddddddd"


def test_chunks_of_two_files_cannot_be_exchanged(place: Path) -> None:
    one = write(place, b"11111111222222223").read_bytes()
    two = write(place, b"44444444555555556").read_bytes()
    step = 8 + TAG
    for number in range(2):
        start = HEADER + number * step
        place.write_bytes(one[:start] + two[start : start + step] + one[start + step :])
        refusal(place)
    place.write_bytes(two[:HEADER] + one[HEADER:])
    refusal(place)


def test_an_empty_last_chunk_is_only_that_of_an_empty_file(place: Path) -> None:
    with encrypting(place, KEY, NAME, chunk_bytes=8) as file:
        file._put(bytearray(b"12345678"), last=False)  # type: ignore[attr-defined] - as a wrong writer would
    refusal(place)


def test_equal_contents_are_encrypted_differently(place: Path) -> None:
    assert len({write(place, b"same").read_bytes() for _ in range(20)}) == 20


def test_nothing_of_content_name_or_key_can_be_read_in_the_file(place: Path) -> None:
    content = "机密的一句话".encode() * 50
    whole = write(place, content).read_bytes()
    for secret in (content[:6], NAME.encode(), KEY[:8], OTHER[:8]):
        assert secret not in whole


def test_another_key_is_told_from_a_harmed_file(place: Path) -> None:
    write(place, b"content")
    assert "is encrypted with another key than the one given" in refusal(place, key=OTHER)
    assert "was changed, cut or renamed" in refusal(place, name="dev.parquet")
    place.write_bytes(place.read_bytes()[:-1])
    assert "was changed, cut or renamed" in refusal(place)


def test_a_file_that_is_not_encrypted_says_so(place: Path) -> None:
    place.write_bytes(b"PAR1 and so on")
    assert "is not encrypted" in refusal(place)
    place.write_bytes(b"")
    assert "is not encrypted" in refusal(place)


def test_a_later_format_is_named(place: Path) -> None:
    whole = bytearray(write(place, b"content").read_bytes())
    whole[8] = 2
    place.write_bytes(whole)
    assert "is of another format than 1" in refusal(place)


def test_a_file_moves_with_its_directory_and_not_to_another_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin.enc", b"content", name="a.bin")
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    assert read(moved, name=name_of(moved)) == b"content"
    renamed = moved.rename(moved.with_name("b.bin.enc"))
    refusal(renamed, name=name_of(renamed))


class HalfWayError(Exception):
    pass


def break_off(path: Path) -> None:
    with encrypting(path, KEY, NAME) as file:
        file.write(b"new" * 1000)
        raise HalfWayError


def test_what_breaks_off_leaves_the_old_file_and_nothing_beside(place: Path) -> None:
    write(place, b"old")
    with pytest.raises(HalfWayError):
        break_off(place)
    assert read(place) == b"old"
    assert list(place.parent.iterdir()) == [place]


def test_a_writer_that_a_library_closes_still_ends_its_file(place: Path) -> None:
    with encrypting(place, KEY, NAME, chunk_bytes=8) as file:
        file.write(b"123456789")
        file.close()
    assert read(place) == b"123456789"


def test_only_the_owner_may_read_the_file(place: Path) -> None:
    before = os.umask(0)
    try:
        write(place, b"content")
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_is_written_over(place: Path) -> None:
    place.with_name(f".{place.name}.part").write_bytes(b"half")
    assert read(write(place, b"content")) == b"content"
    assert list(place.parent.iterdir()) == [place]


def test_memory_holds_a_few_chunks_whatever_the_size(place: Path) -> None:
    chunk, megabytes = bytes(1 << 20), 24
    tracemalloc.start()
    with encrypting(place, KEY, NAME) as file:
        for _ in range(megabytes):
            file.write(chunk)
    with decrypted(place, KEY, NAME) as file:
        assert sum(len(piece) for piece in iter(lambda: file.read(1 << 20), b"")) == megabytes << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_writer_of_no_size_is_refused(place: Path) -> None:
    with pytest.raises(ValueError, match="chunk_bytes=0"), encrypting(place, KEY, NAME, chunk_bytes=0):
        pytest.fail("it was accepted")
    assert not place.exists()


def test_a_new_key_changes_the_header_alone(place: Path) -> None:
    before = write(place, b"content" * 9).read_bytes()
    place.chmod(0o640)
    assert rewrap(place, KEY, OTHER, NAME)
    after = place.read_bytes()
    assert after[HEADER:] == before[HEADER:]
    assert after[:13] == before[:13]
    assert after[13:HEADER] != before[13:HEADER]
    assert read(place, key=OTHER) == b"content" * 9
    assert "another key" in refusal(place, key=KEY)
    assert place.stat().st_mode & 0o777 == 0o640
    assert list(place.parent.iterdir()) == [place]


def test_the_digest_of_the_content_knows_the_content_and_no_key(place: Path) -> None:
    before = content_digest(write(place, b"content" * 9))
    rewrap(place, KEY, OTHER, NAME)
    assert content_digest(place) == before
    place.write_bytes(harm(place.read_bytes(), HEADER))
    assert content_digest(place) != before


def test_a_key_that_is_there_already_is_left_alone(place: Path) -> None:
    before = write(place, b"content", key=OTHER).read_bytes()
    assert not rewrap(place, KEY, OTHER, NAME)
    assert place.read_bytes() == before


def harm(whole: bytes, position: int) -> bytes:
    return whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]


@pytest.mark.parametrize(
    ("change", "key", "name"),
    [
        (lambda whole: whole, OTHER, NAME),
        (lambda whole: whole, KEY, "dev.parquet"),
        (lambda whole: harm(whole, HEADER - 1), KEY, NAME),
        (lambda whole: whole[:40], KEY, NAME),
    ],
    ids=["another key", "another name", "a harmed header", "a cut header"],
)
def test_a_refused_exchange_leaves_the_file(
    place: Path, change: Callable[[bytes], bytes], key: bytes, name: str
) -> None:
    place.write_bytes(change(write(place, b"content").read_bytes()))
    before = place.read_bytes()
    with pytest.raises(ProtectionError):
        rewrap(place, key, bytes(32), name)
    assert place.read_bytes() == before
    assert list(place.parent.iterdir()) == [place]


def test_a_missing_library_names_the_command_that_installs_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, b"content")
    real = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install cryptography -c constraints.txt" in refusal(place)
