"""Reads XML into the value that JSON would have been: the form that an action declares says what is a list and what a number.

Used by answers.py and error_rules.py. Nothing is opened and nothing expanded: a document type is refused before it can declare
an entity. Source: docs/decisions/0052.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from blubees.connectors.actions.paths import EACH
from blubees.connectors.actions.values import resolve_form
from blubees.model.action import Action, Content, Schema

DEPTH_MAX: Final = 64
PARTS_MAX: Final = 50_000
"""Elements and attributes."""
FORM_DEPTH_MAX: Final = 12  # forms may be cyclic; what stands deeper is read as it comes
ATTRIBUTE: Final = "@"
TEXT: Final = "#text"
_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}  # XML Schema, part 2, 3.3.2


class XmlError(Exception):
    """The document can't be read. `detail`: a word of ours."""

    def __init__(self, detail: str) -> None:
        super().__init__()
        self.detail = detail


@dataclass(slots=True)
class XmlForm:
    """What an element is declared to be. `kind`: a type of JSON Schema; empty: not declared, or not a plain value."""

    children: dict[str, "XmlForm"] = field(default_factory=dict)
    is_list: bool = False
    kind: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is declared."""
        return not self.children and not self.is_list and not self.kind


UNDECLARED: Final = XmlForm()


def compile_form(action: Action, schemas: Mapping[str, Schema]) -> XmlForm | None:
    """Give the form of an action's answers in XML; None: they are not read as XML (a form of text stays a text)."""
    answer, form = action.answer, XmlForm()
    if answer.content is not Content.XML:
        return None
    for each in answer.outputs.values():
        if not each.header:
            _plant(form, each.at, {"type": "array"} if each.pairs else each.schema, schemas)
    if not answer.outputs:
        _plant(form, answer.at, answer.schema, schemas)
    if action.pages is not None:
        _plant(form, action.pages.items, {"type": "array"}, schemas)
        if action.pages.more:
            _plant(form, action.pages.more, {"type": "boolean"}, schemas)
    return None if form.kind == "string" else form


def find_kind(schema: Mapping[str, Any]) -> str:
    """Give the type that a form tells, null aside; empty: none, or several."""
    kinds = schema.get("type")
    named = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind not in {None, "null"}]
    return str(named[0]) if len(named) == 1 else ""


def read_xml(document: bytes, form: XmlForm = UNDECLARED) -> dict[str, Any]:
    """Give the root's name to what stands in it.

    An element with elements in it is an object, another one a text, or what the form says; elements of one name are a list.
    What the form says is a list is one with one element too, and with none where there is the element around it. Prefixes and
    declarations of namespaces are dropped; an attribute is `@name`, text beside elements or attributes `#text`.

    Raises:
        XmlError: it is no XML, has a document type, is deeper than 64, or has more than 50,000 elements and attributes.
    """
    builder = _Builder(form)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.add_text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)  # noqa: FBT003 - expat's own
    except (expat.ExpatError, ValueError, LookupError):  # the last two: an encoding that is none
        raise XmlError("no_xml") from None
    return builder.root.content or {}


@dataclass(slots=True)
class _Element:
    """An element that is open."""

    form: XmlForm
    content: dict[str, Any] | None = None
    words: list[str] | None = None
    repeated: frozenset[str] = frozenset()


class _Builder:
    """Takes the parser's events."""

    def __init__(self, form: XmlForm) -> None:
        self.root = _Element(form)
        self.open = [self.root]
        self.parts = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.parts += 1 + len(attributes)
        if self.parts > PARTS_MAX:
            raise XmlError("xml_too_large")
        if len(self.open) > DEPTH_MAX:
            raise XmlError("xml_too_deep")
        element = _Element(self.open[-1].form.children.get(_drop_prefix(name), UNDECLARED))
        if attributes:
            element.content = _read_attributes(attributes) or None
        self.open.append(element)

    def add_text(self, text: str) -> None:
        element = self.open[-1]
        if element.words is None:
            element.words = [text]
        else:  # comments may part a text into very many words
            element.words.append(text)

    def end(self, name: str) -> None:
        element = self.open.pop()
        _put(self.open[-1], _drop_prefix(name), _close(element), is_list=element.form.is_list)


def _read_attributes(attributes: dict[str, str]) -> dict[str, Any]:
    return {
        f"{ATTRIBUTE}{_drop_prefix(key)}": text
        for key, text in attributes.items()
        if key != "xmlns" and not key.startswith("xmlns:")
    }


def _refuse_doctype(_name: str, _system: str | None, _public: str | None, _has_subset: int) -> None:
    raise XmlError("xml_doctype")


def _drop_prefix(name: str) -> str:
    return name.rpartition(":")[2]


def _close(element: _Element) -> Any:
    form, content, text = element.form, element.content, "".join(element.words or ())
    if content is None:
        if not form.children or text.strip():
            return read_plain(text, form.kind)
        content = {}
    elif text.strip():
        content[TEXT] = text.strip()
    for name, child in form.children.items():
        if child.is_list:
            content.setdefault(name, [])
    return content


def _put(parent: _Element, name: str, value: Any, *, is_list: bool) -> None:
    if parent.content is None:
        parent.content = {}
    if is_list:
        parent.content.setdefault(name, []).append(value)
    elif name not in parent.content:
        parent.content[name] = value
    elif name in parent.repeated:
        parent.content[name].append(value)
    else:
        parent.repeated |= {name}
        parent.content[name] = [parent.content[name], value]


def read_plain(text: str, kind: str) -> Any:
    """Read a text as what it is declared to be; one that is something else stays a text."""
    word = text.strip()
    if kind == "integer" and _WHOLE.fullmatch(word):
        return int(word)
    if kind == "number" and _NUMBER.fullmatch(word):
        return int(word) if _WHOLE.fullmatch(word) else float(word)
    return _BOOLEANS.get(word, text) if kind == "boolean" else text


def _plant(form: XmlForm, path: tuple[str, ...], schema: Schema, schemas: Mapping[str, Schema]) -> None:
    """Note what stands at a path of the answer; what `*` of it finds is a list, so that a form of a list tells its items."""
    if EACH in path and find_kind(schema) == "array":
        schema = schema.get("items", {})
    for part in path:
        if part == EACH or part.isdecimal():
            form.is_list = True
        else:
            form = form.children.setdefault(part, XmlForm())
    _declare(form, schema, schemas, 0)


def _declare(form: XmlForm, schema: Mapping[str, Any], schemas: Mapping[str, Schema], depth: int) -> None:
    known = resolve_form(schema, schemas)
    kind = find_kind(known)
    if depth > FORM_DEPTH_MAX:
        return
    items, inner = known.get("items"), known.get("properties")
    if kind == "array":
        form.is_list = True
        if isinstance(items, dict):
            _declare(form, items, schemas, depth + 1)
    elif isinstance(inner, dict):
        for name, each in inner.items():
            _declare(form.children.setdefault(name, XmlForm()), each, schemas, depth + 1)
    elif kind != "object":
        form.kind = kind
