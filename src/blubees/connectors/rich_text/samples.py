"""One small document for each node and mark: docs/mappings.md shows what formats make of it, a test sees it come back."""

from typing import Final

from blubees.connectors.rich_text.bounds import Node


def _text(text: str, *marks: Node) -> Node:
    return {"type": "text", "text": text} | ({"marks": list(marks)} if marks else {})


def _paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def _marked(kind: str, text: str, **attributes: object) -> list[Node]:
    return [_paragraph(_text(text, {"type": kind} | ({"attrs": attributes} if attributes else {})))]


def _table(*rows: tuple[str, ...], **attributes: object) -> Node:
    cells: list[list[Node]] = [
        [{"type": "tableCell" if number else "tableHeader", "content": [_paragraph(_text(text))]} for text in row]
        for number, row in enumerate(rows)
    ]
    if attributes:
        cells[-1][0]["attrs"] = attributes
    return {"type": "table", "content": [{"type": "tableRow", "content": row} for row in cells]}


def _item(*content: Node) -> Node:
    return {"type": "listItem", "content": list(content)}


_FILE: Final[Node] = {"type": "media", "attrs": {"type": "file", "id": "f1", "collection": "c", "alt": "a.pdf"}}
_PICTURE: Final[Node] = {"type": "media", "attrs": {"type": "external", "url": "https://a.example/p.png", "alt": "pic"}}
_APP: Final[Node] = {"extensionType": "com.example", "extensionKey": "chart"}
_TASK: Final[Node] = {"type": "taskItem", "attrs": {"localId": "2", "state": "DONE"}, "content": [_text("done")]}

