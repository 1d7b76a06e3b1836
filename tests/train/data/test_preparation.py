"""Wrong values of the sections that prepare data are refused with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import RecipeError
from runtime.pii import DEFAULT_KINDS
from train.data.preparation import PrivacySection
from train.recipe import read_recipe


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["privacy.mode=hide"], "'detect', 'placeholder', 'pseudonym', 'surrogate' or 'drop'"),
        (["privacy.kinds=mobil"], "did you mean 'mobile'?"),
        (["privacy.kinds=[]"], "at least 1"),
        (["privacy.presidio=true", "privacy.mode=placeholder"], "use the mode detect, pseudonym or drop"),
        (["privacy.presidio=true", "privacy.mode=surrogate"], "use the mode detect, pseudonym or drop"),
    ],
)
def test_a_wrong_value_of_privacy_is_refused_with_its_reason(
    project: Path, overrides: list[str], reason: str
) -> None:
    with pytest.raises(RecipeError, match="privacy") as raised:
        read_recipe(project, overrides)
    assert reason in str(raised.value)


def test_names_are_not_looked_for_unless_the_recipe_says_so(project: Path) -> None:
    assert PrivacySection().kinds == DEFAULT_KINDS
    assert "name" not in DEFAULT_KINDS
    recipe = read_recipe(project, ["privacy.kinds=name,mobile", "privacy.mode=placeholder"])
    assert recipe.privacy.kinds == ("name", "mobile")
