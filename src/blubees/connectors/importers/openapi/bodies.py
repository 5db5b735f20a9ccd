"""The body of an operation as inputs of an action. Used by connectors/importers/openapi/operations.py.

The properties of a JSON object are inputs of their own, so that a person sees what to fill in; a body that is anything else, or
one of several forms, is one input.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from blubees.connectors.importers.limits import INPUTS_MAX, WIRE_NAME_MAX
from blubees.connectors.importers.names import to_text
from blubees.connectors.importers.openapi.forms import Forms
from blubees.connectors.importers.openapi.parameters import (
    INPUT_TEXT_MAX,
    Reading,
    find_example,
    name_input,
    without_texts,
)
from blubees.model.action import ActionInput, Content, Place, Schema, Style

MULTIPART: Final = "multipart/form-data"
FORM: Final = "application/x-www-form-urlencoded"
_ENCODING_STYLES: Final = {"spaceDelimited": Style.SPACE, "pipeDelimited": Style.PIPE, "deepObject": Style.DEEP}
_PARTS_MAX: Final = 128  # forms of an allOf that are looked into


class Body(NamedTuple):
    """A body: its content, its media type where it is not the usual one, and an example of the whole."""

    content: Content = Content.NONE
    media_type: str = ""
    example: Any = None


class Flat(NamedTuple):
    """An object's properties: (name, form), and which are required."""

    properties: dict[str, Schema]
    required: frozenset[str]


def read_body(reading: Reading, given: object, file: str, inputs: dict[str, ActionInput]) -> Body:
    """Read a request body, and add its inputs to those that are there."""
    body, file = reading.files.resolve(given, file)
    content = body.get("content")
    if not isinstance(content, dict) or not content:
        return Body()
    media_type, kind = choose_media_type(content)
    if len(content) > 1:
        reading.notes.tell(
            "", "Bodies that could have several media types have one: JSON before forms before texts before bytes."
        )
    media, file = reading.files.resolve(content[media_type], file)
    form = reading.forms.convert(media.get("schema"), file)
    is_required = body.get("required") is True
    flat = flatten(reading.forms, form) if kind in {Content.JSON, Content.FORM, Content.MULTIPART} else None
    if flat is not None and len(flat.properties) + len(inputs) <= INPUTS_MAX:
        _add_properties(reading, flat, media, kind, is_required, inputs)
    else:
        _add_whole(reading, form, kind, body, is_required, inputs)
    usual = {Content.JSON: "application/json", Content.FORM: FORM, Content.MULTIPART: MULTIPART, Content.TEXT: "text/plain"}
    told = "" if media_type.partition(";")[0] == usual.get(kind) or "*" in media_type else media_type[:100]
    return Body(kind, told, find_example(reading, media, media.get("schema"), file))


def choose_media_type(content: Mapping[str, Any]) -> tuple[str, Content]:
    """Choose one: JSON before forms before texts before bytes; among equals the first."""
    ranked = [(_RANKS[kind], number, media, kind) for number, media in enumerate(content) for kind in [_read_kind(media)]]
    _, _, media_type, kind = min(ranked)
    return media_type, kind


def _read_kind(media_type: str) -> Content:
    kind = media_type.partition(";")[0].strip().lower()
    if kind in {"application/json", "*/*", "application/*", ""} or kind.endswith("+json") or kind == "text/json":
        return Content.JSON
    if kind == FORM:
        return Content.FORM
    if kind.startswith("multipart/"):
        return Content.MULTIPART
    if kind.endswith(("/xml", "+xml")):
        return Content.XML
    return Content.TEXT if kind.startswith("text/") or kind in _TEXTS else Content.BYTES


_TEXTS: Final = frozenset(
    {"application/yaml", "application/x-yaml", "application/graphql", "application/x-ndjson", "application/jsonl"}
)
_RANKS: Final = {
    Content.JSON: 0,
    Content.FORM: 1,
    Content.MULTIPART: 2,
    Content.TEXT: 3,
    Content.XML: 4,
    Content.BYTES: 5,
}


