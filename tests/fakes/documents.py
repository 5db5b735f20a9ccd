"""ADF documents of every node and mark that Atlassian's schema knows, made by chance (Hypothesis)."""

import string
from typing import Any

from hypothesis import strategies as st

from blubees.connectors.rich_text.adf_schema import allows, children_of
from blubees.connectors.rich_text.bounds import Node

LETTERS = st.sampled_from(
    [*string.ascii_letters, *string.digits, *(string.punctuation * 2), *"     \n\t", *"äß中😀\u00a0\u2028«\u2013\u0301"]
)
TEXTS = st.text(LETTERS, min_size=1, max_size=12)
NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=8)
ADDRESSES = st.one_of(
    st.builds(
        lambda rest: f"https://example.com/{rest}", st.text(string.ascii_letters + string.punctuation + " ä", max_size=10)
    ),
    st.sampled_from(["http://a.example/?a=1&b=(2)#c", "mailto:a@b.example", "/browse/AB-1"]),
)
COLORS = st.sampled_from(["#ff5630", "#36b37e", "#0747a6"])
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=3,
)
LAYOUTS = st.sampled_from(["wide", "full-width", "center", "wrap-right", "align-start"])
EXTENSIONS = st.fixed_dictionaries(
    {"extensionKey": NAMES, "extensionType": NAMES}, optional={"parameters": DATA, "text": TEXTS}
)
SIZES = st.integers(1, 900)
FILES = st.fixed_dictionaries(
    {"type": st.sampled_from(["file", "link"]), "id": NAMES, "collection": NAMES},
    optional={"alt": TEXTS, "width": SIZES, "occurrenceKey": NAMES},
)
PICTURES = st.fixed_dictionaries(
    {"type": st.just("external"), "url": ADDRESSES.filter(lambda each: each.startswith("http"))},
    optional={"alt": TEXTS, "width": SIZES},
)
CARDS = st.one_of(st.fixed_dictionaries({"url": ADDRESSES}), st.fixed_dictionaries({"data": DATA}))
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "colspan": st.integers(2, 3),
        "rowspan": st.integers(2, 3),
        "background": COLORS,
        "colwidth": st.lists(SIZES, max_size=2),
    },
)
ATTRIBUTES: dict[str, st.SearchStrategy[Node]] = {
    "heading": st.fixed_dictionaries({"level": st.integers(1, 6)}),
    "orderedList": st.fixed_dictionaries({}, optional={"order": st.integers(0, 12)}),
    "codeBlock": st.fixed_dictionaries(
        {}, optional={"language": st.sampled_from(["python", "c++", "objective c", "a`b"]), "wrap": st.booleans()}
    ),
    "panel": st.one_of(
        st.fixed_dictionaries({"panelType": st.sampled_from(["info", "note", "tip", "warning", "error", "success"])}),
        st.fixed_dictionaries({"panelType": st.just("custom"), "panelIcon": TEXTS, "panelColor": COLORS}),
    ),
    "table": st.fixed_dictionaries(
        {},
        optional={
            "layout": st.sampled_from(["wide", "full-width"]),
            "isNumberColumnEnabled": st.just(value=True),
            "width": SIZES,
        },
    ),
    "tableCell": st.one_of(st.just({}), CELLS),
    "tableHeader": st.one_of(st.just({}), CELLS),
    "mediaSingle": st.one_of(
        st.fixed_dictionaries({"layout": LAYOUTS}, optional={"width": st.integers(0, 100)}),
        st.fixed_dictionaries({"layout": LAYOUTS, "width": SIZES, "widthType": st.just("pixel")}),
    ),
    "media": st.one_of(FILES, PICTURES),
    "mediaInline": st.fixed_dictionaries({"id": NAMES, "collection": NAMES}, optional={"alt": TEXTS, "type": st.just("image")}),
    "mention": st.fixed_dictionaries({"id": NAMES}, optional={"text": TEXTS, "accessLevel": NAMES, "userType": st.just("APP")}),
    "emoji": st.fixed_dictionaries({"shortName": st.just(":smile:")}, optional={"id": NAMES, "text": st.just("😄")}),
    "date": st.fixed_dictionaries({"timestamp": st.sampled_from(["1795000000000", "-1", "soon"])}),
    "status": st.fixed_dictionaries(
        {"text": TEXTS, "color": st.sampled_from(["green", "neutral", "#ff0000"])}, optional={"style": st.just("bold")}
    ),
    "placeholder": st.fixed_dictionaries({"text": TEXTS}),
    "inlineCard": CARDS,
    "blockCard": CARDS,
    "embedCard": st.fixed_dictionaries({"url": ADDRESSES, "layout": LAYOUTS}, optional={"width": st.integers(0, 100)}),
    "expand": st.fixed_dictionaries({"title": TEXTS}),
    "nestedExpand": st.fixed_dictionaries({"title": st.one_of(st.just(""), TEXTS)}),
    "extension": EXTENSIONS,
    "inlineExtension": EXTENSIONS,
    "bodiedExtension": EXTENSIONS,
    "taskItem": st.fixed_dictionaries({"localId": st.just("x"), "state": st.sampled_from(["TODO", "DONE"])}),
    "blockTaskItem": st.fixed_dictionaries({"localId": st.just("x"), "state": st.sampled_from(["TODO", "DONE"])}),
    "taskList": st.just({"localId": "x"}),
    "decisionList": st.just({"localId": "x"}),
    "decisionItem": st.just({"localId": "x", "state": "DECIDED"}),
    "layoutColumn": st.sampled_from([{"width": 50}, {"width": 33.33}]),
    "syncBlock": st.fixed_dictionaries({"resourceId": NAMES, "localId": st.just("x")}),
    "bodiedSyncBlock": st.fixed_dictionaries({"resourceId": NAMES, "localId": st.just("x")}),
}
MARKS: dict[str, st.SearchStrategy[Node]] = {
    "alignment": st.sampled_from([{"align": "center"}, {"align": "end"}]),
    "indentation": st.just({"level": 2}),
    "breakout": st.just({"mode": "wide"}),
    "fontSize": st.just({"fontSize": "small"}),
    "link": st.fixed_dictionaries({"href": ADDRESSES}, optional={"title": TEXTS, "collection": NAMES}),
    "subsup": st.sampled_from([{"type": "sub"}, {"type": "sup"}]),
    "textColor": st.fixed_dictionaries({"color": COLORS}),
    "backgroundColor": st.fixed_dictionaries({"color": COLORS}),
    "annotation": st.fixed_dictionaries({"id": NAMES, "annotationType": st.just("inlineComment")}),
    "border": st.just({"size": 2, "color": "#ff0000"}),
    "dataConsumer": st.just({"sources": ["a"]}),
    "fragment": st.just({"localId": "a", "name": "b"}),
}
FILLED = frozenset({"bulletList", "orderedList", "taskList", "decisionList", "table", "tableRow", "mediaGroup"})
INLINE = (
    "text",
    "text",
    "text",
    "text",
    "hardBreak",
    "mention",
    "emoji",
    "date",
    "status",
    "inlineCard",
    "placeholder",
    "inlineExtension",
    "mediaInline",
)


