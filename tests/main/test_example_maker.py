"""Examples that are made of a vendor's document: what is asked is worked out from the document, so they find what differs."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from blubees.connectors.contract.made_examples import add_examples, write_examples
from blubees.connectors.contract.reader import read_connector
from blubees.connectors.contract.trying import try_examples
from blubees.main.connector_files import main
from blubees.main.example_maker import Maker
from blubees.main.example_values import ANSWER_MAX_BYTES, make_named, shorten_answer
from blubees.model.connector import Connector

FILE = """
name: acme
base_url: https://api.acme.example/v1
auth: {kind: bearer, docs: Ask}
errors: [{status: "401", means: credential_refused}, {status: "404", means: not_found}, {status: "4xx", means: request_refused}]
actions:
  add_thing:
    request: {method: POST, path: "/box/{boxId}/things"}
    inputs: {box: text at boxId, name: text, tags: "list?", note: "text?"}
    gives: {schema: {type: object}}
    effect: unsafe
  list_things:
    request: {method: GET, path: "/things"}
    inputs: {start: "integer?", size: "integer?", kind: text in query}
    pages: {kind: offset, items: values, input: start, size_input: size, size: 50, total: total, last: isLast}
    gives: {at: values, schema: {type: array}}
    effect: read
  list_people:
    request: {method: GET, path: "/people"}
    pages: {kind: offset, input: start, size_input: size, size: 20, until_empty: true}
    gives: {schema: {type: array}}
    effect: read
  list_marks:
    request: {method: GET, path: "/marks"}
    pages: {kind: cursor, items: values, input: cursor, next: meta.next, size: 20}
    gives: {at: values, schema: {type: array}}
    effect: read
  get_file:
    request: {method: GET, path: "/file", fixed: {query: {redirect: "false"}}}
    gives: {is_file: true}
    effect: read
  begin_task:
    request: {method: POST, path: "/task"}
    gives: {statuses: [303], outputs: {task: {type: "url?", header: location}}}
    effect: unsafe
"""
USER = {"accountId": "5b", "self": "https://x", "avatarUrls": {"16x16": "https://x"}, "email": "mia@atlassian.com"}
JSON = "application/json"


def say(status: int, example: object = None, description: str = "") -> dict[str, Any]:
    content = {JSON: {"example": example}} if example is not None else {}
    return {str(status): {"description": description, "content": content}}


def take(name: str, place: str, kind: str = "string", **more: object) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "schema": {"type": kind}, **more}


DOCUMENT: dict[str, Any] = {
    "components": {"schemas": {"Things": {"type": "object", "properties": {"values": {"type": "array"}}}}},
    "paths": {
        "/box/{boxId}/things": {
            "post": {
                "parameters": [take("boxId", "path")],
                "requestBody": {"content": {JSON: {"example": {"name": "a/b", "tags": ["x", "y"], "other": 1}}}},
                "responses": {
                    **say(201, orjson.dumps({"id": "1", "by": USER, "list": [{"n": 1}, {"n": 2}]}).decode()),
                    **say(400, description="Returned if:\n\n * the name is [taken](https://x).\n * it is long."),
                },
            }
        },
        "/things": {
            "get": {
                "parameters": [take("kind", "query", example="large")],
                "responses": {**say(200, {"values": [{"id": "8"}], "total": 9}), **say(404, {"error": "No such kind."})},
            }
        },
        "/people": {"get": {"responses": {**say(200, [USER])}}},
        "/marks": {"get": {"responses": {**say(200, {"values": ["a"]})}}},
        "/file": {"get": {"responses": {**say(200)}}},
        "/task": {"post": {"responses": {**say(303), **say(409, description="Returned if a task runs.")}}},
    },
}


def make(document: dict[str, Any] = DOCUMENT) -> Connector:
    connector = read_connector(FILE, "acme.yaml")
    made, lacking = Maker(connector, document).make_all()
    assert lacking == []
    return add_examples(connector, write_examples(made), "acme.examples.json")


@pytest.mark.parametrize("name", ["add_thing", "list_things", "list_people", "list_marks", "get_file", "begin_task"])
def test_what_is_made_is_true(name: str) -> None:
    whole = make()
    problems = asyncio.run(try_examples(whole, name, {}))
    assert [str(each) for each in problems] == []
    assert len(whole.actions[name].examples) == 2


def test_a_body_is_what_the_document_sends_and_an_answer_is_short() -> None:
    done, refused = make().actions["add_thing"].examples
    assert done.inputs == {"box": "10000", "name": "a/b", "tags": ["x"]}
    assert (done.asks[0].path, done.asks[0].body) == ("/v1/box/10000/things", {"name": "a/b", "tags": ["x"]})
    assert done.gives == {"id": "1", "by": {"accountId": "5b", "email": "ann@example.com"}, "list": [{"n": 1}]}
    assert (refused.replies[0].status, refused.fails) == (400, "request_refused")
    assert refused.replies[0].body == {"errorMessages": ["The name is taken."], "errors": {}}


def test_lists_are_walked() -> None:
    whole = make()
    things, people, marks = (whole.actions[name].examples[0] for name in ("list_things", "list_people", "list_marks"))
    assert [ask.query for ask in things.asks] == [
        {"kind": "large", "start": "0", "size": "50"},
        {"kind": "large", "start": "1", "size": "50"},
    ]
    assert things.gives == [{"id": "8"}, {"id": "9"}]
    assert [(ask.query or {})["start"] for ask in people.asks] == ["0", "20", "40"]
    assert [reply.body for reply in people.replies][-1] == []
    assert ["cursor" in (ask.query or {}) for ask in marks.asks] == [False, True]


def test_what_the_document_has_otherwise_is_found() -> None:
    connector = make()
    moved = msgspec.structs.replace(
        connector.actions["add_thing"], request=msgspec.structs.replace(connector.actions["add_thing"].request, method="PUT")
    )
    changed = msgspec.structs.replace(connector, actions={"add_thing": moved})
    problems = asyncio.run(try_examples(changed, "add_thing", {}))
    assert any("The method is PUT, expected POST." in str(each) for each in problems)
    assert Maker(changed, DOCUMENT).make_all()[1] == ["add_thing"]


def test_values_are_made_up_by_name_and_form() -> None:
    schemas = {"Kind": {"type": "string", "enum": ["b", "a"]}}
    assert make_named("kind", {"$ref": "#/components/schemas/Kind"}, schemas) == "b"
    assert make_named("schemeIds", {"type": "array", "items": {"type": "integer"}}, schemas) == [10000]
    assert make_named("displayName", {"type": "string"}, schemas) == "example-display-name"
    assert make_named("day", {"type": "string", "format": "date"}, schemas) == "2026-11-24"
    assert make_named("progress", {"type": "integer"}, schemas) == 40


def test_a_long_answer_is_cut_down() -> None:
    long = {"id": "1", "text": "x" * 300, "more": "y" * 300, "deep": {"a": {"b": {"c": "z" * 300}}}}
    short = shorten_answer(long)
    assert short["id"] == "1"
    assert len(orjson.dumps(short)) <= ANSWER_MAX_BYTES


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["examples", "slack", str(tmp_path / "nothing.json")]) == 2
    assert "its OpenAPI document" in capsys.readouterr().err
