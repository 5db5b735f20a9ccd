"""XML becomes what JSON would have been, by the form that an action declares; what is dangerous in it is refused."""

from typing import Any

import pytest

from blubees.connectors.actions.answers import ReadAnswer, compile_answer
from blubees.connectors.actions.bodies import BodyError, choose_builder
from blubees.connectors.actions.xml_reading import DEPTH_MAX, PARTS_MAX, XmlError, read_xml
from blubees.connectors.actions.xml_writing import write_xml
from blubees.model.action import (
    Action,
    ActionInput,
    ActionOutput,
    Answer,
    Content,
    ErrorRule,
    Fixed,
    Meaning,
    PageKind,
    Pages,
    Place,
    Request,
    Style,
)
from blubees.model.call import CallAnswer, Effect
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode

NOW = 1_782_000_000_000
XML = {"content-type": "application/xml"}
LIST = {"type": "array"}
ITEMS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"Key": {"type": "string"}, "Size": {"type": "integer"}, "Old": {"type": "boolean"}},
    },
}


def give(answer: Answer, body: bytes, pages: Pages | None = None, **schemas: dict[str, Any]) -> Any:
    connector = Connector(name="acme", title="Acme", base_url="https://a.example", schemas=schemas)
    plan = compile_answer(connector, Action(effect=Effect.READ, answer=answer, pages=pages))
    found = plan.read(CallAnswer(status=200, headers={"content-type": "text/xml; charset=utf-8"}, body=body), NOW)
    return plan.give(found) if isinstance(found, ReadAnswer) else found


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"<a/>", {"a": ""}),
        (b"<a>x</a>", {"a": "x"}),
        (b"<a> x </a>", {"a": " x "}),
        (b"<a>\n <b>1</b>\n</a>", {"a": {"b": "1"}}),
        (b"<a><b>1</b><b>2</b><c/><b>3</b></a>", {"a": {"b": ["1", "2", "3"], "c": ""}}),
        (b'<n:a xmlns:n="urn:n" xmlns="urn:m"><n:b>1</n:b></n:a>', {"a": {"b": "1"}}),
        (b'<a n:id="7" xmlns:n="urn:n">x</a>', {"a": {"@id": "7", "#text": "x"}}),
        (b"<a>x<b/>y</a>", {"a": {"b": "", "#text": "xy"}}),
        (b"<a><![CDATA[<b>]]>&amp;&#x41;</a>", {"a": "<b>&A"}),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe4</a>', {"a": "\u00e4"}),
        ('<?xml version="1.0" encoding="UTF-16"?><a>\u00e4</a>'.encode("utf-16"), {"a": "\u00e4"}),
        (b"<!-- c --><?pi x?><a>1<!-- c -->2</a>", {"a": "12"}),
    ],
)
def test_elements_become_objects_lists_and_texts(document: bytes, value: dict[str, Any]) -> None:
    assert read_xml(document) == value


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (b"", "no_xml"),
        (b"hello", "no_xml"),
        (b"<a><b></a>", "no_xml"),
        (b"<a/><b/>", "no_xml"),
        (b"<a>&nbsp;</a>", "no_xml"),
        (b'<?xml version="1.0" encoding="nothing-such"?><a/>', "no_xml"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "no_xml"),
        (b"<!DOCTYPE a><a/>", "xml_doctype"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "xml_doctype"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml_doctype"),
        (b'<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>', "xml_doctype"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "x">]><a>&x;</a>'.encode("utf-16"), "xml_doctype"),
        (b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1), "xml_too_deep"),
        (b"<a>" + b"<b/>" * PARTS_MAX + b"</a>", "xml_too_large"),
        (b"<a><b " + b" ".join(b'a%d=""' % n for n in range(PARTS_MAX)) + b"/></a>", "xml_too_large"),
    ],
    ids=range(15),
)
def test_what_is_no_xml_or_could_hurt_is_refused(document: bytes, detail: str) -> None:
    with pytest.raises(XmlError) as caught:
        read_xml(document)
    assert caught.value.detail == detail
    found = give(Answer(content=Content.XML), document) if document else None
    assert found is None or found == Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=200, detail=detail)


def test_the_largest_answer_within_the_limits_is_read() -> None:
    assert len(read_xml(b"<a>" + b"<b/>" * (PARTS_MAX - 1) + b"</a>")["a"]["b"]) == PARTS_MAX - 1
    assert read_xml(b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX)


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"<r/>", None),
        (b"<r><n>1</n></r>", []),
        (b"<r><c><Key>a</Key><Size>7</Size><Old>true</Old></c></r>", [{"Key": "a", "Size": 7, "Old": True}]),
        (b"<r><c><Key>7</Key></c><c><Size>x</Size></c></r>", [{"Key": "7"}, {"Size": "x"}]),
    ],
)
def test_a_declared_list_is_one_with_one_element_and_with_none(body: bytes, items: list[Any] | None) -> None:
    given = give(Answer(content=Content.XML, at=("r", "c"), schema=ITEMS), body)
    assert given == (items if items is not None else [])


