"""Each mode does what the recipe says with what is found; keys are kept, values are not."""

from __future__ import annotations

import base64
import logging
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ProtectionError, RecipeError
from runtime.normalize import normalize
from runtime.pii import DEFAULT_KINDS, RECOGNIZERS, find
from train.data import presidio
from train.data.preparation import PrivacySection
from train.data.privacy import KEY_VARIABLE, Anonymizer, canonical, normalizers_of, placeholder, pseudonym

KEY = bytes(range(32))
VALUES = {
    "url_credentials": "root:a1b2",
    "email": "zhang.san@163.com",
    "mac": "00-1A-2B-3C-4D-5E",
    "ip": "192.168.1.10",
    "resident_id": "11010519491231002X",
    "bank_card": "6225880123456783",
    "mobile": "13812345678",
    "landline": "010-62345678",
    "passport": "E12345678",
    "plate": "京A12345",
    "wechat": "abc_123",
    "qq": "12345678",
    "name": "张燕",
}
TEXT = "手机13812345678或138 1234 5678，邮箱a@b.cn；"
KINDS = st.lists(st.sampled_from(list(RECOGNIZERS)), min_size=1, unique=True).map(tuple)
TEXTS = st.lists(
    st.sampled_from([*VALUES.values(), TEXT, "，", "QQ", "微信号", "我叫", "https://", "@a.cn", "吖", "1"]),
    max_size=8,
).map("".join)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch, _no_key: None) -> None:
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(KEY).decode())


def test_detecting_counts_and_changes_nothing() -> None:
    anonymizer = Anonymizer(PrivacySection(mode="detect"))
    assert anonymizer(TEXT) == TEXT
    assert anonymizer("房间很好") == "房间很好"
    assert anonymizer.counts == {"mobile": 2, "email": 1}


def test_dropping_gives_none_where_there_is_something() -> None:
    anonymizer = Anonymizer(PrivacySection(mode="drop", kinds=("email",)))
    assert anonymizer(TEXT) is None
    assert anonymizer("手机13812345678") == "手机13812345678"
    assert anonymizer.counts == {"email": 1}


