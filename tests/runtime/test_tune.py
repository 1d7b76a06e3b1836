"""Tuning times real models, recommends the one that takes most, and says what is wrong with its input."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import tune
from runtime.batching import Cost
from runtime.capacity import Capacity
from runtime.tune import Candidate, best, main, settings, statement


def candidate(
    within: float, highest: float = 100.0, directory: Path = Path("m"), threads: int = 2
) -> Candidate:
    return Candidate(
        directory=directory,
        threads=threads,
        compute="int8 on cpu",
        cost=Cost(2e-3, 1e-4, 0.0),
        capacity=Capacity(highest=highest, within=within, idle_p95_seconds=0.0304),
        lengths=tuple(range(1, 101)),
    )


def test_the_command_prints_a_table_a_statement_and_settings(
    project_root: Path, tiny_model_dir: Path
) -> None:
    command = [sys.executable, "-m", "runtime.tune", str(tiny_model_dir), "--threads", "1,2"]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    header, first, second, blank, said, *rest = done.stdout.splitlines()
    assert header.split("  ")[0] == "model"
    assert "texts/s within 200 ms" in header
    assert [row.split()[0] for row in (first, second)] == [tiny_model_dir.name] * 2
    assert "1 threads" in first
    assert "2 threads" in second
    assert blank == ""
    assert "texts/s at p95 < 200 ms for texts of" in said
    assert rest[-1].startswith("CLASSIFIER_THREADS=")


def test_an_encrypted_model_is_opened_with_the_key_of_the_service(
    encrypted_model: tuple[Path, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory, key = encrypted_model
    (tmp_path / "key").write_bytes(base64.b64encode(key))
    (tmp_path / "key").chmod(0o600)
    assert main([str(directory), "--threads", "1"]) == 1
    assert "is encrypted and no key is given" in capsys.readouterr().err
    monkeypatch.setenv("CLASSIFIER_KEY_FILE", str(tmp_path / "key"))
    assert main([str(directory), "--threads", "1"]) == 0
    assert "texts/s at p95" in capsys.readouterr().out


def test_every_setting_that_is_printed_exists(tmp_path: Path) -> None:
    from runtime.api.settings import Settings, variable

    names = [line.partition("=")[0] for line in settings(candidate(1.0))]
    assert len(names) == 2
    assert set(names) <= {variable(field) for field in Settings.model_fields}


def test_a_model_of_the_store_is_named_by_its_tag(tmp_path: Path) -> None:
    directory = tmp_path / "models" / "bert-classifier" / "int8"
    directory.mkdir(parents=True)
    assert "CLASSIFIER_MODEL=bert-classifier:int8" in list(settings(candidate(1.0, directory=directory)))


def test_the_best_takes_most_within_the_latency() -> None:
    slow, fast, late = candidate(10.0, 90.0), candidate(20.0, 40.0), candidate(0.0, 95.0)
    assert best([slow, fast, late]) is fast
    assert best([candidate(0.0, 10.0), late]) is late


def test_the_statement_says_rate_latency_and_lengths() -> None:
    assert statement(candidate(41.26), 200) == (
        "m takes 41.3 texts/s at p95 < 200 ms for texts of 50 tokens in the mean, 95 at p95, one a request."
    )


def test_a_latency_below_that_of_a_lone_text_is_told() -> None:
    said = statement(candidate(0.0), 5)
    assert "does not answer within 5 ms" in said
    assert "alone, a text takes 30 ms" in said


def test_without_a_model_that_is_fast_enough_no_settings_are_printed(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_model_dir), "--threads", "1", "--latency-ms", "0.001"]) == 1
    printed = capsys.readouterr().out
    assert "does not answer within 0.001 ms" in printed
    assert "CLASSIFIER_" not in printed


def test_texts_come_from_a_file_one_a_line(tmp_path: Path, tiny_model_dir: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("房间很好\n\n太差\n", encoding="utf-8")
    assert tune._texts(path, [tiny_model_dir]) == ["房间很好", "太差"]
    assert len(tune._texts(None, [tiny_model_dir])) == 4


def test_many_texts_are_thinned_evenly(tmp_path: Path, tiny_model_dir: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"text {number}" for number in range(10_000)), encoding="utf-8")
    found = tune._texts(path, [tiny_model_dir])
    assert 2_000 <= len(found) < 4_000
    assert found[-1] > "text 99"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), (b"\xff\xfe\x00", "UTF-8"), (b"\n \n", "holds no text")]
)
def test_unusable_texts_are_a_sentence(
    tmp_path: Path,
    tiny_model_dir: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    reason: str,
) -> None:
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    assert main([str(tiny_model_dir), "--texts", str(path)]) == 2
    assert reason in capsys.readouterr().err


def test_a_folder_without_a_model_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "has no manifest.json; give folders" in capsys.readouterr().err


def test_a_changed_model_is_not_tuned(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    (directory / "config.json").write_text("{}")
    assert main([str(directory)]) == 1
    assert "config.json has sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--threads", "0"], ["--threads", "1,x"], ["--latency-ms", "0"], ["--latency-ms", "nan"], []],
)
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["model", *arguments] if arguments else [])
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_threads_double_up_to_the_cpus(most: int, expected: list[int]) -> None:
    assert tune._doubling(most) == expected
