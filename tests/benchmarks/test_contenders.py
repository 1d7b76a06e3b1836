"""Who cannot run here is left out with a reason, and everyone else takes part."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import contenders, engines, servers
from benchmarks.contenders import CONTENDERS, GPU_CONTENDERS, INFINITY, LARGEST_DIFFERENCE, available


@pytest.mark.parametrize("contender", [*CONTENDERS.values(), *GPU_CONTENDERS.values()])
def test_a_contender_names_what_exists(contender: contenders.Contender) -> None:
    assert contender.loader or contender.server
    assert contender.loader in {None, *engines.LOADERS}
    assert contender.server in {None, *servers.SERVERS}
    assert contender.precision in LARGEST_DIFFERENCE


def test_infinity_takes_part_where_its_program_is() -> None:
    found, missing = available("cpu", None)
    assert INFINITY not in found
    assert [sentence for sentence in missing if "give --infinity" in sentence] == missing
    found, missing = available("cpu", Path("/opt/infinity_emb"))
    assert list(found) == list(CONTENDERS)
    assert missing == []


def test_only_the_named_take_part() -> None:
    found, missing = available("cpu", None, ["torch bf16"])
    assert (list(found), missing) == (["torch bf16"], [])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "find_spec", lambda name: None if name == "openvino" else object())
    found, missing = available("cpu", Path("/opt/infinity_emb"))
    assert set(CONTENDERS) - set(found) == {"openvino bf16", "openvino int8"}
    assert all("openvino is not installed" in sentence for sentence in missing)


def test_a_gpu_has_baselines_of_its_own() -> None:
    found, _ = available("cuda:0", None)
    assert contenders.GPU_PIPELINE in found
    assert "openvino int8" not in found


def test_the_given_program_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders.shutil, "which", lambda _: "/usr/bin/infinity_emb")
    assert contenders.find_infinity(None) == Path("/usr/bin/infinity_emb")
    assert contenders.find_infinity(Path("/mine")) == Path("/mine")
    monkeypatch.setattr(contenders.shutil, "which", lambda _: None)
    assert contenders.find_infinity(None) is None
