"""A document of OpenAPI becomes a connector that a person can use."""

from typing import Any

import pytest

from blubees.connectors.importers.openapi.reader import read_openapi
from blubees.connectors.importers.openapi.refs import NeedsFilesError
from blubees.model.action import Action, Content, PageKind, Place, Style
from blubees.model.call import Effect
from blubees.model.connector import Connector
from blubees.model.errors import InputError
from fakes.openapi import answer, json_body, make_document


def read(document: dict[str, Any], **more: Any) -> Connector:
    return read_openapi(document, "things", **more).connector


def read_one(operation: dict[str, Any], **more: Any) -> Action:
    (action,) = read(make_document(operation, **more)).actions.values()
    return action


def parameter(name: str, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {"type": "string"}} | more


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        ({"operationId": "getSilenceById"}, "/x", "get_silence_by_id"),
        ({"operationId": "pets/list-all.v2"}, "/x", "pets_list_all_v2"),
        ({"operationId": "OAuth2Token"}, "/x", "oauth2_token"),
        ({}, "/pets/{petId}/toys", "get_pets_toys_by_pet_id"),
        ({"operationId": "-"}, "/pets", "get_pets"),
        ({"operationId": "__proto__"}, "/pets", "proto"),
        ({"operationId": "2fa"}, "/pets", "n2fa"),
        ({"operationId": "ü"}, "/pets", "get_pets"),
    ],
)
def test_an_action_has_a_name_that_a_person_can_read(operation: dict[str, Any], path: str, name: str) -> None:
    (found,) = read(make_document(operation | {"responses": {}}, path=path)).actions
    assert found == name


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    document = make_document(path="/a")
    document["paths"] = {f"/a{n}": {"get": {"operationId": "x" * 100 + str(n), "responses": {}}} for n in range(3)}
    names = list(read(document).actions)
    assert len(set(names)) == 3
    assert all(len(name) <= 63 for name in names)


def test_two_operations_of_one_name_are_told_apart_and_keep_their_names_at_the_next_import() -> None:
    document = make_document()
    document["paths"] = {path: {"get": {"operationId": "list", "responses": {}}} for path in ("/b", "/c")}
    first = read(document)
    document["paths"] = {path: {"get": {"operationId": "list", "responses": {}}} for path in ("/a", "/c", "/b")}
    document["paths"]["/b"]["get"]["operationId"] = "other"
    second = read(document, earlier=first)
    by_path = {each.request.path: name for name, each in second.actions.items()}
    assert {name: each.request.path for name, each in first.actions.items()}.items() <= {
        name: path for path, name in by_path.items()
    }.items()
    assert len(second.actions) == 3


def test_inputs_of_one_name_say_their_place_and_none_is_called_as_a_setting_of_the_step() -> None:
    operation = json_body(
        {"properties": {"id": {"type": "string"}, "connection": {"type": "string"}, "fooBar": {}, "foo_bar": {}}}
    )
    operation["parameters"] = [parameter("id", "path", required=True), parameter("limit"), parameter("X-Page[size]")]
    action = read_one(operation, path="/things/{id}", method="post")
    assert {name: (each.place.value, each.at) for name, each in action.inputs.items()} == {
        "id": ("path", ("id",)),
        "query_limit": ("query", ("limit",)),
        "x_page_size": ("query", ("X-Page[size]",)),
        "body_id": ("body", ("id",)),
        "body_connection": ("body", ("connection",)),
        "foo_bar": ("body", ("fooBar",)),
        "body_foo_bar": ("body", ("foo_bar",)),
    }


