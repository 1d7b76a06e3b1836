"""A key is 32 random bytes that others cannot read; what else there is is refused, and never quoted."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.envelope import decrypted, encrypting
from runtime.errors import ProtectionError
from runtime.keys import derived, find_key, key_id, main, new_key, read_key

KEY = bytes(range(200, 232))
TEXT = base64.b64encode(KEY).decode()
VARIABLE = "BENTOBERT_TEST_KEY"


def key_file(path: Path, content: str | bytes = TEXT, mode: int = 0o600) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return str(path)


def refusal(file: str | None, protects: Path | None = None) -> str:
    with pytest.raises(ProtectionError) as caught:
        read_key(file, VARIABLE, protects=protects)
    message = str(caught.value)
    assert TEXT[:12] not in message
    assert "\n" not in message
    assert caught.value.__cause__ is None or TEXT[:12] not in repr(caught.value.__cause__)
    return message


@pytest.mark.parametrize("text", [TEXT, f" {TEXT}\r\n", base64.urlsafe_b64encode(KEY).decode()])
def test_a_key_is_read_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert read_key(key_file(tmp_path / "key", text), VARIABLE) == KEY
    monkeypatch.setenv(VARIABLE, text)
    assert read_key(None, VARIABLE) == KEY


def test_a_file_counts_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(32)).decode())
    assert read_key(key_file(tmp_path / "key"), VARIABLE) == KEY


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key_file(tmp_path / "key")
    assert read_key("~/key", VARIABLE) == KEY


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_no_key_at_all_names_the_variable_and_the_command(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    message = refusal(None)
    assert VARIABLE in message
    assert "python -m runtime.keys new" in message
    assert find_key(None, VARIABLE) is None


BAD = {
    "short": TEXT[:-8],
    "long": base64.b64encode(KEY + b"1").decode(),
    "no base64": TEXT[:-2] + "!!",
    "hexadecimal": KEY.hex(),
    "binary": KEY,
    "empty": "",
    "two keys": TEXT + TEXT,
    "huge": TEXT * 100_000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_key_is_refused_and_not_quoted(tmp_path: Path, name: str) -> None:
    message = refusal(key_file(tmp_path / "key", BAD[name]))
    assert "holds no key; it must be 32 bytes in base64" in message


def test_a_bad_variable_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TEXT + "AAAA")
    assert f"the environment variable {VARIABLE} holds no key" in refusal(None)
    with pytest.raises(ProtectionError, match="holds no key"):
        find_key(None, VARIABLE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    message = refusal(key_file(tmp_path / "key", mode=mode))
    assert f"has the permissions {mode:03o}" in message
    assert "chmod 600" in message


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_key(key_file(tmp_path / "key", mode=mode), VARIABLE) == KEY


@pytest.mark.parametrize(("mode", "allowed"), [(0o440, True), (0o400, True), (0o444, False), (0o442, False)])
def test_a_file_of_another_user_may_be_given_by_its_group_as_kubernetes_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, allowed: bool
) -> None:
    file = key_file(tmp_path / "key", mode=mode)
    monkeypatch.setattr(os, "geteuid", lambda: Path(file).stat().st_uid + 1)
    if allowed:
        assert read_key(file, VARIABLE) == KEY
    else:
        assert "others can read" in refusal(file)


def test_who_wants_to_read_is_told_the_setting_and_not_to_make_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet.enc"
    for file in (None, str(tmp_path / "absent")):
        with pytest.raises(ProtectionError) as caught:
            read_key(file, VARIABLE, setting="data.key_file", opens=path)
        assert "makes one" not in str(caught.value)
        assert "makes one" in refusal(file)
        if file is None:
            assert f"{path} is encrypted and there is no key: set data.key_file" in str(caught.value)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal(str(tmp_path / "absent"))
    assert "cannot be read (Is a directory" in refusal(str(tmp_path))


def test_a_pipe_or_the_home_of_nobody_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(str(tmp_path / "pipe"))
    assert "there is no such user here" in refusal("~nobody-of-this-name/key")
    assert main(["new", "~nobody-of-this-name/key"]) == 1
    assert "there is no such user here" in capsys.readouterr().err


def test_a_key_must_not_lie_in_what_it_protects(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "deep").mkdir(parents=True)
    for path in (run / "key", run / "deep" / "key"):
        assert "which it protects" in refusal(key_file(path), protects=run)
    (tmp_path / "link").symlink_to(run / "key")
    assert "which it protects" in refusal(str(tmp_path / "link"), protects=run)
    assert read_key(key_file(tmp_path / "runs"), VARIABLE, protects=run) == KEY


def test_a_new_key_is_random_private_and_never_written_over_another(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        paths = [new_key(tmp_path / str(number)) for number in range(5)]
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert len({read_key(str(path), VARIABLE) for path in paths}) == 5
    content = paths[0].read_bytes()
    with pytest.raises(ProtectionError, match="exists, and whatever is encrypted with a key is lost with it"):
        new_key(paths[0])
    assert paths[0].read_bytes() == content
    with pytest.raises(ProtectionError, match="cannot be made"):
        new_key(tmp_path / "absent" / "key")


def test_purposes_give_keys_that_differ() -> None:
    found = {
        KEY,
        *(derived(KEY, purpose) for purpose in ("wrapping", "seal", "key id")),
        derived(bytes(32), "seal"),
    }
    assert len(found) == 5
    assert {len(one) for one in found} == {32}
    assert len(key_id(KEY)) == 8
    assert key_id(KEY) not in KEY


def run_module(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runtime.keys", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_command_makes_a_key_and_prints_where(tmp_path: Path, project_root: Path) -> None:
    done = run_module("new", str(tmp_path / "key"), cwd=project_root)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'key'}\n", "")
    assert len(read_key(str(tmp_path / "key"), VARIABLE)) == 32


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_file(tmp_path / "key")
    assert main(["new", str(tmp_path / "key")]) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert len(found.err.splitlines()) == 1


def test_the_command_exchanges_the_key_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (new_key(tmp_path / name) for name in ("old", "new"))
    path = tmp_path / "train.parquet.enc"
    with encrypting(path, read_key(str(old), VARIABLE), "train.parquet") as file:
        file.write(b"content")
    arguments = ["rewrap", "--from", str(old), "--to", str(new), str(path)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{path}\n"
    with decrypted(path, read_key(str(new), VARIABLE), "train.parquet") as file:
        assert file.read() == b"content"
    assert main(arguments) == 0
    once_more = capsys.readouterr()
    assert once_more.out == ""
    assert once_more.err == "nothing to do: everything there has the new key already.\n"
    assert main(["rewrap", "--from", str(old), "--to", str(old), str(path)]) == 1
    assert "another key" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["old"], ["rewrap", "--from", "x", "y"]])
def test_a_wrong_command_line_ends_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
