"""Is this an Atlassian document? A compact check of our own. Used by rest.py; tests compare it with Atlassian's schema."""

from typing import Any

INLINE = {
    "text",
    "hardBreak",
    "mention",
    "emoji",
    "date",
    "status",
    "inlineCard",
    "placeholder",
    "mediaInline",
    "inlineExtension",
}
BLOCKS = {
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "codeBlock",
    "blockquote",
    "panel",
    "rule",
    "table",
    "mediaSingle",
    "mediaGroup",
    "taskList",
    "decisionList",
    "expand",
    "blockCard",
    "embedCard",
    "layoutSection",
    "extension",
    "bodiedExtension",
    "syncBlock",
    "bodiedSyncBlock",
}
CONTAINERS = {
    "bulletList": {"listItem"},
    "orderedList": {"listItem"},
    "table": {"tableRow"},
    "tableRow": {"tableCell", "tableHeader"},
    "taskList": {"taskItem", "taskList", "blockTaskItem"},
    "layoutSection": {"layoutColumn"},
    "decisionList": {"decisionItem"},
}
HOLDS_BLOCKS = {"doc", "listItem", "blockquote", "panel", "tableCell", "tableHeader", "expand", "nestedExpand"} | {
    "layoutColumn",
    "bodiedExtension",
    "bodiedSyncBlock",
    "blockTaskItem",
}
HOLDS_NESTED = {"expand", "tableCell", "tableHeader"}
HOLDS_INLINE = {"paragraph", "heading", "taskItem", "decisionItem"}
MARKS = {
    "strong",
    "em",
    "code",
    "strike",
    "underline",
    "link",
    "subsup",
    "textColor",
    "backgroundColor",
    "border",
    "annotation",
}
NEEDS = {
    "heading": "level",
    "mention": "id",
    "emoji": "shortName",
    "date": "timestamp",
    "panel": "panelType",
    "status": "text",
    "taskList": "localId",
    "decisionList": "localId",
    "extension": "extensionKey",
    "inlineExtension": "extensionKey",
    "bodiedExtension": "extensionKey",
    "mediaInline": "id",
    "embedCard": "url",
}
DEPTH_MAX = 40


def is_document(value: object) -> bool:
    """Whether it is one: known nodes, in places where they may stand, with the attributes they need, and no empty text."""
    if not isinstance(value, dict) or value.get("type") != "doc" or value.get("version") != 1:
        return False
    return set(value) <= {"type", "version", "content"} and _holds(value, 0)


def _holds(node: dict[str, Any], depth: int) -> bool:
    kind = node["type"]
    content = node.get("content", [] if kind != "doc" else None)
    if depth > DEPTH_MAX or not isinstance(content, list):
        return False
    if kind in HOLDS_BLOCKS:
        allowed = BLOCKS | {"nestedExpand"} if kind in HOLDS_NESTED else BLOCKS
    elif kind in HOLDS_INLINE:
        allowed = INLINE
    elif kind == "codeBlock":
        allowed = {"text"}
    elif kind in CONTAINERS:
        allowed = CONTAINERS[kind]
    else:
        return not content or kind in {"mediaSingle", "mediaGroup"}
    if kind in CONTAINERS and not content:
        return False
    return all(isinstance(each, dict) and each.get("type") in allowed and _fits(each, depth + 1) for each in content)


def _fits(node: dict[str, Any], depth: int) -> bool:
    kind = node["type"]
    if kind == "text":
        text, marks = node.get("text"), node.get("marks", [])
        good = isinstance(marks, list) and all(isinstance(each, dict) and each.get("type") in MARKS for each in marks)
        return isinstance(text, str) and bool(text) and good
    attributes = node.get("attrs", {})
    if not isinstance(attributes, dict) or (kind in NEEDS and NEEDS[kind] not in attributes):
        return False
    if kind == "heading" and attributes["level"] not in range(1, 7):
        return False
    return kind in INLINE or _holds(node, depth)
