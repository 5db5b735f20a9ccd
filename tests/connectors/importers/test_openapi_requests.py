"""What is asked by an imported action is what its document allows: another reader (openapi-core) finds the values that were given.

Documents are made at random: every place, style and type of a parameter, and bodies of every kind.
"""

import warnings
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_core import OpenAPI
from werkzeug.datastructures import Headers

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.contract.check import check_connector
from blubees.connectors.importers.openapi.reader import read_openapi
from blubees.connectors.importers.openapi.refs import NeedsFilesError
from blubees.model.call import Call, CallAnswer
from blubees.model.connector import Connector
from devsite.document_mock import MockRequest

ORIGIN = "https://api.example.com"
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=",|.;=&%[]{}/?#+\"'\\"),
    min_size=1,
    max_size=8,
)
PLAIN = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_~", min_size=1, max_size=8)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFG", min_size=1, max_size=8)
STYLES = {
    "path": ("simple",),  # openapi-core reads label and matrix only where the path itself has their signs
    "query": (
        "form",
        "pipeDelimited",
        "deepObject",
    ),  # spaces it does not part; connectors/actions/styles.py has tests of its own
    "header": ("simple",),
    "cookie": ("form",),
}


class Noting:
    """Tools that note the call, and answer nothing."""

    def __init__(self) -> None:
        self.call_made: Call | None = None

    async def call(self, call: Call) -> CallAnswer:
        self.call_made = call
        return CallAnswer(status=204, headers={}, body=b"")

    async def call_jira(self, call: Call) -> CallAnswer:
        return await self.call(call)

    def now_milliseconds(self) -> int:
        return 0


@st.composite
def typed_values(draw: st.DrawFn, place: str, style: str) -> tuple[dict[str, Any], Any]:
    """A schema and a value of it, such as can stand there."""
    texts = TEXTS if place in {"path", "query"} else PLAIN
    kinds = ["array"] if style in {"spaceDelimited", "pipeDelimited"} else ["object"] if style == "deepObject" else []
    kind = draw(st.sampled_from(kinds or ["string", "integer", "boolean", "array", "object"]))
    if kind == "array":
        return {"type": "array", "items": {"type": "string"}}, draw(st.lists(texts, min_size=1, max_size=4))
    if kind == "object":
        names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        return {"type": "object", "properties": {name: {"type": "string"} for name in names}}, {
            name: draw(texts) for name in names
        }
    values: dict[str, st.SearchStrategy[Any]] = {"string": texts, "integer": st.integers(0, 10**9), "boolean": st.booleans()}
    return {"type": kind}, draw(values[kind])


@st.composite
def parameters(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """A parameter, and a value for it."""
    place = draw(st.sampled_from(sorted(STYLES)))
    style = draw(st.sampled_from(STYLES[place]))
    schema, value = draw(typed_values(place, style))
    name = draw(NAMES)
    if place == "header":
        name = f"X-{name}"
    explode = {"spaceDelimited": False, "pipeDelimited": False, "deepObject": True}.get(style, draw(st.booleans()))
    if schema["type"] == "object" and style == "form":
        explode = False  # openapi-core looks for the object's own name, which an exploded form does not send
    if place == "cookie":
        explode = False  # "&" in a cookie: OpenAPI 3.1.1 itself advises against it
    return {"name": name, "in": place, "required": True, "schema": schema, "style": style, "explode": explode}, value


async def ask(connector: Connector, given_inputs: dict[str, Any]) -> Call:
    (name,) = connector.actions
    tools = Noting()
    await compile_action(connector, name, {})(given_inputs, tools)
    assert tools.call_made is not None
    return tools.call_made


def read_back(document: dict[str, Any], call: Call) -> Any:
    """Have the other reader read the call."""
    url = f"{call.url}?{urlencode(call.query)}" if call.query else call.url
    request = MockRequest(url, call.method, Headers(list(call.headers)), call.body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = OpenAPI.from_dict(document).unmarshal_request(request)
        found.raise_for_errors()
    return found


def make_document(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    responses = {"204": {"description": "done"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Made", "version": "1"},
        "servers": [{"url": f"{ORIGIN}/v1"}],
        "paths": {path: {method: {"operationId": "do", "responses": responses} | operation}},
    }


@given(parameters())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_a_parameter_of_every_place_style_and_type_arrives_as_it_was_given(made: tuple[dict[str, Any], Any]) -> None:
    parameter, value = made
    path = f"/things/{{{parameter['name']}}}" if parameter["in"] == "path" else "/things"
    document = make_document(path, "get", {"parameters": [parameter]})
    connector = read_openapi(document, "made").connector
    assert check_connector(connector) == ()
    (name,) = connector.actions["do"].inputs
    found = read_back(document, await ask(connector, {name: value}))
    assert dict(getattr(found.parameters, parameter["in"])) == {parameter["name"]: value}


BODY_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, BODY_VALUES, min_size=1, max_size=5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_properties_of_a_json_body_arrive_as_they_were_given(body: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {name: {"nullable": True} for name in body}}
    document = make_document(
        "/things", "post", {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    )
    connector = read_openapi(document, "made").connector
    assert check_connector(connector) == ()
    by_wire_name = {each.at[0]: name for name, each in connector.actions["do"].inputs.items()}
    call = await ask(connector, {by_wire_name[name]: value for name, value in body.items()})
    assert read_back(document, call).body == body


@pytest.mark.parametrize("count", [1, 3])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_fields_of_a_form_arrive_as_they_were_given(count: int, data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=count, max_size=count, unique=True))
    body = {name: data.draw(TEXTS) for name in names}
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    document = make_document("/things", "post", {"requestBody": {"required": True, "content": content}})
    connector = read_openapi(document, "made").connector
    assert check_connector(connector) == ()
    by_wire_name = {each.at[0]: name for name, each in connector.actions["do"].inputs.items()}
    call = await ask(connector, {by_wire_name[name]: value for name, value in body.items()})
    assert read_back(document, call).body == body


WORDS = ["type", "properties", "items", "allOf", "oneOf", "$ref", "required", "enum", "in", "name", "schema", "content", "parameters", "requestBody", "responses", "security", "servers", "style", "get", "post", "200", "/a/{b}", "application/json"]  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["string", "object", "array", "#/components/schemas/A", "query", "path", "b", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=40,
)


@pytest.mark.parametrize("word", ["enum", "const", "default", "examples"])
def test_what_looks_like_a_reference_in_a_value_is_none(word: str) -> None:
    value = {"$ref": "#/components/schemas/B"}
    form = {"properties": {word: {"$ref": "#/components/schemas/B"}, "a": {word: [value] if word == "enum" else value}}}
    document = make_document("/things", "post", {"requestBody": {"content": {"application/json": {"schema": form}}}})
    document["components"] = {"schemas": {"B": {"type": "string"}}}
    connector = read_openapi(document, "made").connector
    assert check_connector(connector) == ()
    lacking = msgspec.structs.replace(connector, schemas={})
    assert check_connector(lacking), "a property of that name is a form"


@given(ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_document_breaks_the_importer_and_what_it_makes_is_sound(item: Any, form: Any, operation: Any) -> None:
    responses = {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}
    document = {
        "openapi": "3.1.0",
        "paths": {"/a/{b}": item, "/c": {"post": operation}, "/d": {"get": {"responses": responses}}},
        "components": {"schemas": {"A": form}, "securitySchemes": {"s": operation}},
    }
    try:
        connector = read_openapi(document, "made", url=f"{ORIGIN}/openapi.json").connector
    except NeedsFilesError:
        return
    assert check_connector(connector) == ()
