"""`*` in a path of a body: each item of a list goes below it."""

from typing import Any

import pytest

from blubees.connectors.actions.paths import put_in


@pytest.mark.parametrize(
    ("path", "value", "made"),
    [
        (("to", "*", "email", "address"), ["a", "b"], {"to": [{"email": {"address": "a"}}, {"email": {"address": "b"}}]}),
        (("message", "to", "*", "address"), ["a"], {"message": {"to": [{"address": "a"}]}}),
        (("items", "*", "ids", "*", "id"), [["a"], []], {"items": [{"ids": [{"id": "a"}]}, {"ids": []}]}),
        (("to", "*", "address"), [], {"to": []}),
    ],
)
def test_each_item_goes_below(path: tuple[str, ...], value: list[Any], made: dict[str, Any]) -> None:
    document: dict[str, Any] = {}
    put_in(document, path, value)
    assert document == made
