"""Reads HTML, anybody's or our own, as ADF. Called by convert.py; Markdown comes this way too.

What is read is loose: fit.py makes a document of it.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from blubees.connectors.rich_text.bounds import HTML_MAX_CHARACTERS, Node, check_length
from blubees.connectors.rich_text.fit import is_inline
from blubees.connectors.rich_text.html_tree import Element, read_tree
from blubees.connectors.rich_text.html_write import ALIGNMENTS
from blubees.connectors.rich_text.notation import KIND, LEAVES, SPACES, is_mark, read_notation

_MARKS: Final[dict[str, Node]] = {
    **{tag: {"type": "strong"} for tag in ("strong", "b")},
    **{tag: {"type": "em"} for tag in ("em", "i", "cite", "dfn", "var")},
    **{tag: {"type": "strike"} for tag in ("s", "del", "strike")},
    **{tag: {"type": "underline"} for tag in ("u", "ins")},
    **{tag: {"type": "code"} for tag in ("code", "kbd", "samp", "tt")},
    "sub": {"type": "subsup", "attrs": {"type": "sub"}},
    "sup": {"type": "subsup", "attrs": {"type": "sup"}},
}
_GROUPS: Final = frozenset(
    {
        "div",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "nav",
        "aside",
        "figure",
        "figcaption",
        "address",
        "fieldset",
        "form",
    }
    | {"center", "dl", "dt", "dd", "summary", "caption", "thead", "tbody", "tfoot"}
)
_SIMPLE: Final = {"blockquote": "blockquote", "tr": "tableRow"}
ALERTS: Final = {"note": "info", "tip": "tip", "important": "note", "warning": "warning", "caution": "error"}
"""The kinds of GitHub's alerts, as panels."""
_SPAN_MAX: Final = 1_000
_BLANKS: Final = re.compile(r"[ \t\n\r\f]+")
_STYLE: Final = re.compile(
    r"(?:^|;)\s*(color|background-color|text-align)\s*:\s*(#[0-9a-fA-F]{3,6}|[a-z]{1,20}|rgb\([0-9, ]{5,15}\))\s*(?=;|$)"
)


def read_html(text: str, *, is_trusted: bool = False) -> Node:
    """Give a document that is still to be fitted.

    Args:
        is_trusted: read mentions and extensions too, which reach people and apps.

    Raises:
        RichTextError: too large, too deep, too many parts.
    """
    check_length(text, HTML_MAX_CHARACTERS)
    return read_elements(text, is_trusted=is_trusted)


def read_elements(text: str, *, is_trusted: bool) -> Node:
    """Read HTML of any length, as read_html() does."""
    reader = _Reader(is_trusted=is_trusted)
    return {"version": 1, "type": "doc", "content": reader.read_children(read_tree(text))}


