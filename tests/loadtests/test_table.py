"""Tables align their columns."""

from __future__ import annotations

from loadtests.table import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("name", "n"), [("a", "1"), ("longer", "1,000")]).splitlines() == [
        "name        n",
        "-------------",
        "a           1",
        "longer  1,000",
    ]
