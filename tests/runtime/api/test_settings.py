"""Settings come from `CLASSIFIER_*` alone, and a wrong one is told in one sentence."""

from __future__ import annotations

import traceback

import pytest
from pydantic.fields import FieldInfo

from runtime.api import settings as module
from runtime.api.settings import PREFIX, Settings, read_settings, variable
from runtime.errors import SettingsError

FIELDS = list(Settings.model_fields.items())


def test_defaults_need_no_environment() -> None:
    assert read_settings() == Settings()
    assert read_settings().model == "bert-classifier:latest"


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_setting_is_described(name: str, field: FieldInfo) -> None:
    assert field.description is not None
    assert field.description.endswith(".")


def test_a_variable_sets_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_MAX_TEXTS", "7")
    assert read_settings().max_texts == 7


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_MAX_TEXTS", "")
    assert read_settings() == Settings()


@pytest.mark.parametrize("name", ["CLASSIFIER_WORKER", "classifier_worker"])
def test_an_unknown_variable_names_the_nearest(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(
        SettingsError, match=f"{name} is not a setting; rename or unset it: did you mean 'CLASSIFIER_WORKERS'"
    ):
        read_settings()


REFUSED = [
    ("workers", "two"),
    ("workers", "0"),
    ("threads", "0"),
    ("device", "tpu"),
    ("device", "cpu,cuda:0"),
    ("model", "Bad Name"),
    ("model", "name:"),
    ("timeout_seconds", "-1"),
    ("timeout_seconds", "nan"),
    ("max_concurrency", "0"),
    ("max_batch_size", "1"),
    ("dispatcher", "cork"),
    ("max_batch_tokens", "0"),
    ("engine_timeout_seconds", "0"),
    ("max_texts", "0"),
    ("max_text_characters", "0"),
    ("max_body_bytes", "1"),
    ("key_file", "relative/key"),
    ("key", "short"),
    ("access_log", "perhaps"),
    ("tracing", "2"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_bad_value_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    monkeypatch.setenv(variable(field), value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    message = str(caught.value)
    shown = "not shown here" if field == "key" else repr(value)
    assert message.startswith(f"{PREFIX}{field.upper()} is {shown}: ")
    assert str(Settings.model_fields[field].description) in message
    assert "\n" not in message
    assert "^" not in message  # no regular expression


def test_every_setting_refuses_something() -> None:
    assert {field for field, _ in REFUSED} == set(Settings.model_fields)


def test_a_key_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "c2VjcmV0" * 5
    monkeypatch.setenv("CLASSIFIER_KEY", key + "c2Vj")
    settings = read_settings()
    assert settings.key is not None
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.limits)):
        assert "c2Vj" not in shown
    monkeypatch.setenv("CLASSIFIER_KEY", key * 2)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "c2Vj" not in "".join(traceback.format_exception(caught.value))


def test_workers_share_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cpus", lambda: 8)
    assert Settings(workers=3).threads_per_worker == 2
    assert Settings(workers=16).threads_per_worker == 1
    assert Settings(workers=3, threads=5).threads_per_worker == 5


def test_workers_take_devices_in_turn() -> None:
    settings = Settings(device="cuda:0,cuda:1")
    assert [settings.device_of(index) for index in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert Settings().device_of(5) == "cpu"