def test_placeholders_are_those_of_serving() -> None:
    section = PrivacySection(mode="placeholder")
    anonymizer = Anonymizer(section)
    assert anonymizer(TEXT) == "手机【手机号】或【手机号】，邮箱【邮箱】；"
    assert anonymizer.counts == {"mobile": 2, "email": 1}
    assert normalizers_of(section) == ("mask_pii",)


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (("qq", "email"), ("mask_email", "mask_qq")),
        (("name", *DEFAULT_KINDS[::-1]), ("mask_pii", "mask_name")),
        (("name",), ("mask_name",)),
    ],
)
def test_the_names_for_serving_are_those_of_the_kinds(kinds: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert normalizers_of(PrivacySection(mode="placeholder", kinds=kinds)) == names
    assert normalizers_of(PrivacySection(mode="detect", kinds=kinds)) == ()


@given(text=TEXTS, kinds=KINDS | st.just(DEFAULT_KINDS))
def test_training_sees_exactly_what_serving_will(text: str, kinds: tuple[str, ...]) -> None:
    section = PrivacySection(mode="placeholder", kinds=kinds)
    anonymizer = Anonymizer(section)
    assert anonymizer(text) == normalize(text, normalizers_of(section))
    assert set(anonymizer.counts) <= set(kinds)


def test_a_value_uncovered_by_a_later_kind_is_masked_and_counted() -> None:
    section = PrivacySection(mode="placeholder", kinds=("mac", "mobile"))
    anonymizer = Anonymizer(section)
    text = "00:1a:2b:3c:4d:5e:13812345678"
    assert anonymizer(text) == normalize(text, normalizers_of(section)) == "【MAC】:【手机号】"
    assert anonymizer.counts == {"mac": 1, "mobile": 1}


@pytest.mark.usefixtures("_key")
def test_equal_values_have_one_pseudonym_whatever_their_form() -> None:
    first = Anonymizer(PrivacySection(mode="pseudonym"))
    again = Anonymizer(PrivacySection(mode="pseudonym"))
    text = first(TEXT)
    assert text == again(TEXT)
    assert text is not None
    one, other = [text[span : span + 14] for span in range(len(text)) if text.startswith("【手机号:", span)]
    assert one == other
    assert "138" not in text
    assert first("手机13812345679") != first("手机13812345678")


@pytest.mark.parametrize("kind", RECOGNIZERS)
def test_a_pseudonym_names_its_kind_and_depends_on_the_key(kind: str) -> None:
    one, other = pseudonym(KEY, kind, VALUES[kind]), pseudonym(KEY[::-1], kind, VALUES[kind])
    assert one != other
    assert len(one) == len(placeholder(kind)) + 9
    assert one.startswith(f"{placeholder(kind)[:-1]}:")


def test_one_value_of_two_kinds_has_two_pseudonyms() -> None:
    assert pseudonym(KEY, "qq", "12345678")[-9:] != pseudonym(KEY, "landline", "12345678")[-9:]


@given(kind=st.sampled_from(list(RECOGNIZERS)), key=st.binary(min_size=32, max_size=32))
def test_a_pseudonym_is_taken_for_no_value(kind: str, key: bytes) -> None:
    name = pseudonym(key, kind, VALUES[kind])
    for before in ("", "电话", "微信号：", "护照", "QQ", "我叫", "车牌京", "@", "1"):
        for text in (f"{before}{name}", f"{before}{name}13", f"{name[1:-1]}，"):
            assert find(text, tuple(RECOGNIZERS)) == []


@pytest.mark.usefixtures("_key")
@given(text=TEXTS)
def test_nothing_is_found_in_what_pseudonyms_leave(text: str) -> None:
    replaced = Anonymizer(PrivacySection(mode="pseudonym"))(text)
    assert replaced is not None
    assert find(replaced) == []


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ("mobile", "+86 138-1234-5678", "１３８１２３４５６７８"),
        ("mobile", "8613812345678", "(+86)13812345678"),
        ("landline", "+86-10-62345678", "(010) 6234 5678"),
        ("resident_id", "11010519491231002x", "110105 19491231 002X"),
        ("bank_card", "6225-8801-2345-6783", "6225880123456783"),
        ("email", "ZHANG@A.CN", "zhang@a.cn"),
        ("plate", "京A·12345", "京a12345"),
        ("mac", "00-1A-2B-3C-4D-5E", "00:1a:2b:3c:4d:5e"),
    ],
)
def test_forms_of_one_value_are_one(kind: str, left: str, right: str) -> None:
    assert canonical(kind, left) == canonical(kind, right)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ("mobile", "13812345678", "13812345679"),
        ("url_credentials", "root:Abc", "root:abc"),
        ("email", "a.b@a.cn", "ab@a.cn"),
        ("ip", "1.23.4.10", "12.3.4.10"),
        ("ip", "2001:db8::1:2", "2001:db8::12"),
    ],
)
def test_two_values_stay_two(kind: str, left: str, right: str) -> None:
    assert canonical(kind, left) != canonical(kind, right)


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    """Write a key file and return its path."""
    path = folder / "privacy.key"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (base64.b64encode(KEY), 0o644, "others can read"),
        (base64.b64encode(b"short"), 0o600, "must be 32 bytes"),
        (b"", 0o600, "must be 32 bytes"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_key_that_protects_nothing_is_refused(
    tmp_path: Path, content: bytes | None, mode: int, reason: str
) -> None:
    path = str(tmp_path / "none") if content is None else key_file(tmp_path, content, mode)
    for wanting in ("pseudonym", "surrogate"):
        with pytest.raises(ProtectionError, match=reason) as raised:
            Anonymizer(PrivacySection.model_validate({"mode": wanting, "key_file": path}))
        assert str(raised.value).count(". ") == 0
        assert not content or content.decode() not in str(raised.value)


def test_without_a_key_there_are_no_pseudonyms() -> None:
    with pytest.raises(ProtectionError, match=KEY_VARIABLE):
        Anonymizer(PrivacySection(mode="pseudonym"))


def test_the_key_of_the_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PrivacySection(mode="pseudonym", key_file=key_file(tmp_path, base64.b64encode(KEY[::-1])))
    of_file = Anonymizer(section)(TEXT)
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(KEY).decode())
    assert Anonymizer(section)(TEXT) == of_file != Anonymizer(PrivacySection(mode="pseudonym"))(TEXT)


def test_surrogates_are_the_same_within_a_data_set_and_others_with_another_seed_or_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Anonymizer(PrivacySection(mode="surrogate"))
    text = first(TEXT)
    assert text == Anonymizer(PrivacySection(mode="surrogate"))(TEXT) != TEXT
    assert [span.kind for span in find(text or "")] == ["mobile", "mobile", "email"]
    one, other, _ = [(text or "")[span.start : span.end] for span in find(text or "")]
    assert one == other != "13812345678"
    assert Anonymizer(PrivacySection(mode="surrogate", seed=43))(TEXT) != text
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(KEY).decode())
    assert Anonymizer(PrivacySection(mode="surrogate"))(TEXT) != text


@pytest.mark.usefixtures("_key")
@pytest.mark.parametrize("mode", ["detect", "placeholder", "pseudonym", "surrogate", "drop"])
def test_another_process_does_the_same(mode: str) -> None:
    here = Anonymizer(PrivacySection.model_validate({"mode": mode}))
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - our own
    assert there(TEXT) == here(TEXT)
    assert there.counts == here.counts


@pytest.mark.usefixtures("_key")
def test_neither_key_nor_values_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for mode in ("detect", "pseudonym", "surrogate"):
        Anonymizer(PrivacySection.model_validate({"mode": mode}))(TEXT)
    assert "13812345678" not in caplog.text
    assert base64.b64encode(KEY).decode() not in caplog.text


def test_presidio_is_asked_for_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RecipeError, match=r"pip install 'presidio-analyzer"):
        Anonymizer(PrivacySection(presidio=True))


def test_presidio_looks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio, "require", lambda: None)
    monkeypatch.setattr(presidio, "find_more", lambda text, kinds: find(text, kinds)[:1])
    anonymizer = Anonymizer(PrivacySection(mode="detect", presidio=True))
    anonymizer(TEXT)
    assert anonymizer.counts == {"mobile": 1}
