"""Reads HTML into a tree of elements, within limits: no links followed, no scripts, no entities of a document's own.

Called by html_read.py. The parser (libxml2) forgives as browsers do, and never copies open elements, so that it stays linear.
"""

from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from blubees.connectors.rich_text.bounds import RichTextError, RichTextProblem

PARTS_MAX: Final = 7_500
"""Elements, and their attributes."""
DEPTH_MAX: Final = 160
"""Levels of elements: three for one of ADF, and marks."""
_LEFT_OUT: Final = frozenset(
    {
        "script",
        "style",
        "head",
        "title",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "svg",
        "math",
        "textarea",
        "select",
    }
)


@dataclass(slots=True)
class Element:
    """An element: its attributes, and what stands in it in order."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)


def read_tree(text: str) -> Element:
    """Give the tree of an HTML text or a part of one.

    Raises:
        RichTextError: it has more than 7,500 elements and attributes, or is deeper than 160.
    """
    target = _Builder()
    parser = etree.HTMLParser(target=target, no_network=True, remove_comments=True, remove_pis=True, recover=True)
    parser.feed("<html><body>")
    parser.feed(text)
    parser.feed("</body></html>")
    root: Element = parser.close()
    return root


class _Builder:
    """Takes the parser's events."""

    def __init__(self) -> None:
        self.root = Element("body", {})
        self.open: list[Element] = [self.root]
        self.words: list[str] = []
        self.count = 0
        self.left_out = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.end_words()
        self.count += 1 + len(attributes)
        if self.count > PARTS_MAX:
            raise RichTextError(RichTextProblem.TOO_MANY_PARTS)
        if len(self.open) > DEPTH_MAX:
            raise RichTextError(RichTextProblem.TOO_DEEP)
        tag = str(tag).lower()
        if tag in _LEFT_OUT or self.left_out:
            self.left_out += 1
            return
        if tag in {"html", "body"}:
            return
        element = Element(tag, {str(name): str(value) for name, value in attributes.items()})
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, tag: str) -> None:
        """An element ends."""
        self.end_words()
        tag = str(tag).lower()
        if self.left_out:
            self.left_out -= 1
        elif tag not in {"html", "body"} and len(self.open) > 1:
            self.open.pop()

    def data(self, text: str) -> None:
        """There is text."""
        if not self.left_out:
            self.words.append(text)

    def end_words(self) -> None:
        """Keep the text so far as one: the parser may give it letter by letter."""
        if self.words:
            self.open[-1].children.append("".join(self.words))
            self.words.clear()

    def close(self) -> Element:
        """All is read."""
        self.end_words()
        return self.root