def test_names_of_inputs_stay_at_the_next_import() -> None:
    first = read(make_document(json_body({"properties": {"fooBar": {}}}), method="post"))
    operation = json_body({"properties": {"foo_bar": {}, "fooBar": {}}})
    second = read(make_document(operation, method="post"), earlier=first)
    found = {name: each.at for name, each in second.actions["post_things"].inputs.items()}
    assert found == {"body_foo_bar": ("foo_bar",), "foo_bar": ("fooBar",)}


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("given", "style", "explode"),
    [
        ({"in": "query"}, None, None),
        ({"in": "query", "style": "form", "explode": False}, None, False),
        ({"in": "query", "style": "form", "explode": True}, None, None),
        ({"in": "query", "style": "spaceDelimited"}, Style.SPACE, None),
        ({"in": "query", "style": "pipeDelimited", "explode": False}, Style.PIPE, None),
        ({"in": "query", "style": "deepObject", "explode": True}, Style.DEEP, None),
        ({"in": "header", "style": "simple", "explode": True}, None, True),
        ({"in": "cookie"}, None, None),
        ({"in": "path", "style": "label"}, Style.LABEL, None),
        ({"in": "path", "style": "matrix", "explode": True}, Style.MATRIX, True),
        ({"in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}, Style.JSON, None),
    ],
)
def test_every_style_of_a_parameter_is_taken_over(given: dict[str, Any], style: Style | None, explode: bool | None) -> None:
    one = (
        {"name": "a", "required": given["in"] == "path"}
        | ({"schema": {"type": "array"}} if "content" not in given else {})
        | given
    )
    path = "/things/{a}" if given["in"] == "path" else "/things"
    (found,) = read_one({"parameters": [one], "responses": {}}, path=path).inputs.values()
    assert (found.style, found.explode, found.place.value, found.at) == (style, explode, given["in"], ("a",))


def test_parameters_of_a_path_are_those_of_its_operations_unless_they_say_otherwise() -> None:
    document = make_document({"parameters": [parameter("b", description="own")], "responses": {}}, path="/things/{a}")
    document["paths"]["/things/{a}"]["parameters"] = [
        parameter("a", "path", required=True),
        parameter("b", description="shared"),
    ]
    action = read(document).actions["get_things_by_a"]
    assert action.inputs["a"].is_required
    assert action.inputs["b"].description == "own"


def test_a_parameter_that_the_path_names_and_nobody_describes_is_a_text() -> None:
    found = read_one({"responses": {}}, path="/things/{thing}").inputs["thing"]
    assert (found.schema, found.place, found.is_required) == ({"type": "string"}, Place.PATH, True)


def test_headers_that_openapi_leaves_to_others_are_no_inputs_and_an_operation_that_needs_a_forbidden_one_is_left_out() -> None:
    ignored = [parameter(name, "header", required=True) for name in ("Accept", "Authorization", "Content-Type")]
    assert read_one({"parameters": ignored, "responses": {}}).inputs == {}
    for name in ("Host", "X-A\r\nX-B", "Content-Length"):
        found = read_openapi(make_document({"parameters": [parameter(name, "header", required=True)], "responses": {}}), "x")
        assert (found.connector.actions, found.left_out) == ({}, 1)
        assert "\r" not in "".join(found.notes)


@pytest.mark.parametrize("path", ["things", "/a/../b", "//evil.example/a", "/a b", "/a\n", "/a\\b", "/{a"])
def test_a_path_that_is_none_is_left_out(path: str) -> None:
    found = read_openapi(make_document(path=path), "x")
    assert (found.connector.actions, found.left_out) == ({}, 1)


def test_what_some_documents_write_behind_a_path_is_sent_or_tells_operations_apart() -> None:
    document = make_document()
    document["paths"] = {"/?Action=A": {"get": {"responses": {}}}, "/things#a": {"get": {"responses": {}}}}
    actions = list(read(document).actions.values())
    assert [(each.request.path, each.request.fixed.query) for each in actions] == [("/", {"Action": "A"}), ("/things", {})]


# ---------------------------------------------------------------- bodies


def test_an_objects_properties_are_inputs_and_those_of_all_its_parts() -> None:
    form = {
        "allOf": [
            {"$ref": "#/components/schemas/Base"},
            {
                "properties": {"b": {"type": "integer", "default": 5}, "c": {"type": "string", "readOnly": True}},
                "required": ["b"],
            },
        ]
    }
    base = {"type": "object", "properties": {"a": {"type": "string", "description": "first"}}, "required": ["a"]}
    document = make_document(json_body(form), method="post", components={"schemas": {"Base": base}})
    action = read(document).actions["post_things"]
    assert {name: each.is_required for name, each in action.inputs.items()} == {"a": True, "b": True}
    assert action.inputs["a"].description == "first"
    assert action.inputs["b"].schema == {"type": "integer", "default": 5}
    assert action.request.content is Content.JSON


def test_what_is_required_of_a_body_that_is_not_required_is_not_required() -> None:
    action = read_one(json_body({"properties": {"a": {}}, "required": ["a"]}, required=False), method="post")
    assert not action.inputs["a"].is_required


@pytest.mark.parametrize(
    ("media_type", "schema", "content", "told", "inputs"),
    [
        ("application/json", {"oneOf": [{"properties": {"a": {}}}, {"type": "string"}]}, Content.JSON, "", {"body": ()}),
        ("application/json", {"type": "array"}, Content.JSON, "", {"body": ()}),
        ("application/json-patch+json", {"type": "array"}, Content.JSON, "application/json-patch+json", {"body": ()}),
        (
            "application/merge-patch+json",
            {"properties": {"a": {}}},
            Content.JSON,
            "application/merge-patch+json",
            {"a": ("a",)},
        ),
        ("application/x-www-form-urlencoded", {"properties": {"a": {}}}, Content.FORM, "", {"a": ("a",)}),
        ("multipart/form-data", {"properties": {"a": {"format": "binary"}}}, Content.MULTIPART, "", {"a": ("a",)}),
        ("application/octet-stream", {}, Content.BYTES, "application/octet-stream", {"file": ()}),
        ("image/png", {}, Content.BYTES, "image/png", {"file": ()}),
        ("text/plain", {"type": "string"}, Content.TEXT, "", {"body": ()}),
        ("application/xml", {"properties": {"a": {}}}, Content.XML, "application/xml", {"body": ()}),
    ],
)
def test_every_kind_of_body_is_taken_over(
    media_type: str, schema: dict[str, Any], content: Content, told: str, inputs: dict[str, tuple[str, ...]]
) -> None:
    action = read_one(json_body(schema, media_type=media_type), method="put")
    assert (action.request.content, action.request.media_type) == (content, told)
    assert {name: each.at for name, each in action.inputs.items()} == inputs


def test_of_several_media_types_json_is_used_and_encoding_rules_the_parts() -> None:
    operation = json_body({"properties": {"a": {}, "b": {"type": "array"}}}, media_type="multipart/form-data")
    operation["requestBody"]["content"]["multipart/form-data"]["encoding"] = {
        "a": {"contentType": "application/json, text/plain"},
        "b": {"style": "spaceDelimited"},
    }
    action = read_one(operation, method="post")
    assert action.inputs["a"].media_type == "application/json"
    assert action.inputs["b"].style is Style.SPACE
    operation["requestBody"]["content"]["application/vnd.x+json"] = {"schema": {"properties": {"z": {}}}}
    assert list(read_one(operation, method="post").inputs) == ["z"]


# ---------------------------------------------------------------- schemas


def test_a_cyclic_schema_stays_a_reference() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Node"}, "self": {"$ref": "#/paths/~1things/get/x-form"}},
    }
    document = make_document(
        answer({"$ref": "#/components/schemas/Node"}) | {"x-form": {"type": "integer"}}, components={"schemas": {"Node": node}}
    )
    connector = read(document)
    assert connector.actions["get_things"].answer.schema == {"$ref": "#/schemas/Node"}
    assert connector.schemas["Node"]["properties"] == {"next": {"$ref": "#/schemas/Node"}, "self": {"$ref": "#/schemas/x-form"}}
    assert connector.schemas["x-form"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True, "allOf": [{"type": "string"}]}, {"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "exclusiveMaximum": 9}, {"type": "integer", "exclusiveMaximum": 9}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "contentMediaType": "image/png"}, {"type": "string", "format": "binary"}),
        ({"type": "banana", "example": 1, "x-y": 2}, {}),
        ({"type": "string", "pattern": "(a+)+\\1$"}, {"type": "string"}),
        ({"type": "string", "pattern": "^(a+)+$"}, {"type": "string", "pattern": "^(a+)+$"}),
        ({"enum": list(range(501))}, {}),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}]}),
        (False, {"not": {}}),
        (True, {}),
    ],
)
def test_a_schema_of_every_version_becomes_one_of_2020_12(given: Any, form: dict[str, Any]) -> None:
    assert read_one(answer({"items": given})).answer.schema["items"] == form


