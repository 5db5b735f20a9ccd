"""Writes an ADF document as Markdown that can be read back: CommonMark with GitHub's tables, tasks, strikethrough and alerts.

Called by convert.py. What Markdown has no words for stands as HTML (html_write.py), its content as Markdown where it can be.
"""

import re
from collections.abc import Callable
from typing import Final

from blubees.connectors.rich_text.bounds import Node, indent
from blubees.connectors.rich_text.html_read import ALERTS
from blubees.connectors.rich_text.html_write import LANGUAGE, open_block, write_block
from blubees.connectors.rich_text.markdown_line import LinePlace, escape_words, has_odd_spaces, write_markdown_line

_ALERT_OF: Final = {panel: alert.upper() for alert, panel in ALERTS.items()}
_LISTS: Final = frozenset({"bulletList", "orderedList", "taskList"})
_CONTAINERS: Final = frozenset(
    {"panel", "expand", "nestedExpand", "layoutSection", "layoutColumn", "bodiedExtension", "bodiedSyncBlock"}
)
_LONE_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>\s*")
_IN_CELL: Final = LinePlace(is_single=True, is_cell=True)
_IN_TASK: Final = LinePlace(is_single=True)
_IN_HEADING: Final = LinePlace(is_single=True, is_heading=True)
_PICTURE: Final = frozenset({"type", "url", "alt"})


def write_markdown(document: Node) -> str:
    """Write a document that was fitted."""
    return _write_blocks(document["content"])


def _write_blocks(nodes: list[Node]) -> str:
    written: list[str] = []
    for number, node in enumerate(nodes):
        if number and node["type"] in _LISTS and nodes[number - 1]["type"] in _LISTS:
            written.append("<!-- -->")  # else the two would be one
        written.append(_write(node))
    return "\n\n".join(written)


def _write(node: Node) -> str:
    plain = _PLAIN.get(node["type"])
    written = plain(node) if plain is not None and not node.get("marks") else None
    if written is not None:
        return written
    if node["type"] in _CONTAINERS:
        opening, closing = open_block(node)
        return f"{opening}\n\n{_write_blocks(node['content'])}\n\n{closing}"
    return write_block(node, in_markdown=True)


def _write_paragraph(node: Node) -> str | None:
    line = write_markdown_line(node["content"], LinePlace())
    return None if not line or _LONE_TAG.fullmatch(line.partition("\n")[0]) else line


def _write_heading(node: Node) -> str | None:
    return f"{'#' * int(node['attrs']['level'])} {write_markdown_line(node['content'], _IN_HEADING)}".rstrip()


def _write_code(node: Node) -> str | None:
    attributes = node.get("attrs", {})
    language = attributes.get("language", "")
    text = "".join(each["text"] for each in node["content"])
    if set(attributes) - {"language"} or not LANGUAGE.fullmatch(language):
        return None
    fence = "`" * max(3, *(len(run) + 1 for run in ["", "", *re.findall("`+", text)]))
    return f"{fence}{language}\n{text}\n{fence}" if text else f"{fence}{language}\n{fence}"


def _write_rule(_node: Node) -> str | None:
    return "---"


def _write_quotation(node: Node) -> str | None:
    return indent(_write_blocks(node["content"]), "> ", "> ") if not node.get("attrs") else None


def _write_panel(node: Node) -> str | None:
    alert = _ALERT_OF.get(node["attrs"]["panelType"])
    if alert is None or len(node["attrs"]) > 1:
        return None
    content = _write_blocks(node["content"])
    # CommonMark: right under a line, only a list that begins with 1 begins a list
    gap = ">\n" if node["content"][0]["type"] == "orderedList" and not content.startswith("1. ") else ""
    return f"> [!{alert}]\n{gap}" + indent(content, "> ", "> ")


def _write_bullets(node: Node) -> str | None:
    return "\n".join(indent(_write_item(item), "- ", "  ") for item in node["content"])


def _write_numbers(node: Node) -> str | None:
    order = node.get("attrs", {}).get("order", 1)
    if type(order) is not int or order + len(node["content"]) > 999_999_999:  # noqa: PLR2004 - CommonMark: nine digits
        return None
    heads = [f"{order + number}. " for number in range(len(node["content"]))]
    items = zip(heads, node["content"], strict=True)
    return "\n".join(indent(_write_item(item), head, " " * len(head)) for head, item in items)


def _write_item(item: Node) -> str:
    """Write what stands in an item: a list right under its one line needs no empty line between."""
    blocks = item["content"]
    if [block["type"] for block in blocks] in (
        ["paragraph", "bulletList"],
        ["paragraph", "orderedList"],
        ["paragraph", "taskList"],
    ):
        line, under = map(_write, blocks)
        if under.startswith(("- ", "1. ")) and not line.startswith("<p"):
            return f"{line}\n{under}"
    return _write_blocks(blocks)


def _write_tasks(node: Node) -> str | None:
    lines: list[str] = []
    for item in node["content"]:
        if item["type"] == "taskList":
            under = _write_tasks(item)
            if under is None or not lines:
                return None
            lines.append(indent(under, "  ", "  "))
            continue
        line = write_markdown_line(item["content"], _IN_TASK) if item["type"] == "taskItem" else ""
        if not line:
            return None
        lines.append(f"- [{'x' if item['attrs']['state'] == 'DONE' else ' '}] {line}")
    return "\n".join(lines)


def _write_table(node: Node) -> str | None:
    """Write a table that Markdown can say: a row of heads, then rows of cells, each one plain paragraph."""
    rows = [row["content"] for row in node["content"]]
    kinds = [{cell["type"] for cell in row} for row in rows]
    is_plain = kinds[0] == {"tableHeader"} and all(kind == {"tableCell"} for kind in kinds[1:])
    if (
        not is_plain
        or node.get("attrs")
        or len({len(row) for row in rows}) > 1
        or not all(_is_plain_cell(cell) for row in rows for cell in row)
    ):
        return None
    lines = [
        "| " + " | ".join(write_markdown_line(cell["content"][0]["content"], _IN_CELL) for cell in row) + " |" for row in rows
    ]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _is_plain_cell(cell: Node) -> bool:
    content = cell["content"]
    is_one = len(content) == 1 and content[0]["type"] == "paragraph" and not content[0].get("marks")
    return is_one and not cell.get("attrs") and not content[0].get("attrs")


def _write_picture(node: Node) -> str | None:
    media = node["content"][0]
    attributes = media["attrs"]
    is_plain = len(node["content"]) == 1 and node["attrs"] == {"layout": "center"} and not media.get("marks")
    alt = attributes.get("alt", "")
    if not is_plain or attributes["type"] != "external" or set(attributes) - _PICTURE or has_odd_spaces(alt) or alt == "":
        return None
    return f"![{escape_words(alt)}](<{attributes['url'].replace('&', '&amp;')}>)"


_PLAIN: Final[dict[str, Callable[[Node], str | None]]] = {
    "paragraph": _write_paragraph,
    "heading": _write_heading,
    "codeBlock": _write_code,
    "rule": _write_rule,
    "blockquote": _write_quotation,
    "panel": _write_panel,
    "bulletList": _write_bullets,
    "orderedList": _write_numbers,
    "taskList": _write_tasks,
    "table": _write_table,
    "mediaSingle": _write_picture,
}
