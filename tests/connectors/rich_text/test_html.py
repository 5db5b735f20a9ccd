"""ADF to HTML and back."""

import html

import pytest
from hypothesis import given, settings

from blubees.connectors.rich_text.adf_schema import is_valid
from blubees.connectors.rich_text.bounds import Node, RichTextError, RichTextProblem
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from blubees.connectors.rich_text.fit import fit_document
from fakes.documents import documents


@given(documents())
@settings(max_examples=60, deadline=None)
def test_a_document_that_the_schema_takes_stays_what_it_is(document: Node) -> None:
    assert is_valid(document)
    fitted = fit_document(document)
    assert is_valid(fitted)
    assert fit_document(fitted) == fitted


@given(documents())
@settings(max_examples=60, deadline=None)
def test_a_document_comes_back_from_html_as_it_was(document: Node) -> None:
    written = write_text(document, TextForm.HTML)
    assert read_text(written, TextForm.HTML, is_trusted=True) == fit_document(document)


def read(text: str, *, is_trusted: bool = False) -> list[Node]:
    content: list[Node] = read_text(text, TextForm.HTML, is_trusted=is_trusted)["content"]
    return content


def para(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def words(text: str, *marks: str) -> Node:
    return {"type": "text", "text": text} | ({"marks": [{"type": mark} for mark in marks]} if marks else {})


def test_anybodys_html_is_read() -> None:
    assert read("<p>Hello <b>big <i>old</i></b>\n  world</p>") == [
        para(words("Hello "), words("big ", "strong"), words("old", "strong", "em"), words(" world"))
    ]
    assert read("loose <u>text</u><br>more") == [
        para(words("loose "), words("text", "underline"), {"type": "hardBreak"}, words("more"))
    ]
    assert read("<div><div>a</div><div>b</div></div>") == [para(words("a")), para(words("b"))]
    assert read("<ul><li>a<ol start=3><li>b</ol><li><p>c") == [
        {
            "type": "bulletList",
            "content": [
                {
                    "type": "listItem",
                    "content": [
                        para(words("a")),
                        {
                            "type": "orderedList",
                            "attrs": {"order": 3},
                            "content": [{"type": "listItem", "content": [para(words("b"))]}],
                        },
                    ],
                },
                {"type": "listItem", "content": [para(words("c"))]},
            ],
        }
    ]
    assert read('<p style="text-align:center"><span style="color: rgb(255, 0, 0)">red</span></p>') == [
        {
            "type": "paragraph",
            "marks": [{"type": "alignment", "attrs": {"align": "center"}}],
            "content": [words("red") | {"marks": [{"type": "textColor", "attrs": {"color": "#ff0000"}}]}],
        }
    ]


def test_what_may_not_stand_where_it_stands_gives_its_content() -> None:
    assert read("<blockquote><h2>Head</h2><table><tr><td>a<td>b</table></blockquote>") == [
        {"type": "blockquote", "content": [para(words("Head", "strong")), para(words("a | b"))]}
    ]
    assert read(
        "<table><caption>Top</caption><tr><th>a</th></tr><tr><td colspan=2><details><summary>S</summary>x</details></td></table>"
    ) == [
        para(words("Top")),
        {
            "type": "table",
            "content": [
                {"type": "tableRow", "content": [{"type": "tableHeader", "content": [para(words("a"))]}]},
                {
                    "type": "tableRow",
                    "content": [
                        {
                            "type": "tableCell",
                            "attrs": {"colspan": 2},
                            "content": [{"type": "nestedExpand", "attrs": {"title": "S"}, "content": [para(words("x"))]}],
                        }
                    ],
                },
            ],
        },
    ]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " javascript:x",
        "JaVaScRiPt:x",
        "java\nscript:x",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example",
        "/\\evil",
        "ftp://a",
        "\x01javascript:x",
        "file:///etc/passwd",
        "https://a.example/" + "a" * 9_000,
        "",
    ],
)
def test_an_address_that_no_text_may_lead_to_is_dropped(address: str) -> None:
    escaped = html.escape(address)
    found = read(f'<a href="{escaped}">text</a> <img src="{escaped}" alt="pic">')
    assert "link" not in str(found)
    assert "media" not in str(found)
    assert "text" in str(found)
    card = {"type": "inlineCard", "attrs": {"url": address}}
    written = write_text({"version": 1, "type": "doc", "content": [para(card)]}, TextForm.HTML)
    assert "href" not in str(written)