def test_what_is_required_in_one_direction_is_required_in_none() -> None:
    form = {"properties": {"id": {"readOnly": True}, "name": {}}, "required": ["id", "name"]}
    assert read_one(answer(form)).answer.schema["required"] == ["name"]


def test_a_discriminator_leads_to_our_forms() -> None:
    form = {"oneOf": [{"$ref": "#/components/schemas/Cat"}], "discriminator": {"propertyName": "kind", "mapping": {"c": "Cat"}}}
    document = make_document(answer(form), components={"schemas": {"Cat": {"type": "object"}}})
    found = read(document).actions["get_things"].answer.schema
    assert found["discriminator"] == {"propertyName": "kind", "mapping": {"c": "#/schemas/Cat"}}


# ---------------------------------------------------------------- effects, answers, pages, examples


@pytest.mark.parametrize(
    ("method", "headers", "effect", "key"),
    [
        ("get", (), Effect.READ, ""),
        ("put", (), Effect.IDEMPOTENT, ""),
        ("delete", (), Effect.IDEMPOTENT, ""),
        ("patch", (), Effect.UNSAFE, ""),
        ("post", (), Effect.UNSAFE, ""),
        ("post", ("Idempotency-Key",), Effect.KEYED, "Idempotency-Key"),
    ],
)
def test_the_effect_is_what_the_method_promises(method: str, headers: tuple[str, ...], effect: Effect, key: str) -> None:
    action = read_one({"parameters": [parameter(each, "header") for each in headers], "responses": {}}, method=method)
    assert (action.effect, action.key_header, action.inputs) == (effect, key, {})


