"""What is completed: names of the data, functions of the value before the cursor, nothing outside of braces."""

import pytest

from blubees.expressions.completion import FOUND_MAX, complete
from blubees.expressions.functions import GLOBALS

SCOPE = {
    "issue": {
        "key": "AB-1",
        "fields": {"summary": "Hello", "Story Points": 5, "labels": ["a"], "avatar": {"48x48": "u", "a.b": 1}},
        "links": [{"type": "blocks", "to": "AB-2"}],
    },
    "now": None,
}


@pytest.mark.parametrize(
    ("before", "first", "replaces"),
    [
        ("iss", "issue", 3),
        ("{{iss", "issue", 3),
        ("text {{issue.sum", "summary", 3),
        ("{{issue.fields.sto", "Story Points", 3),
        ("{{#issue.lab", "labels", 3),
        ("{{^issue.lab", "labels", 3),
        ("issue.summary.lef", "left(", 3),
        ("issue.links.ty", "type", 2),
        ('issue.avatar."a', '"a.b"', 2),
        ('issue.summary.replace("a.b", issue.k', "key", 1),
        ("if(equals(issue.k", "key", 1),
        ("{{issue.nothing|issue.k", "key", 1),
        ("issue.labels.siz", "size()", 3),
        ("exis", "exists(", 4),
    ],
)
def test_the_cursors_name_is_completed(before: str, first: str, replaces: int) -> None:
    found = complete(before, SCOPE)
    assert (found[0].text, found[0].replaces) == (first, replaces)


@pytest.mark.parametrize(
    "before", ["{{issue.key}} iss", "issue.nothing.", "issue.key.(", "issue.summary.zzz", "{{issue.key.left(", "[[[."]
)
def test_where_nothing_fits_nothing_is_offered_or_only_names(before: str) -> None:
    assert all(each.text.rstrip("(") in {*SCOPE, *GLOBALS} for each in complete(before, SCOPE))


def test_a_number_is_offered_no_function_of_texts_and_the_list_is_bounded() -> None:
    names = {each.text for each in complete("issue.Story Points.", SCOPE)}
    assert "abs()" in names
    assert "toUpperCase()" not in names
    assert len(complete("x.", {"x": {f"n{number}": number for number in range(1_000)}})) == FOUND_MAX
