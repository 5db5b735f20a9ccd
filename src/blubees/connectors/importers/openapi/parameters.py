"""Parameters of an operation as inputs of an action. Used by connectors/importers/openapi/operations.py."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from blubees.connectors.importers.limits import EXAMPLE_MAX_BYTES, WIRE_NAME_MAX
from blubees.connectors.importers.names import choose_input_name, to_text
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.forms import Forms
from blubees.connectors.importers.openapi.refs import Files
from blubees.model.action import ActionInput, Place, Schema, Style

IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})  # OpenAPI 3.1, "Parameter Object", name
OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie", "proxy-authorization", "te"})
KEY_HEADERS: Final = frozenset({"idempotency-key", "x-idempotency-key", "idempotency_key"})
TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
INPUT_TEXT_MAX: Final = 500
_STYLES: Final[Mapping[Place, Mapping[str, Style]]] = {
    Place.PATH: {"simple": Style.SIMPLE, "label": Style.LABEL, "matrix": Style.MATRIX},
    Place.QUERY: {"form": Style.FORM, "spaceDelimited": Style.SPACE, "pipeDelimited": Style.PIPE, "deepObject": Style.DEEP},
    Place.HEADER: {"simple": Style.SIMPLE},
    Place.COOKIE: {"form": Style.FORM},
}
_USUAL: Final = {Place.PATH: Style.SIMPLE, Place.QUERY: Style.FORM, Place.HEADER: Style.SIMPLE, Place.COOKIE: Style.FORM}


class LeftOutError(Exception):
    """An operation can't be taken over; the sentence says why. It repeats nothing of the document."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Reading(NamedTuple):
    """What readers of an operation's parts share."""

    files: Files
    forms: Forms
    notes: Notes
    where: str
    known: Mapping[tuple[str, tuple[str, ...]], str]
    """Names that an earlier import gave, by place and path."""


def name_input(reading: Reading, place: Place, at: tuple[str, ...], wire_name: str, taken: Mapping[str, object]) -> str:
    """Name an input; the name of an earlier import stays, and no other gets it."""
    known = reading.known.get((place.value, at), "")
    if known and known not in taken:
        return known
    return choose_input_name(place.value, wire_name, {*taken, *reading.known.values()})


def read_parameters(
    reading: Reading, given: list[tuple[dict[str, Any], str]], path: str
) -> tuple[dict[str, ActionInput], str, dict[str, Any]]:
    """Read parameters.

    Args:
        given: each with the file that it stands in, an operation's own after those of its path.

    Returns:
        The inputs, the header that carries an idempotency key (empty for none), and examples by input.
    """
    unique: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}
    for parameter, file in given:
        unique[str(parameter.get("in")), str(parameter.get("name"))] = (parameter, file)
    inputs: dict[str, ActionInput] = {}
    examples: dict[str, Any] = {}
    key_header = ""
    named = re.findall(r"\{([^{}]*)\}", path)
    order = sorted(unique.items(), key=lambda each: (each[0][0] != "path", each[1][0].get("required") is not True))
    for (where, wire_name), (parameter, file) in order:
        place = next((each for each in _USUAL if each.value == where), None)
        if place is None or (place is Place.PATH and wire_name not in named):
            reading.notes.tell(reading.where, "a parameter that goes nowhere is left out.")
            continue
        if place is Place.HEADER and wire_name.lower() in KEY_HEADERS:
            key_header = wire_name
            continue
        if place is Place.HEADER and wire_name.lower() in IGNORED_HEADERS:
            continue
        problem = _judge_name(place, wire_name)
        read = problem or _read_parameter(reading, place, wire_name, parameter, file)
        if isinstance(read, str):
            if parameter.get("required") is True or place is Place.PATH:
                raise LeftOutError(read)
            reading.notes.tell(reading.where, f"a parameter is left out: {read}")
            continue
        name = name_input(reading, place, (wire_name,), wire_name, inputs)
        inputs[name] = read
        if read.example is not None:
            examples[name] = read.example
    for wire_name in named:
        if not any(each.place is Place.PATH and each.at == (wire_name,) for each in inputs.values()):
            if not wire_name or len(wire_name) > WIRE_NAME_MAX:
                raise LeftOutError("its path has a parameter without a name.")
            name = name_input(reading, Place.PATH, (wire_name,), wire_name, inputs)
            inputs[name] = ActionInput(schema={"type": "string"}, place=Place.PATH, at=(wire_name,), is_required=True)
    return inputs, key_header, examples


