"""Builds the body of a request from the inputs that go there: JSON by paths, forms, multipart, text, XML, bytes.

Used by request.py: for each action one builder, chosen once.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from blubees.connectors.actions.files import File
from blubees.connectors.actions.paths import copy_tree, put_in
from blubees.connectors.actions.styles import list_numbered, list_pairs, quote_part, write_plain
from blubees.connectors.actions.values import resolve_form
from blubees.connectors.actions.xml_writing import write_xml
from blubees.model.action import Action, ActionInput, Content, Schema, Style
from blubees.model.web import FilePart

MEDIA_TYPES: Final = {
    Content.JSON: "application/json",
    Content.FORM: "application/x-www-form-urlencoded",
    Content.MULTIPART: "multipart/form-data",
    Content.TEXT: "text/plain; charset=utf-8",
    Content.XML: "application/xml; charset=utf-8",
    Content.BYTES: "application/octet-stream",
}


class Body(NamedTuple):
    """A body, and what it is.

    Attributes:
        piped: a file that is sent as the body, or as `part` of it, in pieces; None: it is all in `content`.
    """

    media_type: str
    content: bytes
    piped: Any = None
    part: FilePart | None = None


class BodyError(Exception):
    """The values can't be written as this body. `detail`: a word of ours."""

    def __init__(self, detail: str) -> None:
        super().__init__()
        self.detail = detail


Values = list[tuple[ActionInput, Any]]
Build = Callable[[Values], Body | None]
"""Takes the inputs that were given, converted, in order. Raises BodyError."""


def choose_builder(action: Action) -> Build | None:
    """Give the builder of an action's body; None when it has none."""
    content, fixed = action.request.content, action.request.fixed.body
    kind = action.request.media_type or MEDIA_TYPES.get(content, "")
    inside = [each for each in action.inputs.values() if each.place.value == "body"]
    is_whole = any(not each.at for each in inside)
    if content is Content.NONE:
        return None
    if content is Content.JSON:
        is_flat = not fixed and all(len(each.at) == 1 for each in inside)
        return _build_whole_json(kind) if is_whole else _build_flat_json(kind) if is_flat else _build_json(kind, fixed)
    if content is Content.FORM:
        return _build_form(kind, fixed)
    if content is Content.XML and not is_whole:
        return _build_xml(kind, fixed)
    if content is Content.MULTIPART:
        return lambda values: _write_multipart(kind, fixed, values)
    return lambda values: _write_whole(kind, action.request.media_type, values)


def is_file(each: ActionInput, schemas: Mapping[str, Schema]) -> bool:
    """Whether an input takes a file."""
    form = resolve_form(each.schema, schemas)
    items = form.get("items")
    inner = resolve_form(items, schemas) if form.get("type") == "array" and isinstance(items, dict) else form
    return inner.get("type") == "string" and (inner.get("format") == "binary" or "contentMediaType" in inner)


def _build_flat_json(kind: str) -> Build:
    return lambda values: Body(kind, _to_json({each.at[0]: value for each, value in values}))


def _build_whole_json(kind: str) -> Build:
    return lambda values: Body(kind, _to_json(values[0][1])) if values else None


def _build_json(kind: str, fixed: dict[str, Any]) -> Build:
    def build(values: Values) -> Body:
        document = copy_tree(fixed)
        for each, value in values:
            put_in(document, each.at, value)
        return Body(kind, _to_json(document))

    return build


def _build_xml(kind: str, fixed: dict[str, Any]) -> Build:
    def build(values: Values) -> Body | None:
        document = copy_tree(fixed)
        for each, value in values:
            put_in(document, each.at, value)
        if not document:
            return None
        try:
            return Body(kind, write_xml(document))
        except ValueError:
            raise BodyError("not_xml") from None

    return build


def _to_json(document: object) -> bytes:
    try:
        return orjson.dumps(document, option=orjson.OPT_UTC_Z)
    except TypeError:
        raise BodyError("not_json") from None