LIST = {"type": "array", "items": {"type": "object"}}
OBJECT = {"type": "object", "properties": {"items": LIST, "other": {"type": "string"}}}


@pytest.mark.parametrize(
    ("query", "schema", "headers", "kind", "more"),
    [
        (("page", "per_page"), LIST, (), PageKind.PAGE, {"input": "page", "size_input": "per_page", "items": (), "first": 1}),
        (("offset", "limit"), OBJECT, (), PageKind.OFFSET, {"input": "offset", "size_input": "query_limit", "items": ("items",), "first": 0}),
        (("startAt", "maxResults"), OBJECT, (), PageKind.OFFSET, {"input": "start_at", "size_input": "max_results"}),
        (("cursor",), {"properties": {"data": LIST, "next_cursor": {}}}, (), PageKind.CURSOR, {"input": "cursor", "next": ("next_cursor",)}),
        (("cursor",), {"properties": {"data": LIST, "meta": {"properties": {"next_cursor": {}}}}}, (), PageKind.CURSOR, {"next": ("meta", "next_cursor")}),
        (("page", "per_page"), LIST, ("Link",), PageKind.LINK, {"size_input": "per_page"}),
        ((), {"properties": {"value": LIST, "@odata.nextLink": {"type": "string"}}}, (), PageKind.NEXT_URL, {"next": ("@odata.nextLink",)}),
        ((), {"properties": {"results": LIST, "next": {"type": "string", "format": "uri"}}}, (), PageKind.NEXT_URL, {"next": ("next",), "items": ("results",)}),
    ],
)  # fmt: skip
def test_pages_are_recognised(
    query: tuple[str, ...], schema: dict[str, Any], headers: tuple[str, ...], kind: PageKind, more: dict[str, Any]
) -> None:
    responses = answer(schema, headers={name: {"schema": {"type": "string"}} for name in headers})
    action = read_one(
        {"parameters": [parameter(each, schema={"type": "integer" if each != "cursor" else "string"}) for each in query]}
        | responses
    )
    assert action.pages is not None
    assert action.pages.kind is kind
    assert {name: getattr(action.pages, name) for name in more} == more
    assert action.answer.at == action.pages.items


@pytest.mark.parametrize(
    ("query", "schema"),
    [(("page",), LIST), (("offset",), LIST), (("cursor",), OBJECT), (("page", "per_page"), {"type": "object"}), (("page", "per_page"), {"properties": {"a": LIST, "b": LIST}})],
)  # fmt: skip
def test_where_there_is_a_doubt_there_are_no_pages(query: tuple[str, ...], schema: dict[str, Any]) -> None:
    assert read_one({"parameters": [parameter(each) for each in query]} | answer(schema)).pages is None


