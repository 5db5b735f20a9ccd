"""The page about smart values is what the function table says."""

from pathlib import Path

from blubees.expressions.reference import render_reference


def test_the_page_is_made_from_the_table() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "smart-values.md"
    assert page.read_text() == render_reference()
