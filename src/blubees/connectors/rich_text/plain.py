"""Plain text to ADF and back. Called by convert.py. Plain text has no marks: what it can't say is lost, its words are not."""

from typing import Final

from blubees.connectors.rich_text.bounds import Node, indent
from blubees.connectors.rich_text.fit import is_inline
from blubees.connectors.rich_text.html_write import tell_words

_BOXES: Final = {"TODO": "[ ] ", "DONE": "[x] "}
_CLOSE: Final = frozenset({"bulletList", "orderedList", "taskList", "decisionList", "table", "listItem", "layoutSection"})
"""Blocks whose parts stand line by line, without an empty one between."""


def read_plain(text: str) -> Node:
    """Give a document: empty lines part paragraphs, line ends become hard breaks."""
    blocks = [block.strip("\n") for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")]
    return {"version": 1, "type": "doc", "content": [_read_paragraph(block) for block in blocks if block.strip()]}


def write_plain(document: Node) -> str:
    """Write a document that was fitted."""
    return "\n\n".join(filter(None, (_write(node) for node in document["content"])))


def _read_paragraph(block: str) -> Node:
    content: list[Node] = []
    for number, line in enumerate(block.split("\n")):
        content += [{"type": "hardBreak"}] if number else []
        content += [{"type": "text", "text": line}] if line else []
    return {"type": "paragraph", "content": content}


def _write(node: Node) -> str:
    kind, attributes = node["type"], node.get("attrs", {})
    content = node.get("content", [])
    if "content" not in node:
        return "----" if kind == "rule" else tell_words(node)
    if all(is_inline(each["type"]) for each in content):
        head = {"decisionItem": "<> "}.get(kind, _BOXES.get(attributes.get("state", ""), ""))
        return head + _write_line(content)
    if kind == "bulletList":
        return "\n".join(indent(_write(item), "- ", "  ") for item in content)
    if kind == "orderedList":
        start = int(attributes.get("order", 1))
        heads = [f"{start + number}. " for number in range(len(content))]
        return "\n".join(indent(_write(item), head, " " * len(head)) for head, item in zip(heads, content, strict=True))
    if kind == "taskList":
        return "\n".join(indent(_write(item), "  ", "  ") if item["type"] == "taskList" else _write(item) for item in content)
    if kind == "tableRow":
        return " | ".join(_write(cell).replace("\n\n", "\n").replace("\n", " ") for cell in content)
    title = [attributes["title"]] if attributes.get("title") and kind in {"expand", "nestedExpand"} else []
    if kind == "blockTaskItem":
        return indent("\n".join(map(_write, content)), _BOXES[attributes["state"]], "    ")
    parts = [*title, *(_write(each) for each in content)]
    return ("\n" if kind in _CLOSE else "\n\n").join(filter(None, parts))


def _write_line(nodes: list[Node]) -> str:
    written: list[str] = []
    for number, node in enumerate(nodes):
        if node["type"] == "hardBreak":
            written.append("\n")
            continue
        written.append(node["text"] if node["type"] == "text" else tell_words(node))
        address = _find_address(node)
        if address and address not in {_find_address(nodes[number + 1]) if number + 1 < len(nodes) else None, node.get("text")}:
            written.append(f" ({address})")
    return "".join(written)


def _find_address(node: Node) -> str:
    return next((str(mark["attrs"]["href"]) for mark in node.get("marks", ()) if mark["type"] == "link"), "")
