"""Writes what stands in a line as Markdown: marks, links, code, and texts in which no letter is read as Markdown.

Called by markdown_write.py. Where Markdown's own marks would be misread (inside a word, beside another mark) HTML's stand.
"""

import re
from dataclasses import dataclass
from typing import Final

from blubees.connectors.rich_text.bounds import Node
from blubees.connectors.rich_text.html_write import find_spaces, wrap_mark, write_block, write_line
from blubees.connectors.rich_text.notation import SPACES, escape_spaces

_DELIMITERS: Final = {"strong": "**", "em": "_", "strike": "~~"}
_BEFORE: Final = frozenset({"", " ", "\n", "(", "[", ">"})
_AFTER: Final = frozenset({"", " ", "\n", ".", ",", ";", ":", "!", "?", ")", "]", "<"})
_UNKNOWN: Final = "…"
_ALWAYS: Final = str.maketrans({letter: f"\\{letter}" for letter in "\\`*[]<>~|"})
_SOMETIMES: Final = re.compile(r"&(?=[#A-Za-z]|$)|!(?=\\\[|$)|(?<![^\W_])_|_(?![^\W_])")
_SOMETIMES_ALL: Final = str.maketrans({letter: f"\\{letter}" for letter in "&!_"})
_MANY: Final = 1_000
_LINE_START: Final = re.compile(r"[#+=:-]|[0-9]{1,9}(?=[.)])")
_HEADING_END: Final = re.compile("#(?=#*$)")
_ODD_SPACE: Final = re.compile(r"[\n\t]|  |^ | $")

_Part = tuple[Node, list[Node], bool]


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a line stands.

    Attributes:
        is_single: it may not be broken (headings, tasks, cells).
        is_heading, is_cell: it stands in one.
    """

    is_single: bool = False
    is_heading: bool = False
    is_cell: bool = False


def write_markdown_line(nodes: list[Node], place: LinePlace) -> str:
    """Write what stands in a line; a hard break begins another line where it may."""
    parts = [(node, list(node.get("marks", ())), kept) for node, kept in zip(nodes, find_spaces(nodes), strict=True)]
    return _write_parts(parts, place, "", "")


def escape_words(text: str) -> str:
    """Write words in which nothing is read as Markdown, somewhere in a line."""
    written = text.translate(_ALWAYS)
    if text.count("_") + text.count("&") + text.count("!") > _MANY:  # looking at each takes long
        return written.translate(_SOMETIMES_ALL)
    return _SOMETIMES.sub(r"\\\g<0>", written)


def has_odd_spaces(text: str) -> bool:
    """Whether a text has spaces that a reader would drop."""
    return _ODD_SPACE.search(text) is not None


def _write_parts(parts: list[_Part], place: LinePlace, before: str, after: str) -> str:
    """Write parts, of which each has marks that are still to be written; `before` and `after` are the letters around."""
    written: list[str] = []
    number = 0
    last = before
    while number < len(parts):
        node, marks, kept = parts[number]
        end = number + 1
        if node["type"] == "text" and marks:
            while end < len(parts) and parts[end][0]["type"] == "text" and parts[end][1][:1] == marks[:1]:
                end += 1
        following = _peek(parts, end, after)
        if node["type"] == "text" and marks:
            text = _write_marked(
                marks[0], [(each, rest[1:], space) for each, rest, space in parts[number:end]], place, last, following
            )
        elif node["type"] == "text":
            text = _write_text(node["text"], place, last, is_kept=kept)
        elif node["type"] == "hardBreak":
            text = _write_break(parts, number, place)
        else:
            text = write_block(node, in_markdown=True)
        written.append(text)
        last = text[-1:] or last
        number = end
    return "".join(written)


def _peek(parts: list[_Part], number: int, after: str) -> str:
    """The first letter of a part, as far as it is known."""
    if number >= len(parts):
        return after
    node, marks, kept = parts[number]
    if node["type"] != "text" or kept:
        return "\n" if node["type"] == "hardBreak" and not kept else "<"
    return _UNKNOWN if marks else str(node["text"][0])


def _write_marked(mark: Node, parts: list[_Part], place: LinePlace, before: str, after: str) -> str:
    kind, attributes = mark["type"], mark.get("attrs", {})
    if kind == "code":
        return _write_code(parts, place, before, after)
    if kind == "link" and not set(attributes) - {"href", "title"} and not has_odd_spaces(attributes.get("title", "")):
        return f"[{_write_parts(parts, place, '[', ']')}]({_write_target(attributes)})"
    delimiter = _DELIMITERS.get(kind)
    if delimiter:
        inner = _write_parts(parts, place, delimiter[0], delimiter[0])
        if _is_safe(delimiter[0], inner, before, after):
            return f"{delimiter}{inner}{delimiter}"
    return wrap_mark(mark, _write_parts(parts, place, ">", "<"))


def _is_safe(delimiter: str, inner: str, before: str, after: str) -> bool:
    """Whether a reader takes these delimiters for what they are, by CommonMark's rules of flanking (more strictly)."""
    if not inner or inner[0].isspace() or inner[-1].isspace() or before == delimiter or after in {delimiter, _UNKNOWN}:
        return False
    opens = inner[0].isalnum() or before in _BEFORE
    ends = inner[-1].isalnum() or after in _AFTER
    if inner[0] == delimiter or inner[-1] == delimiter:
        return False
    if delimiter == "_":
        return opens and ends and before in _BEFORE | {"*"} and after in _AFTER | {"*"}
    return opens and ends and before not in set("*_~") - {delimiter} and after not in set("*_~")


def _write_code(parts: list[_Part], place: LinePlace, before: str, after: str) -> str:
    text = "".join(node["text"] for node, _, _ in parts)
    is_plain = not any(kept for _, _, kept in parts) and text.strip() and before != "`" and after not in {"`", _UNKNOWN}
    if not is_plain or (place.is_cell and ("|" in text or "\\" in text)):
        return wrap_mark(
            {"type": "code"},
            write_line([{"type": "text", "text": text}], in_markdown=True) if not _is_kept(parts) else _keep(text),
        )
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text[0] == "`" or text[-1] == "`" or (text[0] == " " and text[-1] == " ") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _is_kept(parts: list[_Part]) -> bool:
    return any(kept for _, _, kept in parts)


def _keep(text: str) -> str:
    return f'<span style="white-space: pre-wrap" data-adf="{SPACES}">{escape_spaces(text)}</span>'


def _write_target(attributes: Node) -> str:
    """The address and title of a link. Of what Markdown reads, an address has only & and brackets (links.py)."""
    address = attributes["href"].replace("&", "&amp;")
    address = f"<{address}>" if "(" in address or ")" in address else address
    title = attributes.get("title", "")
    return f'{address} "{escape_words(title).replace(chr(34), chr(92) + chr(34))}"' if title else address


def _write_text(text: str, place: LinePlace, before: str, *, is_kept: bool) -> str:
    if is_kept:
        return _keep(text)
    written = escape_words(text)
    if place.is_heading:
        return _HEADING_END.sub(r"\\#", written)
    start = _LINE_START.match(written) if before in {"", "\n"} and not place.is_cell else None
    if start is None:
        return written
    return f"{start.group()}\\{written[start.end() :]}" if start.group()[0].isdigit() else f"\\{written}"


def _write_break(parts: list[_Part], number: int, place: LinePlace) -> str:
    """A hard break; at the ends of a block, and beside another, only HTML has it."""
    around = [parts[each][0]["type"] for each in (number - 1, number + 1) if 0 <= each < len(parts)]
    return "<br>" if place.is_single or around != ["text", "text"] else "\\\n"