class _Reader:
    """Reads elements."""

    def __init__(self, *, is_trusted: bool) -> None:
        self.is_trusted = is_trusted

    def read_children(self, element: Element, marks: tuple[Node, ...] = ()) -> list[Node]:
        """Read what stands in a block."""
        return _trim_lines(self.read_parts(element, marks))

    def read_parts(self, element: Element, marks: tuple[Node, ...], *, is_kept: bool = False) -> list[Node]:
        """Read what stands in an element, spaces as they are."""
        parts: list[Node] = []
        for child in element.children:
            if isinstance(child, str):
                parts.append({"type": "text", "text": child, "marks": list(marks), "is_kept": is_kept})
            else:
                parts += self.read(child, marks, is_kept=is_kept)
        return parts

    def read(self, element: Element, marks: tuple[Node, ...], *, is_kept: bool) -> list[Node]:
        """Read one element."""
        kind, attributes, own_marks = read_notation(element.attributes, is_trusted=self.is_trusted)
        if kind:
            return [self.read_noted(element, kind, attributes, own_marks)]
        if element.attributes.get(KIND) == SPACES:
            return self.read_parts(element, marks, is_kept=True)
        special: Callable[[Element, Node, list[Node]], list[Node]] | None = getattr(self, f"read_{element.tag}", None)
        if special is not None and element.tag in _SPECIAL:
            return special(element, attributes, own_marks)
        if element.tag in _SIMPLE:
            return [{"type": _SIMPLE[element.tag], "content": self.read_children(element)}]
        if element.tag in _GROUPS:
            return [{"type": "group", "content": self.read_children(element, marks)}]
        return self.read_parts(element, (*marks, *self.list_marks(element, attributes, own_marks)), is_kept=is_kept)

    def read_noted(self, element: Element, kind: str, attributes: Node, marks: list[Node]) -> Node:
        """Read an element that says which node it is."""
        if kind in LEAVES:
            return {"type": kind, "attrs": attributes, "marks": marks}
        inner = _without_box(element) if kind in {"taskItem", "blockTaskItem"} else element
        return {"type": kind, "attrs": attributes, "marks": marks, "content": self.read_children(inner)}

    def list_marks(self, element: Element, attributes: Node, own_marks: list[Node]) -> list[Node]:
        """List the marks that an inline element gives its text."""
        found = [mark for mark in own_marks if is_mark(mark)]
        if element.tag in _MARKS:
            found.append(_MARKS[element.tag])
        if element.tag == "a" and "href" in element.attributes:
            title = {"title": element.attributes["title"]} if element.attributes.get("title") else {}
            found.append({"type": "link", "attrs": {"href": element.attributes["href"], **title, **attributes}})
        style = _read_style(element)
        if not style:
            return found
        for name, mark in (("color", "textColor"), ("background-color", "backgroundColor")):
            color = _read_color(style.get(name, ""))
            found += [{"type": mark, "attrs": {"color": color}}] if color else []
        return found

    def read_p(self, element: Element, attributes: Node, marks: list[Node]) -> list[Node]:
        """Read a paragraph; blocks in it stand on their own."""
        parts = self.read_children(element)
        marks = marks + _read_alignment(element)
        if parts and all(not is_inline(part["type"]) for part in parts):
            return [{"type": "group", "content": parts}]
        if all(is_inline(part["type"]) for part in parts):
            return [{"type": "paragraph", "attrs": attributes, "marks": marks, "content": parts}]
        lines: list[Node] = []
        for part in parts:
            if not is_inline(part["type"]):
                lines.append(part)
            elif lines and lines[-1]["type"] == "paragraph":
                lines[-1]["content"].append(part)
            else:
                lines.append({"type": "paragraph", "marks": marks, "content": [part]})
        return lines

    def read_heading(self, element: Element, _attributes: Node, marks: list[Node]) -> list[Node]:
        """Read a heading."""
        marks = marks + _read_alignment(element)
        content = self.read_children(element)
        return [{"type": "heading", "attrs": {"level": int(element.tag[1])}, "marks": marks, "content": content}]

    read_h1 = read_h2 = read_h3 = read_h4 = read_h5 = read_h6 = read_heading

    def read_ul(self, element: Element, attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read a list; one whose items all begin with a box is a list of tasks."""
        items = [child for child in element.children if isinstance(child, Element) and child.tag == "li"]
        if items and element.tag == "ul" and all(_find_box(item) is not None for item in items):
            return [{"type": "taskList", "content": [part for item in items for part in self.read_task(item)]}]
        order = element.attributes.get("start", "")
        kind = "bulletList" if element.tag == "ul" else "orderedList"
        start = {"order": int(order)} if kind == "orderedList" and re.fullmatch("[0-9]{1,9}", order) else {}
        return [{"type": kind, "attrs": start | attributes, "content": self.read_children(element)}]

    read_ol = read_ul

    def read_li(self, element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read an item."""
        return [{"type": "listItem", "content": self.read_children(element)}]

    def read_task(self, item: Element) -> list[Node]:
        """Read a task, and the lists of tasks under it."""
        box = _find_box(item)
        state = "DONE" if box is not None and "checked" in box.attributes else "TODO"
        parts = self.read_children(_without_box(item))
        under = [part for part in parts if part["type"] == "taskList"]
        content = [part for part in parts if part["type"] != "taskList"]
        return [{"type": "taskItem", "attrs": {"state": state}, "content": content}, *under]

    def read_pre(self, element: Element, attributes: Node, marks: list[Node]) -> list[Node]:
        """Read code."""
        code = next((child for child in element.children if isinstance(child, Element) and child.tag == "code"), element)
        name = re.search(r"(?:^|\s)lang(?:uage)?-(\S+)", code.attributes.get("class", ""))
        text = _gather_text(element)
        if code is not element:
            text = text.removesuffix("\n")
        attributes = ({"language": name.group(1)} if name else {}) | attributes
        content = [{"type": "text", "text": text}] if text else []
        return [{"type": "codeBlock", "attrs": attributes, "marks": marks, "content": content}]

    def read_blockquote(self, element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read a quotation; GitHub's alerts are panels."""
        name = re.search(r"markdown-alert-([a-z]+)", element.attributes.get("class", ""))
        if name and name.group(1) in ALERTS:
            panel = {"panelType": ALERTS[name.group(1)]}
            return [{"type": "panel", "attrs": panel, "content": self.read_children(element)}]
        return [{"type": "blockquote", "content": self.read_children(element)}]

    def read_details(self, element: Element, attributes: Node, marks: list[Node]) -> list[Node]:
        """Read what can be opened."""
        summary = next((child for child in element.children if isinstance(child, Element) and child.tag == "summary"), None)
        children = [child for child in element.children if child is not summary]
        title = "".join(part.get("text", "") for part in self.read_children(summary)) if summary is not None else ""
        content = self.read_children(Element("details", {}, children))
        return [{"type": "expand", "attrs": {"title": title} | attributes, "marks": marks, "content": content}]

    def read_table(self, element: Element, attributes: Node, marks: list[Node]) -> list[Node]:
        """Read a table; what stands above it comes before it."""
        parts = self.read_children(element)
        rows = [row for part in parts for row in (part["content"] if part["type"] == "group" else [part])]
        above = [row for row in rows if row["type"] != "tableRow"]
        body = [row for row in rows if row["type"] == "tableRow"]
        return [{"type": "group", "content": above}, {"type": "table", "attrs": attributes, "marks": marks, "content": body}]

    def read_td(self, element: Element, attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read a cell."""
        kind = "tableHeader" if element.tag == "th" else "tableCell"
        spans = {name: element.attributes.get(name, "") for name in ("colspan", "rowspan")}
        found = {name: min(int(text), _SPAN_MAX) for name, text in spans.items() if re.fullmatch("[1-9][0-9]{0,5}", text)}
        return [{"type": kind, "attrs": found | attributes, "content": self.read_children(element)}]

    read_th = read_td

    def read_img(self, element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read a picture that lies elsewhere; one that may not be shown gives its words."""
        alt = element.attributes.get("alt", "")
        attributes: dict[str, Any] = {"type": "external", "url": element.attributes.get("src", "")} | (
            {"alt": alt} if alt else {}
        )
        return [{"type": "media", "attrs": attributes}]

    def read_br(self, _element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read the end of a line."""
        return [{"type": "hardBreak"}]

    def read_hr(self, _element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read a line across."""
        return [{"type": "rule"}]

    def read_input(self, element: Element, _attributes: Node, _marks: list[Node]) -> list[Node]:
        """Read the box of an item that is no task: it becomes text."""
        is_box = element.attributes.get("type") == "checkbox"
        return [{"type": "text", "text": "[x] " if "checked" in element.attributes else "[ ] "}] if is_box else []


_SPECIAL: Final = frozenset(name.removeprefix("read_") for name in vars(_Reader) if name.startswith("read_")) - {
    "parts",
    "children",
    "noted",
    "task",
    "heading",
}


def _trim_lines(parts: list[Node]) -> list[Node]:
    """Make blanks one space, and drop those at the ends of lines."""
    trimmed: list[Node] = []
    line: list[Node] = []
    for part in [*parts, {"type": "end"}]:
        if part["type"] != "end" and is_inline(part["type"]):
            line.append(part)
            continue
        trimmed += _trim_line(line)
        line = []
        if part["type"] != "end":
            trimmed.append(part)
    return trimmed


def _trim_line(line: list[Node]) -> list[Node]:
    trimmed: list[Node] = []
    at_space = True
    for part in line:
        if part["type"] == "hardBreak":
            _drop_last_space(trimmed)
            trimmed.append(part)
            at_space = True
        elif part["type"] != "text":
            trimmed.append(part)
            at_space = False
        else:
            text = part["text"] if part.get("is_kept") else _BLANKS.sub(" ", part["text"])
            if at_space and not part.get("is_kept"):
                text = text.removeprefix(" ")
            if text:
                trimmed.append({**part, "text": text})
                at_space = text[-1] in " \n\t"
    _drop_last_space(trimmed)
    return trimmed


def _drop_last_space(line: list[Node]) -> None:
    if line and line[-1]["type"] == "text" and not line[-1].get("is_kept"):
        line[-1]["text"] = line[-1]["text"].removesuffix(" ")
        if not line[-1]["text"]:
            line.pop()


def _find_box(item: Element) -> Element | None:
    """The box at the beginning of an item, also when it stands in its first paragraph."""
    for child in item.children:
        if isinstance(child, Element):
            if child.tag == "input" and child.attributes.get("type") == "checkbox":
                return child
            return _find_box(child) if child.tag in {"p", "label"} else None
        if child.strip():
            return None
    return None


def _without_box(item: Element) -> Element:
    """The same item without the box at its beginning."""
    children = list(item.children)
    for number, child in enumerate(children):
        if isinstance(child, Element):
            if child.tag == "input":
                del children[number]
            elif child.tag in {"p", "label"}:
                children[number] = _without_box(child)
            break
        if child.strip():
            break
    return Element(item.tag, item.attributes, children)


def _gather_text(element: Element) -> str:
    return "".join(
        child if isinstance(child, str) else "\n" if child.tag == "br" else _gather_text(child) for child in element.children
    )


def _read_style(element: Element) -> dict[str, str]:
    style = element.attributes.get("style", "")
    return {name: value.lower() for name, value in _STYLE.findall(style.lower())} if style and len(style) < 2_000 else {}  # noqa: PLR2004


def _read_color(text: str) -> str:
    if re.fullmatch("#[0-9a-f]{6}", text):
        return text
    if re.fullmatch("#[0-9a-f]{3}", text):
        return "#" + "".join(letter * 2 for letter in text[1:])
    parts = re.fullmatch(r"rgb\((\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})\)", text)
    return "#" + "".join(f"{min(int(part), 255):02x}" for part in parts.groups()) if parts else ""


def _read_alignment(element: Element) -> list[Node]:
    align = _read_style(element).get("text-align", "")
    found = {css: name for name, css in ALIGNMENTS.items()} | {"end": "end"}
    return [{"type": "alignment", "attrs": {"align": found[align]}}] if align in found else []