@st.composite
def documents(draw: st.DrawFn) -> Node:
    """A document that the schema takes."""
    return {"version": 1, "type": "doc", "content": [draw(nodes(kind, "doc", 3)) for kind in draw_kinds(draw, "doc", 3)]}


@st.composite
def nodes(draw: st.DrawFn, kind: str, parent: str, left: int) -> Node:
    """A node of a type that may stand in `parent`, with `left` levels under it."""
    made: Node = {"type": kind}
    if kind == "text":
        made["text"] = draw(TEXTS)
    elif kind in ATTRIBUTES:
        made["attrs"] = draw(ATTRIBUTES[kind])
    allowed = children_of(parent)[kind]
    marks = draw(st.lists(st.sampled_from(sorted(allowed)), max_size=2, unique=True)) if allowed else []
    if "code" in marks:
        marks = [mark for mark in marks if mark in {"code", "link", "annotation"}]
    if "alignment" in marks:
        marks = [mark for mark in marks if mark != "indentation"]
    if marks:
        made["marks"] = [{"type": mark} | ({"attrs": draw(MARKS[mark])} if mark in MARKS else {}) for mark in marks]
    if children_of(kind):
        made["content"] = draw_content(draw, kind, left - 1)
    return made


def draw_content(draw: Any, kind: str, left: int) -> list[Node]:
    """What stands in a node."""
    if kind == "mediaSingle":
        caption = draw(st.booleans())
        return [draw(nodes("media", kind, left)), *([draw(nodes("caption", kind, left))] if caption else [])]
    if kind == "layoutSection":
        return [draw(nodes("layoutColumn", kind, left)) for _ in range(2)]
    return [draw(nodes(each, kind, left)) for each in draw_kinds(draw, kind, left)]


def draw_kinds(draw: Any, parent: str, left: int) -> list[str]:
    """Which nodes stand in a node."""
    if allows(parent, "text"):
        return list(draw(st.lists(st.sampled_from([kind for kind in INLINE if allows(parent, kind)]), max_size=4)))
    known = sorted(children_of(parent))
    if left <= 0:
        known = [
            kind
            for kind in known
            if kind in {"paragraph", "rule", "listItem", "taskItem", "decisionItem", "tableRow", "tableCell", "media"}
        ]
    return list(draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
