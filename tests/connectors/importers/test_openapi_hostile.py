"""A hostile document costs little, is refused in one sentence, or what is bad of it is left out."""

import time
from typing import Any

import pytest

from blubees.connectors.importers.limits import NOTES_MAX
from blubees.connectors.importers.openapi import forms, operations, reader
from blubees.connectors.importers.openapi.reader import read_openapi
from blubees.model.errors import InputError
from fakes.openapi import answer, json_body, make_document

SECONDS = 5.0  # on a busy machine; each of these takes milliseconds


@pytest.fixture(autouse=True)
def quick() -> Any:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize(
    "document",
    [{}, {"openapi": "4.0.0", "paths": {"/a": {}}}, {"swagger": "1.2"}, {"openapi": "3.1.0"}, {"openapi": "3.1.0", "paths": []}, {"openapi": ["3.1.0"]}, {"openapi": "3.1.0", "paths": {"/a": []}}],
)  # fmt: skip
def test_what_is_no_document_of_openapi_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_openapi(document, "x")


def test_forms_that_name_each_other_many_times_cost_no_more() -> None:
    schemas: dict[str, Any] = {f"A{n}": {"allOf": [{"$ref": f"#/components/schemas/A{n + 1}"}] * 10} for n in range(50)}
    schemas["A50"] = {"properties": {"end": {"type": "string"}}}
    document = make_document(json_body({"$ref": "#/components/schemas/A0"}), method="post", components={"schemas": schemas})
    connector = read_openapi(document, "x").connector
    assert len(connector.schemas) == 51
    assert list(connector.actions["post_things"].inputs) == ["end"]


def test_a_circle_of_references_leads_nowhere() -> None:
    schemas = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}
    found = read_openapi(make_document(answer({"$ref": "#/components/schemas/A"}), components={"schemas": schemas}), "x")
    assert found.connector.actions["get_things"].answer.schema == {}
    document = make_document(components={"parameters": {"p": {"$ref": "#/components/parameters/p"}}})
    document["paths"]["/things"]["get"]["parameters"] = [{"$ref": "#/components/parameters/p"}]
    assert read_openapi(document, "x").connector.actions["get_things"].inputs == {}


def test_an_allof_of_itself_ends() -> None:
    schemas = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}, {"properties": {"a": {}}}]}}
    document = make_document(json_body({"$ref": "#/components/schemas/A"}), method="post", components={"schemas": schemas})
    assert list(read_openapi(document, "x").connector.actions["post_things"].inputs) == ["a"]


def test_a_schema_that_is_deeper_than_any_allows_anything_below() -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"properties": {"a": deep}}
    found = read_openapi(make_document(answer(deep)), "x")
    assert any("deeper than 64 levels" in note for note in found.notes)


