"""Grades are computed: what is taken away from a trusted connector lowers its grade, and the reason is told."""

from collections.abc import Callable

import msgspec
import pytest

from blubees.connectors.contract.grade import CHECKS, Grade, grade_connector, tell_lacks
from blubees.connectors.contract.problems import ConnectorError
from blubees.connectors.contract.reader import read_connector
from blubees.main.connector_files import write_scaffold
from blubees.model.action import Action
from blubees.model.connector import Connector

ACTION = """
  act_{n}:
    group: Things
    docs_url: https://acme.example/docs/{n}
    request: {{path: /things}}
    inputs: {{q: {{type: text, description: What.}}}}
    pages: {{kind: page, items: things, input: page, size_input: size, size: 1}}
    gives: {{at: things, schema: {{type: array}}}}
    effect: read
    scopes: [read]
    examples:
      - inputs: {{q: a}}
        asks: {{path: /things}}
        replies: [{{body: {{things: [1]}}}}, {{body: {{things: []}}}}]
        gives: [1]
      - {{inputs: {{q: a}}, replies: {{status: 429}}, fails: busy}}
"""
TEXT = """
name: acme
title: Acme
description: Things.
docs_url: https://acme.example/docs
base_url: https://acme.example
auth: {kind: bearer, scopes: {read: Read}, docs: There.}
errors: [{status: 429, means: busy, wait_header: retry-after}, {status: 401, means: credential_refused}]
trial: {action: act_0, inputs: {q: a}}
triggers:
  made: {sort: webhook, hook: {by_hand: There.}, sample: {a: 1}}
actions:""" + "".join(ACTION.format(n=number) for number in range(10))
TRUSTED = read_connector(TEXT, "acme.yaml")
Change = Callable[[Connector], Connector]


def of_action(**changes: object) -> Change:
    def change(connector: Connector) -> Connector:
        action = msgspec.structs.replace(connector.actions["act_1"], **changes)
        assert isinstance(action, Action)
        return msgspec.structs.replace(connector, actions={**connector.actions, "act_1": action})

    return change


def of_connector(**changes: object) -> Change:
    return lambda connector: msgspec.structs.replace(connector, **changes)


def without(*examples: int) -> Change:
    def change(connector: Connector) -> Connector:
        kept = [each for number, each in enumerate(connector.actions["act_1"].examples) if number not in examples]
        return of_action(examples=tuple(kept))(connector)

    return change


def test_nothing_lacks() -> None:
    assert grade_connector(TRUSTED).lacks == {}
    assert grade_connector(TRUSTED).grade is Grade.TRUSTED


BREAKS: dict[str, Change] = {
    "examples": without(0),
    "asks": lambda each: of_action(
        examples=tuple(msgspec.structs.replace(one, asks=()) for one in each.actions["act_1"].examples)
    )(each),
    "failures": without(1),
    "errors": of_connector(errors=()),
    "docs": of_action(docs_url=""),
    "described": lambda each: of_action(
        inputs={"q": msgspec.structs.replace(each.actions["act_1"].inputs["q"], description="")}
    )(each),
    "trial": of_connector(trial=None),
    "effects": of_action(effect="unsafe"),
    "actions": lambda each: of_connector(actions={"act_0": each.actions["act_0"]})(each),
    "triggers": of_connector(triggers={}),
    "pages": of_action(examples=()),
    "limits": lambda each: of_connector(errors=(msgspec.structs.replace(each.errors[0], wait_header=""), each.errors[1]))(each),
    "scopes": of_action(scopes=()),
    "results": lambda each: of_action(answer=msgspec.structs.replace(each.actions["act_1"].answer, schema={}))(each),
    "groups": of_action(group=""),
}


def test_each_check_is_tried() -> None:
    assert set(BREAKS) == set(CHECKS)


@pytest.mark.parametrize("name", BREAKS)
def test_what_lacks_lowers_the_grade_unless_it_is_exempted(name: str) -> None:
    broken = BREAKS[name](TRUSTED)
    graded = grade_connector(broken)
    assert name in graded.lacks
    assert any(line.startswith(f"{name} (") for line in tell_lacks(graded))
    assert graded.grade is (Grade.DRAFT if CHECKS[name].grade is Grade.TESTED or len(graded.lacks) > 1 else Grade.TESTED)
    exempted = grade_connector(msgspec.structs.replace(broken, exemptions={name: "The vendor has none of it."}))
    assert name not in exempted.lacks
    assert exempted.exempted == {name: "The vendor has none of it."}


def test_an_exemption_names_a_check() -> None:
    with pytest.raises(ConnectorError, match="Did you mean triggers"):
        read_connector(TEXT + "exemptions: {trigers: The vendor has none.}\n", "acme.yaml")


def test_a_scaffold_is_a_draft() -> None:
    connector = read_connector(write_scaffold("acme_two"), "acme_two.yaml")
    assert connector.title == "Acme two"
    assert grade_connector(connector).grade in {Grade.DRAFT, Grade.TESTED}
