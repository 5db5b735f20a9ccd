"""A token in the place of any text of any example is in nothing that comes out."""

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest

from blubees.flows.jira_rules.translate import import_rules
from blubees.steps.book import load_book
from flows.jira_rules import examples
from flows.jira_rules.examples import COMMENT, CREATED, component, rule

CANARY = "cNry8Kd3mQz7pWo5"
TOKEN = f"ghp_{CANARY}{CANARY}"
BOOK = load_book()
CASES = [
    (kind, name, value)
    for kind in ("TRIGGERS", "CONDITIONS", "BRANCHES", "ACTIONS")
    for name, value, _ in getattr(examples, kind)
]


def plant(value: Any) -> Iterator[Any]:
    """Copies of a value, each with another text (or name of a part) exchanged for the token, or followed by it."""
    if isinstance(value, str):
        yield TOKEN
        yield f"{value} {TOKEN}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in plant(inner))
            yield {**{name: each for name, each in value.items() if name != key}, TOKEN: inner}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ([*value[:number], other, *value[number + 1 :]] for other in plant(inner))


@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=[case[1] for case in CASES])
def test_a_token_in_the_place_of_any_text_is_nowhere(kind: str, name: str, value: Any) -> None:
    word = "BRANCH" if kind == "BRANCHES" else kind.removesuffix("S")
    for planted in plant(value):
        made = component(word, name, planted, children=[COMMENT] if kind == "BRANCHES" else [])
        document = rule(made, COMMENT) if kind == "TRIGGERS" else rule(CREATED, made, COMMENT)
        report = import_rules(orjson.dumps([document]), BOOK)
        said = msgspec.json.encode(report).decode()
        assert CANARY.casefold() not in said.casefold(), planted