def test_no_text_becomes_markup_and_no_script_a_text() -> None:
    hostile = '<script>alert(1)</script><img src=x onerror="x">"\'&amp;'
    document = {
        "version": 1,
        "type": "doc",
        "content": [para(words(hostile)), {"type": "expand", "attrs": {"title": hostile}, "content": []}],
    }
    written = str(write_text(document, TextForm.HTML))
    assert "<script" not in written
    assert "<img" not in written
    assert read(written)[0] == para(words(hostile))
    assert read("a<script>alert(1)</script><style>b</style><iframe>c</iframe>d<template><p>e</p></template>") == [
        para(words("ad"))
    ]


def test_mentions_and_extensions_are_read_from_trusted_text_only() -> None:
    mention = {"type": "mention", "attrs": {"id": "a1", "text": "@Ann"}}
    written = str(write_text({"version": 1, "type": "doc", "content": [para(mention)]}, TextForm.HTML))
    assert read(written, is_trusted=True) == [para(mention)]
    assert read(written) == [para(words("@Ann"))]


def test_notation_that_the_schema_does_not_take_is_an_ordinary_element() -> None:
    assert read('<div data-adf="panel" data-adf-attrs=\'{"panelType":"evil"}\'>a</div>') == [para(words("a"))]
    assert read('<span data-adf="status" data-adf-attrs=\'{"text":"x"}\'>y</span>') == [para(words("x"))]
    assert read('<div data-adf="nonsense" data-adf-attrs="[[">a</div>') == [para(words("a"))]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<b>" * 5_000, RichTextProblem.TOO_DEEP),
        ("<ul><li>" * 60, RichTextProblem.TOO_DEEP),
        ("<br>" * 30_000, RichTextProblem.TOO_MANY_PARTS),
        ("<i></i>" * 100_000, RichTextProblem.TOO_MANY_PARTS),
        ("<i class='a' id='b'>x</i>" * 2_501, RichTextProblem.TOO_MANY_PARTS),
        ("a" * 262_145, RichTextProblem.TOO_LARGE),
        ("<!--" + "a" * 1_048_570 + "-->", RichTextProblem.TOO_LARGE),
    ],
)
def test_a_hostile_text_is_refused(text: str, problem: RichTextProblem) -> None:
    with pytest.raises(RichTextError) as caught:
        read(text)
    assert caught.value.problem is problem


def test_an_adf_document_is_checked_against_atlassians_schema() -> None:
    good = {"version": 1, "type": "doc", "content": [para(words("a"))]}
    assert read_text(good, TextForm.ADF) == good
    bads: tuple[object, ...] = (
        {"version": 1, "type": "doc", "content": [words("loose")]},
        {"type": "doc"},
        "text",
        None,
        [],
        {"version": 1, "type": "doc", "content": [{"type": "newer"}]},
        {"version": 1, "type": "doc", "content": [para(words("a")), 3]},
        {"version": 1, "type": "doc", "content": [{"type": "heading", "content": [words("no level")]}]},
        {"version": 1, "type": "doc", "content": [para(para(words("a")))]},
        {"version": 1, "type": "doc", "content": [{"type": "bulletList", "content": []}]},
        {"version": 1, "type": "doc", "content": [{"type": "rule", "content": [para(words("a"))]}]},
    )
    for bad in bads:
        with pytest.raises(RichTextError) as caught:
            read_text(bad, TextForm.ADF)
        assert caught.value.problem is RichTextProblem.NOT_ADF


def test_a_text_where_items_stand_becomes_one() -> None:
    assert read('<ul data-adf="taskList">a<li>b</li></ul>') == [
        {
            "type": "taskList",
            "attrs": {"localId": "1"},
            "content": [
                {"type": "taskItem", "attrs": {"state": "TODO", "localId": "2"}, "content": [words("a")]},
                {"type": "taskItem", "attrs": {"state": "TODO", "localId": "3"}, "content": [words("b")]},
            ],
        }
    ]


def test_attributes_and_marks_that_jira_wrote_and_the_schema_does_not_know_are_dropped() -> None:
    mention = {
        "type": "mention",
        "attrs": {"id": "a1", "text": "@Ann", "newer": 1, "localId": None},
        "marks": [{"type": "strong"}],
    }
    given = {"type": "paragraph", "attrs": {"localId": None}, "content": [words("a", "newer"), words(""), words("b"), mention]}
    document = {"version": 1, "type": "doc", "content": [given]}
    assert not is_valid(document)
    kept = {"type": "mention", "attrs": {"id": "a1", "text": "@Ann"}}
    assert read_text(document, TextForm.ADF)["content"] == [para(words("ab"), kept)]