def test_outputs_pages_and_references_tell_forms_too() -> None:
    outputs = {
        "keys": ActionOutput(schema=LIST, at=("r", "c", "*", "k")),
        "count": ActionOutput(schema={"type": ["integer", "null"]}, at=("r", "n")),
        "more": ActionOutput(schema={"type": "boolean"}, at=("r", "m")),
        "share": ActionOutput(schema={"type": "number"}, at=("r", "s")),
        "tags": ActionOutput(schema={"type": "object"}, at=("r", "t", "member"), pairs=("Key", "Value")),
        "all": ActionOutput(schema={"$ref": "#/schemas/tree"}, at=("r", "tree")),
    }
    body = (
        b"<r><c><k>a</k></c><n> 12 </n><m>1</m><s>1.5</s><t><member><Key>p</Key><Value>OPS</Value></member></t>"
        b"<tree><child><name>x</name></child></tree></r>"
    )
    tree = {"type": "object", "properties": {"child": {"type": "array", "items": {"$ref": "#/schemas/tree"}}}}
    assert give(Answer(content=Content.XML, outputs=outputs), body, tree=tree) == {
        "keys": ["a"],
        "count": 12,
        "more": True,
        "share": 1.5,
        "tags": {"p": "OPS"},
        "all": {"child": [{"name": "x", "child": []}]},
    }
    pages = Pages(kind=PageKind.CURSOR, input="c", next=("r", "n"), items=("r", "c"), more=("r", "m"))
    assert give(Answer(content=Content.XML), b"<r><m>false</m></r>", pages) == {"r": {"m": False, "c": []}}


def test_an_answer_that_is_declared_a_text_stays_one() -> None:
    assert give(Answer(content=Content.XML, schema={"type": "string"}), b"<a/>") == "<a/>"
    assert give(Answer(), b"<a/>") == "<a/>"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (XML, b"<Error><Code>SlowDown</Code></Error>", FailureCode.BUSY),
        ({"content-type": "text/xml;charset=utf-8"}, b"<Error><Code>SlowDown</Code></Error>", FailureCode.BUSY),
        ({"content-type": "application/problem+xml"}, b"<Error><Code>SlowDown</Code></Error>", FailureCode.BUSY),
        ({"content-type": "text/html"}, b"<Error><Code>SlowDown</Code></Error>", FailureCode.REQUEST_REFUSED),
        (XML, b"<!DOCTYPE Error><Error><Code>SlowDown</Code></Error>", FailureCode.REQUEST_REFUSED),
        (XML, b"<Error><Code>SlowDown", FailureCode.REQUEST_REFUSED),
        ({"content-type": "application/json"}, b'{"Error": {"Code": "SlowDown"}}', FailureCode.BUSY),
    ],
)
def test_an_errors_body_is_read_as_its_type_says(headers: dict[str, str], body: bytes, code: FailureCode) -> None:
    rules = (ErrorRule(means=Meaning.BUSY, body={"Error.Code": "SlowDown"}),)
    connector = Connector(name="acme", title="Acme", base_url="https://a.example", errors=rules)
    plan = compile_answer(connector, Action(effect=Effect.READ))
    found = plan.read(CallAnswer(status=400, headers=headers, body=body), NOW)
    assert isinstance(found, Failure)
    assert found.code is code


@pytest.mark.parametrize(
    "value",
    [
        {"Delete": {"Quiet": "true", "Object": [{"Key": "a<b>&\"'"}, {"Key": " ]]>\r\n\t"}]}},
        {"a": {"@id": "x\"'<\n", "#text": "y", "b": ["", "\U0001f41d"]}},
    ],
)
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert read_xml(write_xml(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1, "b": 2},
        {"a": {"b c": 1}},
        {"a": {"b/><c": 1}},
        {"a": {'@x="1" y': 1}},
        {"a": "\x00"},
        {"a": "\ud800"},
        {"a": object()},
        {"a": {"@b": [1]}},
        {"a": {"@b": {"c": 1}}},
        {"a": {"@b": "\x00"}},
    ],
)
def test_what_xml_can_not_have_is_not_written(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(root|name|character|value)$"):
        write_xml(value)


def test_a_body_of_xml_is_built_by_paths() -> None:
    inputs = {
        "keys": ActionInput(schema=LIST, place=Place.BODY, at=("Delete", "Object", "*", "Key")),
        "quiet": ActionInput(schema={"type": "boolean"}, place=Place.BODY, at=("Delete", "Quiet")),
    }
    fixed = Fixed(body={"Delete": {"@xmlns": "urn:x"}})
    action = Action(effect=Effect.IDEMPOTENT, inputs=inputs, request=Request(method="POST", content=Content.XML, fixed=fixed))
    build = choose_builder(action)
    assert build is not None
    body = build([(inputs["keys"], ["a", "b"]), (inputs["quiet"], True)])
    assert body is not None
    assert body.content.endswith(
        b'<Delete xmlns="urn:x"><Object><Key>a</Key></Object><Object><Key>b</Key></Object><Quiet>true</Quiet></Delete>'
    )
    with pytest.raises(BodyError):
        build([(inputs["keys"], ["\x01"])])


def test_numbered_forms_count_from_one() -> None:
    inputs = {"tags": ActionInput(schema=LIST, place=Place.BODY, at=("Tags", "member"), style=Style.NUMBERED)}
    fixed = Fixed(body={"Action": "TagResource"})
    action = Action(effect=Effect.IDEMPOTENT, inputs=inputs, request=Request(method="POST", content=Content.FORM, fixed=fixed))
    build = choose_builder(action)
    assert build is not None
    body = build([(inputs["tags"], [{"Key": "a&b", "Value": "1 2"}, {"Key": "c", "Value": None}])])
    assert body is not None
    assert body.content == (
        b"Action=TagResource&Tags.member.1.Key=a%26b&Tags.member.1.Value=1%202&Tags.member.2.Key=c&Tags.member.2.Value="
    )
