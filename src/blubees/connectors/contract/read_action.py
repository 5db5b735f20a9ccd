"""Reads an action's short forms into the noun. Used by reader.py."""

from typing import Any, Final

from blubees.connectors.contract.fields import FieldReader, name_type
from blubees.connectors.contract.problems import Place
from blubees.connectors.contract.words import Short, make_nullable, read_short, write_words
from blubees.model.action import (
    Action,
    ActionExample,
    ActionInput,
    ActionOutput,
    Answer,
    Ask,
    Content,
    ErrorRule,
    Fixed,
    Limits,
    PageKind,
    Pages,
    Reply,
    Request,
)
from blubees.model.action import Place as InputPlace
from blubees.model.call import Effect

BODILESS: Final = frozenset(("GET", "HEAD", "DELETE"))
KEY_HEADER: Final = "Idempotency-Key"


def read_action(reader: FieldReader, name: str, data: object, place: Place) -> Action | None:
    """Read one action."""
    mapping = reader.expect_mapping(data, place)
    if mapping is None:
        return None
    request = _read_request(reader, mapping.get("request", {}), (*place, "request"))
    inputs = _read_inputs(reader, mapping.get("inputs", {}), request, (*place, "inputs"))
    ready: dict[str, Any] = {"title": mapping.get("title", write_words(name)), "answer": _read_answer(reader, mapping, place)}
    if "pages" in mapping:
        ready["pages"] = pages = _read_pages(reader, mapping["pages"], (*place, "pages"))
        inputs = _add_page_inputs(inputs, pages, request)
    if request.content is Content.NONE and (
        request.fixed.body or any(each.place is InputPlace.BODY for each in inputs.values())
    ):
        request = _with_content(request)
    if "limits" in mapping:
        ready["limits"] = reader.read(Limits, mapping["limits"], (*place, "limits"))
    if "errors" in mapping:
        ready["errors"] = reader.read_list(ErrorRule, mapping["errors"], (*place, "errors"))
    if "examples" in mapping:
        ready["examples"] = read_examples(reader, mapping["examples"], (*place, "examples"))
    if mapping.get("effect") == Effect.KEYED.value:
        ready["key_header"] = mapping.get("key_header", KEY_HEADER)
    ready |= {"request": request, "inputs": inputs}
    return reader.read(Action, mapping, place, ready, also=("outputs", "gives"))


def read_examples(reader: FieldReader, data: object, place: Place) -> tuple[ActionExample, ...]:
    """Read examples: each with `gives` or `fails`."""
    if not isinstance(data, list):
        reader.complaints.add(place, f"Examples are a list; this is {name_type(data)}.")
        return ()
    return tuple(
        each for number, item in enumerate(data) if (each := _read_example(reader, item, (*place, number))) is not None
    )


def _read_example(reader: FieldReader, data: object, place: Place) -> ActionExample | None:
    mapping = reader.expect_mapping(data, place)
    if mapping is None:
        return None
    if ("gives" in mapping) == ("fails" in mapping):
        what = "both `gives` and `fails`" if "gives" in mapping else "neither `gives` nor `fails`"
        reader.complaints.add(place, f"An example has {what}; it must have exactly one of them.")
    ready: dict[str, Any] = {
        "replies": reader.read_list(Reply, mapping.get("replies", []), (*place, "replies")),
        "asks": reader.read_list(Ask, mapping.get("asks", []), (*place, "asks")),
    }
    return reader.read(ActionExample, mapping, place, ready)


def _read_request(reader: FieldReader, data: object, place: Place) -> Request:
    ready: dict[str, Any] = {}
    if isinstance(data, dict) and "fixed" in data:
        ready["fixed"] = reader.read(Fixed, data["fixed"], (*place, "fixed")) or Fixed()
    return reader.read(Request, data, place, ready) or Request()


def _with_content(request: Request) -> Request:
    return Request(**{**{name: getattr(request, name) for name in request.__struct_fields__}, "content": Content.JSON})


def _read_inputs(reader: FieldReader, data: object, request: Request, place: Place) -> dict[str, ActionInput]:
    mapping = reader.expect_mapping(data, place) or {}
    read = {name: _read_input(reader, name, value, request, (*place, name)) for name, value in mapping.items()}
    return {name: value for name, value in read.items() if value is not None}


def _read_input(reader: FieldReader, name: str, data: object, request: Request, place: Place) -> ActionInput | None:
    mapping: dict[str, Any] = {"type": data} if isinstance(data, str) else reader.expect_mapping(data, place) or {}
    short = _read_type(reader, mapping, place)
    if short is None:
        return None
    written = mapping.get("in", short.place)
    ready: dict[str, Any] = {"schema": _write_schema(reader, mapping, short.schema, place)}
    ready["at"] = at = short.at if short.at is not None else _read_at(reader, mapping, name, place)
    if "is_required" not in mapping:
        ready["is_required"] = "type" in mapping and not short.is_optional
    if "place" not in mapping:
        ready["place"] = reader.read_value(InputPlace, written, (*place, "in")) if written else find_place(request, at)
        if not isinstance(ready["place"], InputPlace):
            return None
    return reader.read(ActionInput, mapping, place, ready, also=("type", "in", "choices"))