def test_the_lowest_success_is_what_an_action_gives() -> None:
    media = {"application/json": {"schema": {"type": "integer"}}}
    responses = {
        "default": {"content": {"application/json": {"schema": {"type": "string"}}}},
        "204": {"description": ""},
        "201": {"content": media},
    }
    assert read_one({"responses": responses}).answer.schema == {"type": "integer"}
    assert read_one({"responses": {"2XX": {"content": media}}}).answer.schema == {"type": "integer"}
    assert read_one({"responses": {"200": {"content": {"application/pdf": {}}}}}).answer.is_file


def test_an_example_is_taken_over_where_it_is_whole_and_fits() -> None:
    operation = {"parameters": [parameter("q", required=True, example="x")]} | answer({"type": "object"})
    media = operation["responses"]["200"]["content"]["application/json"]
    assert read_one(operation).examples == ()
    media["example"] = {"a": 1}
    (example,) = read_one(operation).examples
    assert (example.inputs, example.gives) == ({"q": "x"}, {"a": 1})
    media["example"] = "no object"
    assert read_one(operation).examples == ()


def test_defaults_are_told_and_never_an_example() -> None:
    action = read_one({"parameters": [parameter("q", schema={"type": "string", "default": "x"})], "responses": {}})
    assert action.inputs["q"].schema["default"] == "x"
    assert action.inputs["q"].example is None


# ---------------------------------------------------------------- servers and security