SAMPLES: Final[dict[str, list[Node]]] = {
    "paragraph": [_paragraph(_text("one")), _paragraph(_text("two"))],
    "heading": [{"type": "heading", "attrs": {"level": 2}, "content": [_text("Head")]}],
    "bulletList, listItem": [
        {
            "type": "bulletList",
            "content": [_item(_paragraph(_text("a")), {"type": "bulletList", "content": [_item(_paragraph(_text("b")))]})],
        }
    ],
    "orderedList": [{"type": "orderedList", "attrs": {"order": 3}, "content": [_item(_paragraph(_text("a")))]}],
    "taskList, taskItem": [{"type": "taskList", "attrs": {"localId": "1"}, "content": [_TASK]}],
    "blockTaskItem": [
        {
            "type": "taskList",
            "attrs": {"localId": "1"},
            "content": [{**_TASK, "type": "blockTaskItem", "content": [_paragraph(_text("done"))]}],
        }
    ],
    "decisionList, decisionItem": [
        {
            "type": "decisionList",
            "attrs": {"localId": "1"},
            "content": [{"type": "decisionItem", "attrs": {"localId": "2", "state": "DECIDED"}, "content": [_text("yes")]}],
        }
    ],
    "codeBlock": [{"type": "codeBlock", "attrs": {"language": "python"}, "content": [_text("x = 1")]}],
    "blockquote": [{"type": "blockquote", "content": [_paragraph(_text("said"))]}],
    "panel (info, tip, note, warning, error)": [
        {"type": "panel", "attrs": {"panelType": "info"}, "content": [_paragraph(_text("look"))]}
    ],
    "panel (success, custom)": [{"type": "panel", "attrs": {"panelType": "success"}, "content": [_paragraph(_text("fine"))]}],
    "rule": [{"type": "rule"}],
    "table, tableRow, tableHeader, tableCell": [_table(("a",), ("b",))],
    "table with spans, colours, blocks in cells": [_table(("a", "b"), ("c",), colspan=2)],
    "mediaSingle with a picture that lies elsewhere": [
        {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [_PICTURE]}
    ],
    "mediaSingle with a file of Jira, caption": [
        {"type": "mediaSingle", "attrs": {"layout": "wide"}, "content": [_FILE, {"type": "caption", "content": [_text("cap")]}]}
    ],
    "mediaGroup, media": [{"type": "mediaGroup", "content": [_FILE]}],
    "mediaInline": [_paragraph({"type": "mediaInline", "attrs": {"id": "f1", "collection": "c"}})],
    "mention (trusted only)": [_paragraph({"type": "mention", "attrs": {"id": "a1", "text": "@Ann"}})],
    "emoji": [_paragraph({"type": "emoji", "attrs": {"shortName": ":smile:", "text": "😄"}})],
    "date": [_paragraph({"type": "date", "attrs": {"timestamp": "1795478400000"}})],
    "status": [_paragraph({"type": "status", "attrs": {"text": "DONE", "color": "green"}})],
    "placeholder": [_paragraph({"type": "placeholder", "attrs": {"text": "say"}})],
    "inlineCard": [_paragraph({"type": "inlineCard", "attrs": {"url": "https://a.example/"}})],
    "blockCard": [{"type": "blockCard", "attrs": {"url": "https://a.example/"}}],
    "embedCard": [{"type": "embedCard", "attrs": {"url": "https://a.example/", "layout": "center"}}],
    "expand": [{"type": "expand", "attrs": {"title": "More"}, "content": [_paragraph(_text("in"))]}],
    "nestedExpand": [
        {
            "type": "expand",
            "attrs": {"title": "A"},
            "content": [{"type": "nestedExpand", "attrs": {"title": "B"}, "content": [_paragraph(_text("in"))]}],
        }
    ],
    "layoutSection, layoutColumn": [
        {
            "type": "layoutSection",
            "content": [
                {"type": "layoutColumn", "attrs": {"width": 50}, "content": [_paragraph(_text(text))]} for text in ("l", "r")
            ],
        }
    ],
    "hardBreak": [_paragraph(_text("a"), {"type": "hardBreak"}, _text("b"))],
    "extension (trusted only)": [{"type": "extension", "attrs": {**_APP, "text": "chart"}}],
    "inlineExtension (trusted only)": [_paragraph({"type": "inlineExtension", "attrs": _APP})],
    "bodiedExtension (trusted only)": [{"type": "bodiedExtension", "attrs": _APP, "content": [_paragraph(_text("in"))]}],
    "syncBlock (trusted only)": [{"type": "syncBlock", "attrs": {"resourceId": "r", "localId": "1"}}],
    "bodiedSyncBlock (trusted only)": [
        {"type": "bodiedSyncBlock", "attrs": {"resourceId": "r", "localId": "1"}, "content": [_paragraph(_text("in"))]}
    ],
    "strong": _marked("strong", "a"),
    "em": _marked("em", "a"),
    "strike": _marked("strike", "a"),
    "underline": _marked("underline", "a"),
    "code": _marked("code", "a"),
    "link": _marked("link", "a", href="https://a.example/", title="T"),
    "subsup": _marked("subsup", "2", type="sub"),
    "textColor": _marked("textColor", "a", color="#ff5630"),
    "backgroundColor": _marked("backgroundColor", "a", color="#ff5630"),
    "annotation": _marked("annotation", "a", id="1", annotationType="inlineComment"),
    "alignment": [{**_paragraph(_text("a")), "marks": [{"type": "alignment", "attrs": {"align": "end"}}]}],
    "indentation": [{**_paragraph(_text("a")), "marks": [{"type": "indentation", "attrs": {"level": 1}}]}],
    "fontSize": [{**_paragraph(_text("a")), "marks": [{"type": "fontSize", "attrs": {"fontSize": "small"}}]}],
    "breakout": [{"type": "codeBlock", "marks": [{"type": "breakout", "attrs": {"mode": "wide"}}], "content": [_text("a")]}],
    "border": [
        {"type": "mediaGroup", "content": [{**_FILE, "marks": [{"type": "border", "attrs": {"size": 1, "color": "#ff0000"}}]}]}
    ],
    "dataConsumer, fragment (trusted only)": [
        {
            "type": "extension",
            "attrs": _APP,
            "marks": [{"type": "dataConsumer", "attrs": {"sources": ["s"]}}, {"type": "fragment", "attrs": {"localId": "f"}}],
        }
    ],
}
"""By node or mark, as fit.py leaves it."""
