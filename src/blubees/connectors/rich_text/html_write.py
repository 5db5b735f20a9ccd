"""Writes an ADF document as HTML that can be read back. Called by convert.py, and where Markdown has no words by its writer.

Every text is escaped and every address checked (fit.py): nothing in a document becomes markup or a script.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from blubees.connectors.rich_text.bounds import Node
from blubees.connectors.rich_text.fit import is_inline
from blubees.connectors.rich_text.notation import SPACES, escape_attribute, escape_spaces, escape_text, write_notation

ALIGNMENTS: Final = {"center": "center", "end": "right"}
_TAGS: Final = {
    "paragraph": "p",
    "blockquote": "blockquote",
    "bulletList": "ul",
    "listItem": "li",
    "tableRow": "tr",
}
_NAMED: Final = {
    "panel": "div",
    "taskList": "ul",
    "decisionList": "ul",
    "decisionItem": "li",
    "layoutSection": "section",
    "layoutColumn": "div",
    "mediaSingle": "figure",
    "mediaGroup": "div",
    "caption": "figcaption",
    "bodiedExtension": "div",
    "bodiedSyncBlock": "div",
    "extension": "div",
    "syncBlock": "div",
    "inlineExtension": "span",
    "mention": "span",
    "emoji": "span",
    "status": "span",
    "placeholder": "span",
    "media": "span",
    "mediaInline": "span",
    "date": "time",
}
MARK_TAGS: Final = {"strong": "strong", "em": "em", "strike": "s", "underline": "u", "code": "code"}
LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+#./-]{0,40}")
_LINE_SPACES: Final = re.compile(r"[\n\t]|  ")


def write_html(document: Node) -> str:
    """Write a document that was fitted."""
    return "\n".join(write_block(node) for node in document["content"])


def write_block(node: Node, *, in_markdown: bool = False) -> str:
    """Write one block on a line; code keeps its lines, but not in Markdown."""
    return _Writer(in_markdown=in_markdown).write(node)


def write_line(nodes: list[Node], *, in_markdown: bool = False) -> str:
    """Write what stands in a line."""
    return _Writer(in_markdown=in_markdown).write_line(nodes)


def open_block(node: Node) -> tuple[str, str]:
    """Give the opening and closing tags of a block whose content is written by somebody else."""
    writer = _Writer(in_markdown=True)
    if node["type"] in {"expand", "nestedExpand"}:
        return writer.open_expand(node), "</details>"
    tag = _NAMED[node["type"]]
    return f"<{tag}{write_notation(node['type'], node.get('attrs'), node.get('marks'))}>", f"</{tag}>"


def find_spaces(nodes: list[Node]) -> list[bool]:
    """Tell for each node of a line whether it is a text with spaces that a reader would drop."""
    found: list[bool] = []
    for number, node in enumerate(nodes):
        text = node["text"] if node["type"] == "text" else ""
        before = nodes[number - 1] if number else {"type": "hardBreak"}
        after = nodes[number + 1] if number + 1 < len(nodes) else {"type": "hardBreak"}
        opens = text.startswith(" ") and (before["type"] == "hardBreak" or before.get("text", "").endswith((" ", "\n", "\t")))
        ends = text.endswith(" ") and after["type"] == "hardBreak"
        found.append(bool(text) and (opens or ends or _LINE_SPACES.search(text) is not None))
    return found


def tell_words(node: Node) -> str:
    """Give the words that stand for a node without content."""
    attributes = node.get("attrs", {})
    if node["type"] == "date":
        return write_day(attributes["timestamp"])
    if node["type"] == "emoji":
        return str(attributes.get("text") or attributes["shortName"])
    if node["type"] == "mention":
        text = attributes.get("text") or attributes["id"]
        return str(text if text.startswith("@") else f"@{text}")
    words = next((attributes[name] for name in ("text", "alt", "url") if isinstance(attributes.get(name), str)), "")
    return str(words) or {"media": "[file]", "mediaInline": "[file]"}.get(node["type"], "")


def write_day(timestamp: str) -> str:
    """Write the day of a date node (milliseconds since 1970); what is no such number stays."""
    if re.fullmatch(r"-?[0-9]{1,14}", timestamp):
        return f"{datetime.fromtimestamp(int(timestamp) / 1000, UTC):%Y-%m-%d}"
    return timestamp


class _Writer:
    """Writes nodes."""

    def __init__(self, *, in_markdown: bool) -> None:
        self.in_markdown = in_markdown

    def write(self, node: Node) -> str:
        """Write a node."""
        special: Callable[[Node], str] | None = getattr(self, f"write_{node['type']}", None)
        return special(node) if special is not None and not node["type"].startswith("line") else self.write_plain(node)

    def write_plain(self, node: Node) -> str:
        """Write a node as one element."""
        kind, attributes, marks = node["type"], node.get("attrs", {}), node.get("marks", [])
        tag = _TAGS.get(kind)
        notation = write_notation("" if tag else kind, attributes, marks)
        tag = tag or _NAMED[kind]
        style = _write_block_style(marks)
        content = self.write_content(node) if "content" in node else self.escape(tell_words(node))
        return f"<{tag}{style}{notation}>{content}</{tag}>"

    def write_content(self, node: Node) -> str:
        """Write what stands in a node."""
        content = node["content"]
        if all(is_inline(each["type"]) for each in content):
            return self.write_line(content)
        return "".join(self.write(each) for each in content)

    def escape(self, text: str) -> str:
        """Write words."""
        return escape_text(text, in_markdown=self.in_markdown)

    def write_line(self, nodes: list[Node]) -> str:
        """Write what stands in a line; neighbours share the elements of their marks."""
        return self.write_marked(
            [(node, list(node.get("marks", ())), kept) for node, kept in zip(nodes, find_spaces(nodes), strict=True)]
        )

    def write_marked(self, parts: list[tuple[Node, list[Node], bool]]) -> str:
        """Write parts of a line, each with the marks that are still to be written."""
        written: list[str] = []
        number = 0
        while number < len(parts):
            node, marks, kept = parts[number]
            if node["type"] != "text" or not marks:
                written.append(self.write_text(node["text"], is_kept=kept) if node["type"] == "text" else self.write(node))
                number += 1
                continue
            end = number
            while end < len(parts) and parts[end][0]["type"] == "text" and parts[end][1][:1] == marks[:1]:
                end += 1
            inner = self.write_marked([(each, rest[1:], space) for each, rest, space in parts[number:end]])
            written.append(wrap_mark(marks[0], inner))
            number = end
        return "".join(written)

    def write_text(self, text: str, *, is_kept: bool) -> str:
        """Write a text."""
        if not is_kept:
            return self.escape(text)
        inner = escape_spaces(text) if self.in_markdown else escape_text(text)
        return f'<span style="white-space: pre-wrap" data-adf="{SPACES}">{inner}</span>'

    def write_heading(self, node: Node) -> str:
        """Write a heading."""
        tag = f"h{int(node['attrs']['level'])}"
        marks = node.get("marks", [])
        return f"<{tag}{_write_block_style(marks)}{write_notation(marks=marks)}>{self.write_line(node['content'])}</{tag}>"

    def write_orderedList(self, node: Node) -> str:  # noqa: N802 - a node's type
        """Write an ordered list."""
        attributes = dict(node.get("attrs", {}))
        order = attributes.get("order")
        start = f' start="{attributes.pop("order")}"' if type(order) is int else ""
        return f"<ol{start}{write_notation(attributes=attributes)}>{self.write_content(node)}</ol>"

    def write_taskItem(self, node: Node) -> str:  # noqa: N802 - see above
        """Write a task with its box."""
        box = f'<input type="checkbox" disabled=""{" checked=" + chr(34) * 2 if node["attrs"]["state"] == "DONE" else ""}>'
        return f"<li{write_notation(node['type'], node['attrs'])}>{box} {self.write_content(node)}</li>"

    write_blockTaskItem = write_taskItem  # noqa: N815 - see above

    def write_codeBlock(self, node: Node) -> str:  # noqa: N802 - see above
        """Write code."""
        attributes = dict(node.get("attrs", {}))
        language = attributes.pop("language", "") if LANGUAGE.fullmatch(attributes.get("language", "")) else ""
        name = f' class="language-{escape_attribute(language)}"' if language else ""
        text = "".join(each["text"] for each in node["content"]) + "\n"
        inner = escape_spaces(text) if self.in_markdown else escape_text(text)
        return f"<pre{write_notation(attributes=attributes, marks=node.get('marks'))}><code{name}>{inner}</code></pre>"

    def write_rule(self, _node: Node) -> str:
        """Write a line across."""
        return "<hr>"

    def write_hardBreak(self, _node: Node) -> str:  # noqa: N802 - see above
        """Write the end of a line."""
        return "<br>"

    def write_expand(self, node: Node) -> str:
        """Write what can be opened."""
        return f"{self.open_expand(node)}{self.write_content(node)}</details>"

    write_nestedExpand = write_expand  # noqa: N815 - see above

    def open_expand(self, node: Node) -> str:
        """Write the beginning of what can be opened."""
        attributes = dict(node.get("attrs", {}))
        title = attributes.pop("title", "")
        summary = f"<summary>{self.write_text(title, is_kept=find_spaces([{'type': 'text', 'text': title}])[0])}</summary>"
        return f"<details{write_notation(attributes=attributes, marks=node.get('marks'))}>{summary if title else ''}"

    def write_table(self, node: Node) -> str:
        """Write a table."""
        notation = write_notation(attributes=node.get("attrs"), marks=node.get("marks"))
        return f"<table{notation}><tbody>{self.write_content(node)}</tbody></table>"

    def write_tableCell(self, node: Node) -> str:  # noqa: N802 - see above
        """Write a cell."""
        attributes = dict(node.get("attrs", {}))
        spans = "".join(
            f' {name}="{attributes.pop(name)}"' for name in ("colspan", "rowspan") if type(attributes.get(name)) is int
        )
        tag = "th" if node["type"] == "tableHeader" else "td"
        return f"<{tag}{spans}{write_notation(attributes=attributes)}>{self.write_content(node)}</{tag}>"

    write_tableHeader = write_tableCell  # noqa: N815 - see above

    def write_inlineCard(self, node: Node) -> str:  # noqa: N802 - see above
        """Write a card as the link that it is."""
        attributes, tag = node["attrs"], "span" if node["type"] == "inlineCard" else "div"
        if "url" not in attributes:
            return f"<{tag}{write_notation(node['type'], attributes)}></{tag}>"
        address = f'<a href="{escape_attribute(attributes["url"])}">{self.escape(attributes["url"])}</a>'
        return f"<{tag}{write_notation(node['type'], attributes)}>{address}</{tag}>"

    write_blockCard = write_embedCard = write_inlineCard  # noqa: N815 - see above

    def write_media(self, node: Node) -> str:
        """Write a picture that lies elsewhere as one; a file of Jira by its name."""
        attributes = node["attrs"]
        if attributes["type"] != "external":
            return self.write_plain(node)
        alt, source = escape_attribute(attributes.get("alt", "")), escape_attribute(attributes["url"])
        is_plain = not set(attributes) - {"type", "url", "alt"} and attributes.get("alt") != "" and not node.get("marks")
        notation = "" if is_plain else write_notation("media", attributes, node.get("marks"))
        return f'<img src="{source}" alt="{alt}"{notation}>'


def wrap_mark(mark: Node, inner: str) -> str:
    """Write the element of a mark around a text."""
    kind, attributes = mark["type"], mark.get("attrs", {})
    if kind in MARK_TAGS:
        return f"<{MARK_TAGS[kind]}>{inner}</{MARK_TAGS[kind]}>"
    if kind == "subsup":
        return f"<{attributes['type']}>{inner}</{attributes['type']}>"
    if kind == "link":
        rest = {name: value for name, value in attributes.items() if name not in {"href", "title"}}
        title = f' title="{escape_attribute(attributes["title"])}"' if attributes.get("title") else ""
        return f'<a href="{escape_attribute(attributes["href"])}"{title}{write_notation(attributes=rest)}>{inner}</a>'
    if kind == "textColor":
        return f'<span style="color: {attributes["color"]}">{inner}</span>'
    if kind == "backgroundColor":
        return f'<span style="background-color: {attributes["color"]}">{inner}</span>'
    return f"<span{write_notation(marks=[mark])}>{inner}</span>"


def _write_block_style(marks: Iterable[Any]) -> str:
    align = next((mark["attrs"]["align"] for mark in marks if mark["type"] == "alignment"), "")
    return f' style="text-align: {ALIGNMENTS[align]}"' if align else ""