def flatten(forms: Forms, form: Schema) -> Flat | None:
    """Give the properties of an object, those of its allOf included; None when it is no plain object.

    Each form is looked into once, so that forms that refer to each other many times cost nothing more.
    """
    properties: dict[str, Schema] = {}
    required: set[str] = set()
    for number, each in enumerate(_list_parts(forms, form)):
        if number > _PARTS_MAX or any(
            _has_properties(forms, other) for key in ("oneOf", "anyOf") for other in each.get(key, ())
        ):
            return None
        kind = each.get("type")
        if not _may_be_object(kind):
            return None
        properties |= each.get("properties", {})
        required |= set(each.get("required", ()))
    if any(len(name) > WIRE_NAME_MAX or not name for name in properties):
        return None
    return Flat(properties, frozenset(required)) if properties else None


def _list_parts(forms: Forms, form: Schema) -> Iterator[Schema]:
    """Give a form and those of its allOf, each once."""
    waiting, seen = [form], set()
    while waiting:
        each = waiting.pop()
        reference = each.get("$ref")
        if isinstance(reference, str):
            if reference in seen:
                continue
            seen.add(reference)
            waiting.append(forms.look_up({"$ref": reference}))
            if len(each) == 1:
                continue
        yield each
        waiting.extend(reversed(each.get("allOf", ())))


def _has_properties(forms: Forms, form: Schema) -> bool:
    return any(part.get("properties") or not _may_be_object(part.get("type")) for part in _list_parts(forms, form))


def _may_be_object(kind: object) -> bool:
    return kind is None or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _add_properties(
    reading: Reading,
    flat: Flat,
    media: Mapping[str, Any],
    kind: Content,
    is_required: bool,
    inputs: dict[str, ActionInput],
) -> None:
    given = media.get("encoding")
    encoding = given if isinstance(given, dict) else {}
    for wire_name, form in sorted(flat.properties.items(), key=lambda each: each[0] not in flat.required):
        if form.get("readOnly"):
            continue
        rule = encoding.get(wire_name) if kind is not Content.JSON else None
        rule = rule if isinstance(rule, dict) else {}
        explode = rule.get("explode")
        shown = {**reading.forms.look_up(form), **form} if "$ref" in form else form
        name = name_input(reading, Place.BODY, (wire_name,), wire_name, inputs)
        inputs[name] = ActionInput(
            schema=without_texts(form),
            place=Place.BODY,
            at=(wire_name,),
            is_required=is_required and wire_name in flat.required,
            title=shown.get("title", "") if "$ref" not in form else form.get("title", ""),
            description=shown.get("description", ""),
            style=_ENCODING_STYLES.get(str(rule.get("style", ""))),
            explode=explode if explode is False else None,
            is_secret=form.get("format") == "password",
            is_deprecated=form.get("deprecated") is True,
            media_type=_read_part_type(rule) if kind is Content.MULTIPART else "",
        )


def _read_part_type(rule: Mapping[str, Any]) -> str:
    """The first media type that a part may have; with a star it names none."""
    given = rule.get("contentType")
    first = given.partition(",")[0].strip() if isinstance(given, str) else ""
    return first[:100] if first and "*" not in first and first.isprintable() else ""


def _add_whole(
    reading: Reading,
    form: Schema,
    kind: Content,
    body: Mapping[str, Any],
    is_required: bool,
    inputs: dict[str, ActionInput],
) -> None:
    if kind is Content.BYTES or (kind is Content.TEXT and form.get("format") == "binary"):
        form = {"type": "string", "format": "binary"}
    elif kind in {Content.TEXT, Content.XML}:
        form = {"type": "string"}
    name = name_input(reading, Place.BODY, (), "file" if kind is Content.BYTES else "body", inputs)
    inputs[name] = ActionInput(
        schema=without_texts(form),
        place=Place.BODY,
        is_required=is_required,
        title=form.get("title", ""),
        description=to_text(body.get("description"), INPUT_TEXT_MAX) or form.get("description", ""),
    )