def _build_form(kind: str, fixed: dict[str, Any]) -> Build:
    always = [
        f"{quote_part(name)}={text}"
        for key, each in fixed.items()
        for name, text in list_pairs(key, each, Style.DEEP, explode=True)
    ]

    def build(values: Values) -> Body:
        pairs = [f"{quote_part(name)}={text}" for each, value in values for name, text in _list_form_pairs(each, value)]
        return Body(kind, "&".join([*always, *pairs]).encode())

    return build


def _list_form_pairs(each: ActionInput, value: Any) -> Iterator[tuple[str, str]]:
    if not each.at and isinstance(value, dict):  # the whole form is one input
        for key, inner in value.items():
            yield from list_pairs(key, inner, each.style or Style.FORM, explode=True)
        return
    if each.style is Style.NUMBERED:
        yield from list_numbered(".".join(each.at), value)
        return
    style = each.style or (Style.DEEP if isinstance(value, dict) else Style.FORM)
    if style is Style.JSON:
        value, style = write_plain(value), Style.FORM
    explode = each.explode if each.explode is not None else True
    yield from list_pairs(_bracket(each.at), value, style, explode=explode)


def _bracket(at: tuple[str, ...]) -> str:
    """Write a path as forms do: a[b][c]."""
    return at[0] + "".join(f"[{part}]" for part in at[1:]) if at else ""


def _write_multipart(kind: str, fixed: dict[str, Any], values: Values) -> Body:
    piped = [(each, value) for each, value in values if getattr(type(value), "is_piped", False)]
    if piped:
        return _write_piped(fixed, values, *piped[0])
    parts = [_write_part(name, File("", "", write_plain(each).encode()), "") for name, each in fixed.items()]
    for each, value in values:
        pairs = value.items() if not each.at and isinstance(value, dict) else [(_bracket(each.at), value)]
        for name, inner in pairs:
            items = inner if isinstance(inner, list) and not each.media_type else [inner]
            parts.extend(_write_part(name, *_read_part(each, item)) for item in items)
    # what is in the parts names the boundary: it can't stand in them by chance, and is the same when asked again
    boundary = "bb" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:40]
    between = f"--{boundary}\r\n".encode()
    content = b"".join(between + part for part in parts) + f"--{boundary}--\r\n".encode()
    return Body(f"{kind}; boundary={boundary}", content)


def _write_piped(fixed: dict[str, Any], values: Values, taker: ActionInput, file: Any) -> Body:
    """Write a form whose file comes in pieces: the fields come before it, as texts."""
    fields = [(name, write_plain(each)) for name, each in fixed.items()]
    for each, value in values:
        if value is file:
            continue
        if isinstance(value, File) or getattr(type(value), "is_piped", False):
            raise BodyError("two_files")
        fields.append((_bracket(each.at), write_plain(value)))
    part = FilePart(name=_bracket(taker.at), content_type=taker.media_type, fields=tuple(fields))
    return Body("", b"", file, part)


def _read_part(each: ActionInput, value: Any) -> tuple[File, str]:
    if isinstance(value, File):
        return value, each.media_type or value.media_type
    if isinstance(value, dict | list):
        return File("", "", _to_json(value)), each.media_type or "application/json"
    return File("", "", write_plain(value).encode("utf-8", "replace")), each.media_type


def _write_part(name: str, file: File, media_type: str) -> bytes:
    """Write one part; names are written as browsers do (WHATWG, multipart/form-data encoding)."""
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    is_named = bool(file.name) or bool(file.media_type)
    head = f'Content-Disposition: form-data; name="{quoted}"' + (f'; filename="{file.name or "file"}"' if is_named else "")
    kind = f"\r\nContent-Type: {media_type}" if media_type else ""
    return f"{head}{kind}\r\n\r\n".encode() + file.content + b"\r\n"


def _write_whole(kind: str, given_kind: str, values: Values) -> Body | None:
    if not values:
        return None
    value = values[0][1]
    if getattr(type(value), "is_piped", False):
        return Body(given_kind, b"", value)
    if isinstance(value, File):
        return Body(given_kind or value.media_type or kind, value.content)
    return Body(kind, value.encode("utf-8", "replace"))
