"""Makes any tree of nodes a document that Atlassian's schema takes: what may not stand where it stands gives its content.

Called by convert.py for every document that is read and written. Two documents that mean the same come out the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from blubees.connectors.rich_text.adf_schema import allows, children_of, knows, needs_attributes
from blubees.connectors.rich_text.bounds import Counter, Node
from blubees.connectors.rich_text.fit_attributes import NUMBERED, clean_text, fit_attributes, fit_marks

_WRAPPERS: Final = {
    "bulletList": "listItem",
    "orderedList": "listItem",
    "taskList": "taskItem",
    "decisionList": "decisionItem",
    "table": "tableRow",
    "tableRow": "tableCell",
    "layoutSection": "layoutColumn",
}
"""What stands in these stands in one of those."""
_GONE_WHEN_EMPTY: Final = frozenset({*_WRAPPERS, "mediaGroup", "mediaSingle"})
_TWINS: Final = {"expand": "nestedExpand", "nestedExpand": "expand"}
_CARDS: Final = frozenset({"blockCard", "embedCard"})
LAYOUT_COLUMNS: Final = (2, 3)


def fit_document(document: Node) -> Node:
    """Give the document as the schema takes it, and as Jira would write it.

    Raises:
        RichTextError: it has too many nodes, or is too deep.
    """
    return {"version": 1, "type": "doc", "content": _Fitter().fit_blocks(document["content"], "doc", 1)}


def is_inline(kind: str) -> bool:
    """Whether a node stands in a line."""
    return allows("paragraph", kind)


class _Fitter:
    """Fits one document."""

    def __init__(self) -> None:
        self.counter = Counter()
        self.fitted: tuple[object, Node | None] = (None, None)  # the node that was looked at last, and its attributes
        self.numbers = 0

    def fit_blocks(self, nodes: Iterable[object], parent: str, depth: int) -> list[Node]:
        """Fit what stands in a block that holds blocks."""
        fitted: list[Node] = []
        line: list[Node] = []

        def end_line() -> None:
            if line:
                fitted.extend(self.fit_line(line, parent, depth))
                line.clear()

        for node in self.list_places(nodes, parent, depth):
            if is_inline(node["type"]) and not allows(parent, node["type"]):
                line.append(node)
                continue
            end_line()
            if node["type"] == "break":
                continue
            found = self.fit_node(node, parent, depth)
            if found is not None:
                fitted.append(found)
        end_line()
        return fitted

    def fit_line(self, line: list[Node], parent: str, depth: int) -> list[Node]:
        """Fit what stands in a line where blocks should stand."""
        if allows(parent, "paragraph"):
            content = self.fit_inlines(line, "paragraph", depth + 1)
            return [{"type": "paragraph", "content": content}] if content else []
        wrapper = _WRAPPERS.get(parent)
        found = self.fit_node({"type": wrapper, "content": list(line)}, parent, depth) if wrapper else None
        return [found] if found is not None else []

    def list_places(self, nodes: Iterable[object], parent: str, depth: int) -> Iterator[Node]:
        """List nodes that may stand here, or in a line; those which may not give what they hold."""
        for node in nodes:
            kind = node.get("type") if isinstance(node, dict) else None
            if not isinstance(node, dict) or not isinstance(kind, str):
                continue
            if (allows(parent, kind) or is_inline(kind)) and self.is_possible(node):
                yield node
            else:
                self.counter.take(depth)
                yield from self.list_substitutes(node, kind, parent, depth)

    def is_possible(self, node: Node) -> bool:
        """Whether a node has the attributes that it must have."""
        if not node.get("attrs") and node["type"] != "layoutSection":
            return not needs_attributes(node["type"]) or fit_attributes(node["type"], None, 0) is not None
        if node["type"] == "layoutSection":
            columns = [each for each in _content_of(node) if isinstance(each, dict) and each.get("type") == "layoutColumn"]
            if not LAYOUT_COLUMNS[0] <= len(columns) <= LAYOUT_COLUMNS[1]:
                return False
        fitted = fit_attributes(node["type"], node.get("attrs"), 0)
        self.fitted = (node, fitted)
        return fitted is not None

    def list_substitutes(self, node: Node, kind: str, parent: str, depth: int) -> Iterator[Node]:
        """List what stands for a node that may not stand here."""
        attributes = _attributes_of(node)
        twin = _TWINS.get(kind)
        wrapper = _WRAPPERS.get(parent)
        if twin and allows(parent, twin):
            yield node | {"type": twin}
        elif wrapper and allows(wrapper, kind):
            yield {"type": wrapper, "content": [node]}
        elif kind == "media" and allows(parent, "mediaSingle"):
            yield {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [node]}
        elif kind == "heading":
            yield {"type": "break"}
            yield from self.list_places(_make_strong(_content_of(node)), parent, depth + 1)
            yield {"type": "break"}
        elif kind in _CARDS:
            yield {"type": "inlineCard", "attrs": {name: attributes[name] for name in ("url", "data") if name in attributes}}
        elif kind == "inlineCard" and isinstance(attributes.get("url"), str):
            yield {"type": "text", "text": attributes["url"]}
        elif kind == "tableRow":
            yield {"type": "break"}
            yield from self.list_places(_join_cells(_content_of(node)), parent, depth + 1)
            yield {"type": "break"}
        else:
            yield from self.list_content(node, kind, attributes, parent, depth)

    def list_content(self, node: Node, kind: str, attributes: Node, parent: str, depth: int) -> Iterator[Node]:
        """List what a node holds, on lines of its own if it is no inline one; one that holds nothing gives its words."""
        is_block = not is_inline(kind) and (kind == "group" or knows(kind) or "content" in node)
        if is_block:
            yield {"type": "break"}
        title = attributes.get("title") if kind in _TWINS else None
        if isinstance(title, str) and title:
            yield {"type": "text", "text": title, "marks": [{"type": "strong"}]}
            yield {"type": "break"}
        content = _content_of(node)
        if content:
            yield from self.list_places(content, parent, depth + 1)
        else:
            words = next(
                (attributes[name] for name in ("text", "alt", "shortName") if isinstance(attributes.get(name), str)), ""
            )
            yield from [{"type": "text", "text": words}] if words else []
        if is_block:
            yield {"type": "break"}

    def fit_node(self, node: Node, parent: str, depth: int) -> Node | None:
        """Fit a node that may stand here. None when nothing is left of it."""
        kind = node["type"]
        self.counter.take(depth)
        marks = fit_marks(node.get("marks"), children_of(parent)[kind])
        self.counter.take_parts(len(marks))
        if kind == "text":
            text = clean_text(node["text"]) if isinstance(node.get("text"), str) else ""
            self.counter.take_text(text)
            return {"type": "text", "text": text} | ({"marks": marks} if marks else {}) if text else None
        number = self.numbers + 1
        known = self.fitted[1] if self.fitted[0] is node and kind not in NUMBERED else None
        attributes = fit_attributes(kind, node.get("attrs"), number) if known is None else known
        if attributes is None:
            return None
        self.counter.take_parts(len(attributes))
        for value in attributes.values():
            if isinstance(value, str | list | dict):
                self.counter.take_text(value if isinstance(value, str) else orjson.dumps(value))
        if "localId" in attributes:
            self.numbers = number
        fitted: Node = {"type": kind}
        if attributes or kind == "nestedExpand":
            fitted["attrs"] = attributes
        if marks:
            fitted["marks"] = marks
        model = children_of(kind)
        if model:
            content = self.fit_content(node, kind, depth)
            if content is None:
                self.numbers = number - 1
                return None
            fitted["content"] = content
        return fitted

    def fit_content(self, node: Node, kind: str, depth: int) -> list[Node] | None:
        """Fit what a node holds. None when it must hold something and does not."""
        given = _content_of(node)
        if allows(kind, "text"):
            return self.fit_inlines(given, kind, depth + 1)
        content = self.fit_blocks(given, kind, depth + 1)
        if kind == "mediaSingle":
            media = [each for each in content if each["type"] == "media"][:1]
            content = media + [each for each in content if each["type"] == "caption" and media][:1]
        if kind == "layoutSection" and len(content) < LAYOUT_COLUMNS[0]:
            return None
        if not content and kind not in _GONE_WHEN_EMPTY and allows(kind, "paragraph"):
            content = [{"type": "paragraph", "content": []}]
        return content or None

    def fit_inlines(self, nodes: Iterable[object], parent: str, depth: int) -> list[Node]:
        """Fit what stands in a block that holds text: neighbours with the same marks become one."""
        fitted: list[Node] = []
        pending = False
        for node in self.list_places(nodes, parent, depth):
            if node["type"] == "break":
                pending = bool(fitted)
                continue
            found = self.fit_node(node, parent, depth) if allows(parent, node["type"]) else self.fit_words(node, parent, depth)
            if found is None:
                continue
            if pending:
                fitted.append({"type": "hardBreak"} if allows(parent, "hardBreak") else {"type": "text", "text": "\n"})
                pending = False
            last = fitted[-1] if fitted else {}
            if found["type"] == last.get("type") == "text" and found.get("marks") == last.get("marks"):
                fitted[-1] = {**last, "text": last["text"] + found["text"]}
            else:
                fitted.append(found)
        return fitted

    def fit_words(self, node: Node, parent: str, depth: int) -> Node | None:
        """Fit the words of an inline node that may not stand here (in a code block)."""
        attributes = _attributes_of(node)
        words = "\n" if node["type"] == "hardBreak" else attributes.get("text", attributes.get("url", ""))
        return self.fit_node({"type": "text", "text": words}, parent, depth)


def _attributes_of(node: Node) -> Node:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, dict) else {}


def _content_of(node: Node) -> list[object]:
    content = node.get("content")
    return content if isinstance(content, list) else []


def _make_strong(nodes: list[object]) -> list[object]:
    made: list[object] = []
    for node in nodes:
        is_text = isinstance(node, dict) and node.get("type") == "text"
        marks: Any = node.get("marks") if isinstance(node, dict) else None
        made.append(
            {**node, "marks": [*(marks if isinstance(marks, list) else []), {"type": "strong"}]}
            if isinstance(node, dict) and is_text
            else node
        )
    return made


def _join_cells(cells: list[object]) -> list[object]:
    """A row as a line: cells with a bar between them."""
    line: list[object] = []
    for cell in cells:
        if line:
            line.append({"type": "text", "text": " | "})
        content = (_content_of(cell) or [cell]) if isinstance(cell, dict) else []
        for number, block in enumerate(content):
            line += [{"type": "text", "text": " "}] if number else []
            line += _content_of(block) if isinstance(block, dict) and block.get("type") in {"paragraph", "heading"} else [block]
    return line