def _judge_name(place: Place, wire_name: str) -> str:
    if not wire_name or len(wire_name) > WIRE_NAME_MAX or not wire_name.isprintable():
        return "its name is empty, too long or has characters that no name has."
    if place is Place.HEADER and (not TOKEN.fullmatch(wire_name) or wire_name.lower() in OURS):
        return "it is a header that no step may set."
    if place is Place.COOKIE and not TOKEN.fullmatch(wire_name):
        return "its name is none of a cookie."
    return ""


def _read_parameter(
    reading: Reading, place: Place, wire_name: str, parameter: Mapping[str, Any], file: str
) -> ActionInput | str:
    style: Style | None
    explode: bool | None
    media_type = ""
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        media_type, media = next(iter(content.items()))
        schema = media.get("schema") if isinstance(media, dict) else None
        if "json" not in str(media_type).lower():
            return "its content is not JSON."
        style, explode = Style.JSON, None
        media_type = "" if media_type == "application/json" else str(media_type)[:100]
    else:
        schema = parameter.get("schema")
        given = parameter.get("style")
        style = _STYLES[place].get(given) if isinstance(given, str) else _USUAL[place]
        if style is None:
            return "it is written in a style that OpenAPI does not have there."
        explode = parameter.get("explode") if isinstance(parameter.get("explode"), bool) else None
        if explode is not None and explode == (style in {Style.FORM, Style.DEEP}):
            explode = None
        if style is _USUAL[place]:
            style = None
    form = reading.forms.convert(schema, file)
    return ActionInput(
        schema=without_texts(form),
        place=place,
        at=(wire_name,),
        is_required=parameter.get("required") is True or place is Place.PATH,
        title=form.get("title", ""),
        description=to_text(parameter.get("description"), INPUT_TEXT_MAX) or form.get("description", ""),
        example=find_example(reading, parameter, schema, file),
        style=style,
        explode=explode,
        is_secret=form.get("format") == "password",
        is_deprecated=parameter.get("deprecated") is True or form.get("deprecated") is True,
        media_type=media_type,
    )


def find_example(reading: Reading, holder: Mapping[str, Any], schema: object, file: str) -> Any:  # noqa: ANN401 - JSON
    """Give the example that a parameter, a media type or its schema has, where it is small; None for none."""
    candidates = [holder.get("example"), *_list_examples(reading, holder.get("examples"), file)]
    inner, inner_file = reading.files.resolve(schema, file)
    candidates += [inner.get("example"), *_list_examples(reading, inner.get("examples"), inner_file)]
    return next((each for each in candidates if each is not None and is_small(each)), None)


def _list_examples(reading: Reading, given: object, file: str) -> list[Any]:
    if isinstance(given, list):  # JSON Schema's
        return given[:1]
    if not isinstance(given, dict):
        return []
    first = next(iter(given.values()), None)
    example, _ = reading.files.resolve(first, file)
    return [example["value"]] if "value" in example else []


def is_small(example: object) -> bool:
    """Tell whether an example is small enough to be kept."""
    try:
        return len(orjson.dumps(example)) <= EXAMPLE_MAX_BYTES
    except TypeError:
        return False


def without_texts(form: Schema) -> Schema:
    """Give a form without what the input tells itself."""
    return {key: value for key, value in form.items() if key not in {"title", "description", "deprecated"}}