@pytest.mark.parametrize(
    ("servers", "url", "base", "parameters"),
    [
        ([{"url": "https://a.example/v1/"}], "", "https://a.example/v1", {}),
        ([{"url": "http://a.example"}, {"url": "https://b.example"}], "", "https://b.example", {}),
        ([{"url": "/v2"}], "https://c.example/docs/openapi.json", "https://c.example/v2", {}),
        ([{"url": "../v2"}], "https://c.example/docs/openapi.json", "https://c.example/v2", {}),
        ([{"url": "/v2"}], "", "https://{host}/v2", {"host": ("", "api.example.com")}),
        ([], "", "https://{host}", {"host": ("", "api.example.com")}),
        (
            [{"url": "https://{region}.example.com/{version}", "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "version": {"default": "v1"}}}],
            "",
            "https://{region}.example.com/{version}",
            {"region": ("eu", ""), "version": ("v1", "")},
        ),
        ([{"url": "{protocol}://{hostname}/api", "variables": {"protocol": {"default": "http"}, "hostname": {"default": "HOSTNAME"}}}], "", "https://{hostname}/api", {"hostname": ("", "api.example.com")}),
        ([{"url": "javascript:alert(1)"}, {"url": "https://user@a.example"}], "", "https://{host}", {"host": ("", "api.example.com")}),
    ],
)  # fmt: skip
def test_a_server_becomes_a_base_url(servers: list[dict[str, Any]], url: str, base: str, parameters: dict[str, Any]) -> None:
    connector = read(make_document(servers=servers), url=url)
    assert connector.base_url == base
    assert {name: (each.default, each.example) for name, each in connector.parameters.items()} == parameters


def test_a_variable_of_a_host_can_lead_to_no_other_host() -> None:
    import re2  # noqa: PLC0415 - what checks the patterns

    connector = read(
        make_document(
            servers=[
                {
                    "url": "https://{tenant}.example.com/{base}",
                    "variables": {"tenant": {"default": "a"}, "base": {"default": "v1"}},
                }
            ]
        )
    )
    for value in ("evil.example/", "a@b", "a:80", "a?b", "a#b", "", "a\\b", "a/b", ".", "a\n"):
        assert not re2.fullmatch(connector.parameters["tenant"].pattern, value), value
    for value in ("../x", "/x", "a//b", "a?b", "a#b", "..", "a/../b"):
        assert not re2.fullmatch(connector.parameters["base"].pattern, value), value


def test_an_operations_own_server_is_its_base_url_and_one_that_a_person_gave_is_everywhere() -> None:
    document = make_document({"servers": [{"url": "https://upload.example.com"}], "responses": {}})
    assert read(document).actions["get_things"].request.base_url == "https://upload.example.com"
    mine = read(document, base_url="http://127.0.0.1:8000/")
    assert (mine.base_url, mine.actions["get_things"].request.base_url) == ("http://127.0.0.1:8000", "")
    with pytest.raises(InputError, match="A base URL is"):
        read(document, base_url="ftp://x")


SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "inQuery": {"type": "apiKey", "in": "query", "name": "k"},
    "inCookie": {"type": "apiKey", "in": "cookie", "name": "c"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "digest": {"type": "http", "scheme": "digest"},
    "tls": {"type": "mutualTLS"},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example.com"},
    "oauth": {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {"authorizationUrl": "https://a.example/a", "tokenUrl": "https://a.example/t", "scopes": {"read": "Read"}},
            "clientCredentials": {"tokenUrl": "/t", "scopes": {"read": "Read"}},
        },
    },
    "old": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://a.example/a", "scopes": {}}}},
}  # fmt: skip


def test_every_security_scheme_is_an_auth_scheme() -> None:
    connector = read(make_document(components={"securitySchemes": SCHEMES}), url="https://a.example/openapi.json")
    assert {name: each.kind for name, each in connector.auth.items()} == {
        "key": "api_key_header",
        "in_query": "api_key_query",
        "in_cookie": "api_key_cookie",
        "basic": "basic",
        "bearer": "bearer",
        "tls": "mutual_tls",
        "oidc": "bearer",
        "oauth_code": "oauth2_code",
        "oauth_client": "oauth2_client",
        "old": "bearer",
    }
    assert connector.auth["key"].settings == {"parameter": "X-Key"}
    assert connector.auth["oauth_client"].settings == {"token_url": "https://a.example/t"}
    assert connector.auth["oauth_code"].scopes == {"read": "Read"}


@pytest.mark.parametrize(
    ("security", "auth", "scopes"),
    [
        ([{"key": []}, {"basic": []}], (("key",), ("basic",)), ()),
        ([{"key": [], "basic": []}], (("key", "basic"),), ()),
        ([{"oauth": ["read", "unknown"]}], (("oauth_code",), ("oauth_client",)), ("read",)),
        ([{"oauth": ["read"], "key": []}], (("oauth_code", "key"), ("oauth_client", "key")), ("read",)),
        ([{"key": []}, {}], (("key",), ()), ()),
        ([], ((),), ()),
        ([{"digest": []}, {"key": []}], (("key",),), ()),
    ],
)
def test_requirements_are_alternatives_of_what_is_all_needed(security: list[Any], auth: Any, scopes: tuple[str, ...]) -> None:
    document = make_document(
        {"security": security, "responses": {}}, components={"securitySchemes": SCHEMES}, security=[{"bearer": []}]
    )
    connector = read(document)
    assert connector.default_auth == (("bearer",),)
    assert (connector.actions["get_things"].auth, connector.actions["get_things"].scopes) == (auth, scopes)


# ---------------------------------------------------------------- triggers


def test_webhooks_are_triggers() -> None:
    hook = {
        "summary": "A thing was made",
        "parameters": [parameter("X-Example-Event", "header", example="thing_made"), parameter("X-Example-Delivery", "header")],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": {"id": 1}}}},
        "responses": {},
    }
    trigger = read(make_document(webhooks={"thingMade": {"post": hook}})).triggers["thing_made"]
    assert trigger.hook is not None
    assert (trigger.title, trigger.events, trigger.schema, trigger.sample) == (
        "A thing was made",
        ("thing_made",),
        {"type": "object"},
        {"id": 1},
    )
    assert (trigger.hook.event_header, trigger.hook.delivery_header) == ("X-Example-Event", "X-Example-Delivery")


@pytest.mark.parametrize(
    ("expression", "required", "register", "inputs"),
    [
        ("{$request.body#/callbackUrl}", ["callbackUrl"], "post_things", {"callback_url": "$url"}),
        ("{$request.body#/callbackUrl}", ["callbackUrl", "name"], "", {}),
        ("{$request.body#/callbackUrl}/done", ["callbackUrl"], "", {}),
        ("https://elsewhere.example", [], "", {}),
    ],
)
def test_a_callback_is_a_trigger_that_its_operation_registers_where_it_takes_no_more(
    expression: str, required: list[str], register: str, inputs: dict[str, str]
) -> None:
    operation = json_body({"properties": {"callbackUrl": {"type": "string"}, "name": {"type": "string"}}, "required": required})
    operation["callbacks"] = {"onDone": {expression: {"post": {"responses": {}}}}}
    hook = read(make_document(operation, method="post")).triggers["post_things_on_done"].hook
    assert hook is not None
    assert (hook.register, hook.register_inputs) == (register, inputs)
    assert bool(hook.by_hand) != bool(register)


# ---------------------------------------------------------------- Swagger 2.0, files


SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "old.example.com",
    "basePath": "/api",
    "schemes": ["http", "https"],
    "consumes": ["application/json"],
    "securityDefinitions": {"b": {"type": "basic"}, "o": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a.example/a", "tokenUrl": "https://a.example/t", "scopes": {"s": ""}}},
    "parameters": {"many": {"name": "many", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}},
    "definitions": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/definitions/Pet"}}, "required": ["name"]}},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "parameters": [{"$ref": "#/parameters/many"}, {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}}],
                "responses": {"200": {"description": "", "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}},
            },
            "post": {"operationId": "addPet", "parameters": [{"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}], "responses": {}},
        },
        "/pets/{id}/image": {
            "post": {
                "operationId": "upload",
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "id", "in": "path", "type": "integer", "required": True},
                    {"name": "image", "in": "formData", "type": "file", "required": True},
                    {"name": "note", "in": "formData", "type": "string"},
                ],
                "responses": {},
            }
        },
    },
}  # fmt: skip


def test_swagger_2_is_read_as_well() -> None:
    connector = read(SWAGGER)
    assert connector.base_url == "https://old.example.com/api"
    assert {name: each.kind for name, each in connector.auth.items()} == {"b": "basic", "o": "oauth2_code"}
    listing = connector.actions["list_pets"]
    assert {name: each.explode for name, each in listing.inputs.items()} == {"many": None, "ids": False}
    assert listing.answer.schema == {"type": "array", "items": {"$ref": "#/schemas/Pet"}}
    assert {name: each.is_required for name, each in connector.actions["add_pet"].inputs.items()} == {
        "name": True,
        "parent": False,
    }
    upload = connector.actions["upload"]
    assert upload.request.content is Content.MULTIPART
    assert upload.inputs["image"].schema == {"type": "string", "format": "binary"}
    assert (upload.inputs["image"].is_required, upload.inputs["note"].is_required) == (True, False)


def test_files_that_a_document_refers_to_are_asked_for_and_used() -> None:
    document = make_document(answer({"$ref": "forms/pet.yaml#/Pet"}))
    with pytest.raises(NeedsFilesError) as raised:
        read(document, url="https://a.example/api/openapi.yaml")
    assert raised.value.urls == ("https://a.example/api/forms/pet.yaml",)
    files = {
        "https://a.example/api/forms/pet.yaml": b"Pet: {properties: {kind: {$ref: 'kind.yaml'}}}",
        "https://a.example/api/forms/kind.yaml": b"type: string",
    }
    connector = read(document, url="https://a.example/api/openapi.yaml", files=files)
    assert connector.schemas == {
        "Pet": {"properties": {"kind": {"$ref": "#/schemas/kind.yaml"}}},
        "kind.yaml": {"type": "string"},
    }


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "https://other.example/x.yaml",
        "../secret.yaml",
        "//other.example/x",
        "https://a.example:81/api/x",
        "%2e%2e/x.yaml",
        "x.yaml?a=b",
        "a\\..\\x",
    ],
)
def test_a_reference_to_elsewhere_is_never_asked_for(reference: str) -> None:
    found = read_openapi(make_document(answer({"$ref": reference})), "x", url="https://a.example/api/openapi.yaml")
    assert found.connector.actions["get_things"].answer.schema == {}
    assert any("not followed" in note or "leads nowhere" in note for note in found.notes)
