from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from train.section import Section, entries_of, text_encoding


class Point(Section):
    """A section as small as can be."""

    x: float = Field(0.0, description="where")


def test_a_section_is_closed_to_unknown_keys_and_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="y"):
        Point(y=1.0)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Point().x = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("value", ["1", True, float("nan"), float("inf")])
def test_a_section_converts_nothing(value: object) -> None:
    with pytest.raises(ValidationError):
        Point(x=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf_8", "U8"])
def test_an_encoding_has_one_name(name: str) -> None:
    assert text_encoding(name) == "utf-8"


@pytest.mark.parametrize("name", ["base64", "rot13", "utf9", "undefined", "idna"])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a text encoding"):
        text_encoding(name)


@given(st.lists(st.sampled_from(["fold", "trim"]), unique=True))
def test_names_of_the_table_pass_in_their_order(names: list[str]) -> None:
    assert entries_of({"fold": 1, "trim": 2}, "step", tuple(names)) == tuple(names)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'trim' stands there twice; name each step once"):
        entries_of({"fold": 1, "trim": 2}, "step", ("trim", "fold", "trim"))


def test_a_name_outside_the_table_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="'trm' is not a step; did you mean 'trim'"):
        entries_of({"fold": 1, "trim": 2}, "step", ("fold", "trm"))
