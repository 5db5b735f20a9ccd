"""Of what strangers write, that is kept which people see."""

import pytest

from blubees.connectors.importers.untrusted import clean_line, clean_text, has_unseen


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Adds two numbers.", "Adds two numbers."),
        ("a\u202egnorts\u202cb", "agnortsb"),
        ("in\u200bvi\u2060si\ufeffble", "invisible"),
        ("tags\U000e0049\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065", "tags"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07end\x00", "red end"),
        ("selectors\U000e0100\ufe0f", "selectors"),
        ("a\r\nb\n\n\n\nc\td", "a\nb\n\nc\td"),
        ("Grüße, 世界 👍", "Grüße, 世界 👍"),
        ("half \ud800 a character", "half  a character"),
        (None, ""),
        ({"a": 1}, ""),
    ],
)
def test_what_people_do_not_see_is_taken_out(text: object, kept: str) -> None:
    assert clean_text(text) == kept


def test_a_text_has_an_end() -> None:
    assert clean_text("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert clean_line("two\nlines  and more", 12) == "two lines a…"


def test_what_hides_something_is_told() -> None:
    assert has_unseen("tags\U000e0049")
    assert has_unseen("a\x1b[2Jb")
    assert not has_unseen("Grüße\n世界")
    assert not has_unseen(None)
