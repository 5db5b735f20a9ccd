"""Requests are built from inputs: styles of every place, bodies of every kind, values as their forms ask for, errors by name."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from blubees.connectors.actions.request import compile_request
from blubees.model.action import Action, ActionInput, Content, Fixed, Limits, Place, Request, Style
from blubees.model.call import Call, Effect
from blubees.model.connector import Connector, Parameter
from blubees.model.failures import Failure, FailureCode

ANY: dict[str, Any] = {}
TEXT = {"type": "string"}
COLORS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


def build(inputs: dict[str, ActionInput], given: dict[str, Any], request: Request | None = None, **more: Any) -> Call | Failure:
    action = Action(effect=Effect.UNSAFE, inputs=inputs, request=request or Request(method="POST", path="/p", **more))
    connector = Connector(
        name="acme",
        title="Acme",
        base_url="https://acme.example/v1",
        schemas={"Node": {"type": "object", "properties": {"size": {"type": "integer"}, "next": {"$ref": "#/schemas/Node"}}}},
        limits=Limits(timeout_seconds=7, calls_per_minute=60),
    )
    return compile_request(connector, action).build(given, "c")


def made(found: Call | Failure) -> Call:
    assert isinstance(found, Call), found
    return found


def take(place: Place, schema: dict[str, Any] = ANY, at: str = "color", **more: Any) -> ActionInput:
    return ActionInput(schema=schema, place=place, at=tuple(at.split(".")) if at else (), **more)


@pytest.mark.parametrize(
    ("style", "explode", "value", "query"),
    [  # OpenAPI 3.1, "Style Examples"
        (None, None, "blue", "color=blue"),
        (None, None, COLORS, "color=blue&color=black&color=brown"),
        (Style.FORM, False, COLORS, "color=blue,black,brown"),
        (Style.FORM, True, RGB, "R=100&G=200&B=150"),
        (Style.FORM, False, RGB, "color=R,100,G,200,B,150"),
        (Style.SPACE, False, COLORS, "color=blue%20black%20brown"),
        (Style.PIPE, False, COLORS, "color=blue%7Cblack%7Cbrown"),
        (Style.DEEP, True, RGB, "color[R]=100&color[G]=200&color[B]=150"),
        (Style.DEEP, None, {"a": {"b": [1, "x y"]}}, "color[a][b][0]=1&color[a][b][1]=x%20y"),
        (Style.JSON, None, {"a": [1]}, "color=%7B%22a%22%3A%5B1%5D%7D"),
        (None, None, [], ""),
        (None, None, "a&b=c #", "color=a%26b%3Dc%20%23"),
        (None, None, True, "color=true"),
        (None, None, [{"a": 1}], "color=%7B%22a%22%3A1%7D"),
    ],
)
def test_a_query_is_written_in_its_style(style: Style | None, *, explode: bool | None, value: object, query: str) -> None:
    found = made(build({"color": take(Place.QUERY, style=style, explode=explode)}, {"color": value}))
    assert found.url == "https://acme.example/v1/p" + (f"?{query}" if query else "")


@pytest.mark.parametrize(
    ("style", "explode", "value", "path"),
    [
        (None, None, "blue", "blue"),
        (None, None, COLORS, "blue,black,brown"),
        (Style.SIMPLE, False, RGB, "R,100,G,200,B,150"),
        (Style.SIMPLE, True, RGB, "R=100,G=200,B=150"),
        (Style.LABEL, False, "blue", ".blue"),
        (Style.LABEL, True, COLORS, ".blue.black.brown"),
        (Style.LABEL, False, COLORS, ".blue,black,brown"),
        (Style.MATRIX, False, "blue", ";color=blue"),
        (Style.MATRIX, False, COLORS, ";color=blue,black,brown"),
        (Style.MATRIX, True, COLORS, ";color=blue;color=black;color=brown"),
        (Style.MATRIX, True, RGB, ";R=100;G=200;B=150"),
        (None, None, "../../admin?x#y", "..%2F..%2Fadmin%3Fx%23y"),
        (None, None, "..", "%2E%2E"),
        (None, None, ".", "%2E"),
        (None, None, "ä b", "%C3%A4%20b"),
    ],
)
def test_a_path_is_written_in_its_style_and_stays_one_part(
    style: Style | None, *, explode: bool | None, value: object, path: str
) -> None:
    taken = take(Place.PATH, style=style, explode=explode, is_required=True)
    found = made(build({"color": taken}, {"color": value}, Request(path="/a/{color}/b")))
    assert found.url == f"https://acme.example/v1/a/{path}/b"


def test_slashes_stay_where_a_path_is_meant_and_none_leads_upwards() -> None:
    taken = {"file": take(Place.PATH, TEXT, "file", is_required=True, keeps_slashes=True)}
    request = Request(path="/contents/{file}")
    assert made(build(taken, {"file": "/src/a b/../x.py"}, request)).url.endswith("/contents/src/a%20b/%2E%2E/x.py")
    assert build(taken, {"file": "a//b"}, request) == Failure(
        code=FailureCode.INPUT_INVALID, field="with.file", detail="text_not_part_of_a_path"
    )


def test_headers_and_cookies_are_written() -> None:
    inputs = {
        "ids": take(Place.HEADER, {"type": "array"}, "X-Ids"),
        "a": take(Place.COOKIE, TEXT, "a"),
        "b": take(Place.COOKIE, {"type": "array"}, "b", explode=False),
    }
    request = Request(fixed=Fixed(headers={"X-Version": "2"}, query={"alt": "json"}), path="/p")
    found = made(build(inputs, {"ids": [1, 2], "a": "x;y", "b": [1, 2]}, request))
    assert found.headers == (
        ("X-Version", "2"),
        ("Accept", "application/json, */*;q=0.5"),
        ("X-Ids", "1,2"),
        ("Cookie", "a=x%3By; b=1,2"),
    )
    assert found.url == "https://acme.example/v1/p?alt=json"


def test_a_json_body_is_built_by_paths_over_what_is_fixed() -> None:
    inputs = {
        "title": take(Place.BODY, TEXT, "fields.title"),
        "kind": take(Place.BODY, TEXT, "fields.kind.name"),
        "first": take(Place.BODY, TEXT, "to.0.email"),
        "second": take(Place.BODY, TEXT, "to.1.email"),
        "gone": take(Place.BODY, {"type": ["string", "null"]}, "gone"),
        "never": take(Place.BODY, TEXT, "never"),
    }
    request = Request(method="POST", content=Content.JSON, fixed=Fixed(body={"fields": {"source": "bees"}, "v": [1]}))
    given = {"title": "t", "kind": "k", "first": "a@x", "second": "b@x", "gone": None, "never": None}
    found = made(build(inputs, given, request))
    assert orjson.loads(found.body) == {
        "fields": {"source": "bees", "title": "t", "kind": {"name": "k"}},
        "to": [{"email": "a@x"}, {"email": "b@x"}],
        "gone": None,
        "v": [1],
    }
    assert request.fixed.body == {"fields": {"source": "bees"}, "v": [1]}
    assert dict(found.headers)["Content-Type"] == "application/json"


def test_a_whole_body_is_one_input() -> None:
    request = Request(method="PATCH", content=Content.JSON, media_type="application/json-patch+json")
    found = made(build({"patch": take(Place.BODY, {"type": "array"}, "")}, {"patch": [{"op": "remove"}]}, request))
    assert (found.body, dict(found.headers)["Content-Type"]) == (b'[{"op":"remove"}]', "application/json-patch+json")
    assert made(build({"patch": take(Place.BODY, {"type": "array"}, "")}, {}, request)).body == b""


def test_a_form_is_written_as_vendors_read_it() -> None:
    inputs = {
        "amount": take(Place.BODY, {"type": "integer"}, "amount"),
        "tags": take(Place.BODY, {"type": "array"}, "tags"),
        "card": take(Place.BODY, {"type": "object"}, "card"),
        "deep": take(Place.BODY, TEXT, "a.b"),
    }
    request = Request(method="POST", content=Content.FORM, fixed=Fixed(body={"v": 1}))
    found = made(build(inputs, {"amount": "5", "tags": ["x", "y z"], "card": {"n": {"m": 1}}, "deep": "d"}, request))
    assert found.body == b"v=1&amount=5&tags=x&tags=y%20z&card[n][m]=1&a[b]=d"
    assert dict(found.headers)["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_multipart_body_holds_files_texts_and_json() -> None:
    inputs = {
        "file": take(Place.BODY, {"type": "string", "format": "binary"}, "file"),
        "meta": take(Place.BODY, {"type": "object"}, "meta"),
        "note": take(Place.BODY, TEXT, 'no"te'),
    }
    given = {
        "file": {"name": 'C:\\x\\a";\r\n.png', "media_type": "image/png", "base64": "iVBORw=="},
        "meta": {"a": 1},
        "note": "hi",
    }
    request = Request(method="POST", content=Content.MULTIPART)
    found = made(build(inputs, given, request))
    kind = dict(found.headers)["Content-Type"]
    boundary = kind.removeprefix("multipart/form-data; boundary=")
    assert found.body == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        f"Content-Type: image/png\r\n\r\n".encode()
        + b"\x89PNG"
        + f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{{"a":1}}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="no%22te"\r\n\r\nhi\r\n--{boundary}--\r\n'.encode()
    )
    assert made(build(inputs, given, request)).body == found.body  # asked again, it is the same


@pytest.mark.parametrize(
    ("content", "value", "media_type", "body"),
    [
        (Content.TEXT, "hä", "text/plain; charset=utf-8", "hä".encode()),
        (Content.XML, "<a/>", "application/xml; charset=utf-8", b"<a/>"),
        (Content.BYTES, {"text": "hi", "media_type": "text/csv"}, "text/csv", b"hi"),
        (Content.BYTES, {"base64": "AAE="}, "application/octet-stream", b"\x00\x01"),
    ],
)
def test_a_body_of_one_piece_is_one_input(content: Content, value: object, media_type: str, body: bytes) -> None:
    found = made(build({"it": take(Place.BODY, at="")}, {"it": value}, Request(method="PUT", content=content)))
    assert (found.body, dict(found.headers)["Content-Type"]) == (body, media_type)


@pytest.mark.parametrize(
    ("schema", "value", "sent"),
    [
        (TEXT, 5, "5"),
        (TEXT, 5.0, "5"),
        (TEXT, True, "true"),
        (TEXT, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        ({"type": "string", "format": "date"}, "2026-01-02T23:00:00+02:00", "2026-01-02"),
        ({"type": "string", "format": "date"}, "today", "today"),
        ({"type": "integer"}, " 12 ", 12),
        ({"type": "integer"}, 12.0, 12),
        ({"type": "number"}, "1.50", 1.5),
        ({"type": "boolean"}, "True", True),
        ({"type": ["integer", "null"]}, "3", 3),
        ({"type": "array", "items": {"type": "integer"}}, ["1", 2], [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "1", "b": "2"}, {"a": 1, "b": "2"}),
        ({"$ref": "#/schemas/Node"}, {"size": "1", "next": {"size": "2"}}, {"size": 1, "next": {"size": 2}}),
        ({"allOf": [{"type": "integer"}]}, "3", 3),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, "3", "3"),
        ({}, "3", "3"),
    ],
)
def test_a_value_becomes_what_its_form_asks_for(schema: dict[str, Any], value: object, sent: object) -> None:
    found = made(build({"it": take(Place.BODY, schema, "it")}, {"it": value}, content=Content.JSON))
    assert orjson.loads(found.body) == {"it": sent}


@pytest.mark.parametrize(
    ("schema", "value", "field", "detail"),
    [
        (TEXT, ["a"], "with.it", "list_not_text"),
        (TEXT, {"a": 1}, "with.it", "object_not_text"),
        ({"type": "integer"}, "1.5", "with.it", "text_not_integer"),
        ({"type": "integer"}, 1.5, "with.it", "number_not_integer"),
        ({"type": "integer"}, True, "with.it", "boolean_not_integer"),
        ({"type": "number"}, "1e999", "with.it", "text_not_number"),
        ({"type": "boolean"}, 1, "with.it", "number_not_boolean"),
        ({"type": "array"}, "a, b", "with.it", "text_not_list"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "x"], "with.it[1]", "text_not_integer"),
        ({"type": "object"}, "[1]", "with.it", "text_not_object"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "x"}, "with.it.a", "text_not_integer"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_type(schema: dict[str, Any], value: object, field: str, detail: str) -> None:
    found = build({"it": take(Place.BODY, schema, "it")}, {"it": value}, content=Content.JSON)
    assert found == Failure(code=FailureCode.INPUT_INVALID, field=field, detail=detail)


def test_what_is_required_must_be_there() -> None:
    taken = {"it": take(Place.BODY, TEXT, "it", is_required=True)}
    for given in ({}, {"it": None}):
        assert build(taken, given, content=Content.JSON) == Failure(
            code=FailureCode.INPUT_INVALID, field="with.it", detail="missing"
        )


def test_exactly_one_of_some_is_given() -> None:
    taken = {"a": take(Place.QUERY, TEXT, "a", one_of=("b",)), "b": take(Place.QUERY, TEXT, "b", one_of=("a",))}
    refused = Failure(code=FailureCode.INPUT_INVALID, field="with.a", detail="one_of")
    assert build(taken, {}) == refused
    assert build(taken, {"a": "1", "b": "2"}) == refused
    assert made(build(taken, {"b": "2"})).url.endswith("?b=2")


def test_a_call_has_its_connectors_limits_and_what_its_base_url_leaves_open() -> None:
    action = Action(effect=Effect.KEYED, key_header="X-Once", request=Request(path="/p"))
    connector = Connector(
        name="acme",
        title="Acme",
        base_url="https://{site}.acme.example",
        parameters={"site": Parameter(example="a"), "other": Parameter(default="b")},
        limits=Limits(timeout_seconds=7, calls_per_minute=60),
    )
    found = made(compile_request(connector, action).build({}))
    assert (found.url, found.parameters) == ("https://{site}.acme.example/p", {"site": ""})
    assert (found.timeout_seconds, found.key_header, found.effect) == (7, "X-Once", Effect.KEYED)
    assert found.pace is not None
    assert (found.pace.name, found.pace.calls_per_minute) == ("acme", 60)