@pytest.mark.parametrize("limit", ["paths", "operations", "forms", "inputs"])
def test_a_document_past_a_limit_is_refused_or_loses_what_is_too_much(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = make_document()
    if limit in {"paths", "operations"}:
        monkeypatch.setattr(reader, "OPERATIONS_MAX", 9)
        one: dict[str, Any] = {"get": {"responses": {}}, "post": {"responses": {}}}
        document["paths"] = {f"/a{n}": one for n in range(10 if limit == "paths" else 5)}
    elif limit == "forms":
        monkeypatch.setattr(forms, "FORMS_MAX", 9)
        schemas = {f"A{n}": {"items": {"$ref": f"#/components/schemas/A{n + 1}"}} for n in range(20)}
        document = make_document(answer({"$ref": "#/components/schemas/A0"}), components={"schemas": schemas})
    else:
        monkeypatch.setattr(operations, "INPUTS_MAX", 9)
        document["paths"]["/things"]["get"]["parameters"] = [{"name": f"p{n}", "in": "query"} for n in range(10)]
        found = read_openapi(document, "x")
        assert (found.left_out, found.connector.actions) == (1, {})
        return
    with pytest.raises(InputError, match=r"allowed are|more than"):
        read_openapi(document, "x")


def test_a_body_with_more_properties_than_inputs_is_one_input() -> None:
    action = read_openapi(make_document(json_body({"properties": {f"p{n}": {} for n in range(501)}}), method="post"), "x")
    assert list(action.connector.actions["post_things"].inputs) == ["body"]


def test_notes_are_bounded_and_repeat_little() -> None:
    document = make_document()
    document["paths"] = {f"/a{n} {'x' * 5_000}\x1b[31m": {"get": {"responses": {}}} for n in range(1_000)}
    found = read_openapi(document, "x")
    assert found.left_out == 1_000
    assert len(found.notes) == NOTES_MAX + 1
    assert found.notes[-1] == "and 800 notes more"
    assert all(len(note) < 300 and "\x1b" not in note for note in found.notes)


def test_names_of_a_hostile_document_are_made_harmless() -> None:
    operation = {
        "operationId": "__proto__",
        "summary": "a\x00b\u202ec\x1b[31m<script>x</script>" + "y" * 10_000,
        "tags": ["constructor\n\n"],
        "description": "z" * 100_000,
    }
    operation |= answer({"$ref": "#/components/schemas/__proto__"})
    schemas = {"__proto__": {"properties": {"__proto__": {"type": "string"}, "a" * 300: {}, "b": {"type": "string"}}}}
    document = make_document(operation, components={"schemas": schemas}, info={"title": ["no text"], "version": {}})
    connector = read_openapi(document, "things").connector
    (action,) = connector.actions.values()
    assert list(connector.actions) == ["proto"]
    assert action.title.isprintable()
    assert "\u202e" not in action.title
    assert len(action.title) <= 120
    assert len(action.description) <= 1_000
    (name,) = connector.schemas
    assert name.startswith("proto")
    assert list(connector.schemas[name]["properties"]) == ["b"]
    assert connector.title == "Things"


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        1,
        "x",
        [],
        {},
        {"$ref": 1},
        {"$ref": "#"},
        {"$ref": "#/paths"},
        [{"$ref": "#/nowhere"}],
        True,
        {"a": None},
        {"": {"": {"": None}}},
    ],
)
def test_garbage_where_an_object_should_be_does_no_harm(garbage: Any) -> None:
    for key in (
        "parameters",
        "requestBody",
        "responses",
        "tags",
        "security",
        "servers",
        "callbacks",
        "summary",
        "description",
        "externalDocs",
        "operationId",
    ):
        read_openapi(make_document({"responses": {}} | {key: garbage}, method="post"), "x")
        read_openapi({"swagger": "2.0", "paths": {"/a": {"post": {key: garbage}}}}, "x")
    for key in ("servers", "components", "webhooks", "security", "info", "externalDocs", "tags"):
        read_openapi(make_document() | {key: garbage}, "x")
    for key in ("content", "required", "headers", "links"):
        read_openapi(make_document({"requestBody": {key: garbage}, "responses": {"200": {key: garbage}}}, method="post"), "x")
    for key in ("schemas", "securitySchemes", "parameters"):
        read_openapi(make_document(components={key: garbage}), "x")
    for key in (
        "type",
        "properties",
        "items",
        "allOf",
        "enum",
        "required",
        "pattern",
        "minimum",
        "additionalProperties",
        "discriminator",
        "format",
        "title",
        "nullable",
        "not",
    ):
        read_openapi(make_document(answer({key: garbage})), "x")
    for key in ("name", "in", "schema", "style", "explode", "content", "example", "examples", "required"):
        read_openapi(make_document({"parameters": [{"name": "a", "in": "query"} | {key: garbage}], "responses": {}}), "x")
    for key in ("type", "in", "name", "scheme", "flows", "scopes"):
        read_openapi(make_document(components={"securitySchemes": {"a": {"type": "oauth2"} | {key: garbage}}}), "x")
    media = {"application/json": garbage, "multipart/form-data": {"schema": {"properties": {"a": {}}}, "encoding": garbage}}
    read_openapi(make_document({"requestBody": {"content": media}, "responses": {}}, method="post"), "x")