def find_place(request: Request, at: tuple[str, ...]) -> InputPlace:
    """Give the usual place: the path where it has that name, the query of methods without a body, else the body."""
    if len(at) == 1 and f"{{{at[0]}}}" in request.path:
        return InputPlace.PATH
    return InputPlace.QUERY if request.method.upper() in BODILESS else InputPlace.BODY


def _read_at(reader: FieldReader, mapping: dict[str, Any], name: str, place: Place) -> tuple[str, ...]:
    if "at" not in mapping:
        return (name,)
    found = reader.read_value(tuple[str, ...], mapping["at"], (*place, "at"))
    return found if isinstance(found, tuple) else ()


def _read_type(reader: FieldReader, mapping: dict[str, Any], place: Place) -> Short | None:
    if "type" not in mapping:
        if "schema" not in mapping:
            reader.complaints.add(place, "It has neither `type` nor `schema`.")
            return None
        return Short({}, is_optional=True, at=None, place="")
    short = read_short(str(mapping["type"]))
    if isinstance(short, str):
        reader.complaints.add(place, short)
        return None
    return short


def _write_schema(reader: FieldReader, mapping: dict[str, Any], of_type: dict[str, Any], place: Place) -> dict[str, Any]:
    schema = mapping.get("schema", of_type)
    if not isinstance(schema, dict):
        reader.complaints.add((*place, "schema"), f"A schema is a mapping (JSON Schema); this is {name_type(schema)}.")
        return {}
    choices = mapping.get("choices")
    if choices is None:
        return schema
    if not isinstance(choices, list) or not choices:
        reader.complaints.add((*place, "choices"), "Choices are a list of one or more values.")
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": {**schema.get("items", {}), "enum": choices}}
    return {**schema, "enum": choices}


def _read_pages(reader: FieldReader, data: object, place: Place) -> Pages | None:
    is_offset = isinstance(data, dict) and data.get("kind") == PageKind.OFFSET.value and "first" not in data
    return reader.read(Pages, data, place, {"first": 0} if is_offset else {})


def _add_page_inputs(inputs: dict[str, ActionInput], pages: Pages | None, request: Request) -> dict[str, ActionInput]:
    """What carries the cursor, the page's number or its size need not be written: it is not the flow's business."""
    if pages is None:
        return inputs
    kind = {"type": "string"} if pages.kind.value in {"cursor", "hook"} else {"type": "integer"}
    for name, schema in ((pages.input, kind), (pages.size_input, {"type": "integer"})):
        if name and name not in inputs:
            inputs = {**inputs, name: ActionInput(schema=schema, place=find_place(request, (name,)), at=(name,))}
    return inputs


def _read_answer(reader: FieldReader, mapping: dict[str, Any], place: Place) -> Answer:
    given = [name for name in ("answer", "gives") if name in mapping]
    if len(given) > 1:
        reader.complaints.add((*place, "gives"), "`gives` is short for `answer`: write one of them.")
    data = mapping[given[0]] if given else {}
    where = (*place, given[0]) if given else place
    ready: dict[str, Any] = {}
    outputs = mapping.get("outputs", data.get("outputs") if isinstance(data, dict) else None)
    if outputs is not None:
        inner = (*place, "outputs") if "outputs" in mapping else (*where, "outputs")
        ready["outputs"] = _read_outputs(reader, outputs, inner)
    return reader.read(Answer, data, where, ready) or Answer()


def _read_outputs(reader: FieldReader, data: object, place: Place) -> dict[str, ActionOutput]:
    mapping = reader.expect_mapping(data, place) or {}
    read = {name: _read_output(reader, name, value, (*place, name)) for name, value in mapping.items()}
    return {name: value for name, value in read.items() if value is not None}


def _read_output(reader: FieldReader, name: str, data: object, place: Place) -> ActionOutput | None:
    mapping: dict[str, Any] = {"type": data} if isinstance(data, str) else reader.expect_mapping(data, place) or {}
    short = _read_type(reader, mapping, place)
    if short is None:
        return None
    of_type = make_nullable(short.schema) if short.is_optional and "type" in mapping else short.schema
    ready: dict[str, Any] = {"schema": _write_schema(reader, mapping, of_type, place)}
    ready["at"] = short.at if short.at is not None else () if "header" in mapping else _read_at(reader, mapping, name, place)
    return reader.read(ActionOutput, mapping, place, ready, also=("type", "choices"))
