"""The page of what works with what says what the tests of the registries show, and every empty cell says why."""

from __future__ import annotations

from support.proofs import PAGE, all_cells, rendered


def test_the_page_says_what_tests_show() -> None:
    assert PAGE.read_text() == rendered(all_cells()), "make it anew: make golden"


def test_no_cell_is_empty_without_a_reason() -> None:
    assert "|  |" not in PAGE.read_text()
