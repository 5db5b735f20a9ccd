"""Makes objects of JSON and XML texts, within limits. Called by functions_json.py.

XML is read by expat, which ships with Python; a document that declares a type or an entity is refused, so nothing expands and
nothing is fetched.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, Final
from xml.parsers import expat

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import NUMBER_MAX_DIGITS, Meter

XML_MAX_CHARACTERS: Final = 262_144
XML_MAX_NODES: Final = 20_000


class _RefusedError(Exception):
    """The text is none that we read."""


def read_json(meter: Meter, text: str) -> Any:  # noqa: ANN401 - data
    """Give what a JSON text says; null where it is none. Numbers that no float holds are none either."""
    meter.expect_text(len(text))
    meter.spend(len(text) >> 3)
    try:
        value = json.loads(text, parse_int=_read_whole, parse_float=_read_number, parse_constant=_refuse)
    except (ValueError, _RefusedError):
        return None
    _check_depth(meter, value)
    return value


def _check_depth(meter: Meter, value: object) -> None:
    level = [value]
    for _ in range(meter.depth + 1):
        level = [inner for each in level for inner in _list_inner(each)]
        meter.spend(len(level))
        if not level:
            return
    raise EvaluationError(EvaluationCode.TOO_DEEP)


def _list_inner(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _read_whole(text: str) -> int:
    if len(text) > NUMBER_MAX_DIGITS:
        raise _RefusedError
    return int(text)


def _read_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError
    return number


def _refuse(_text: str) -> None:
    raise _RefusedError


class _XmlReader:
    """Builds an object: attributes and elements are keys, repeated ones lists, text beside them is `content`."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.nodes = 0
        self.result: dict[str, Any] = {}
        self.stack: list[tuple[str, dict[str, Any], list[str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.nodes += 1 + len(attributes)
        if self.nodes > XML_MAX_NODES:
            raise EvaluationError(EvaluationCode.BUDGET_STEPS, "xmlToJson")
        if len(self.stack) >= self.depth:
            raise EvaluationError(EvaluationCode.TOO_DEEP, "xmlToJson")
        self.stack.append((name, dict(attributes), []))

    def text(self, data: str) -> None:
        self.stack[-1][2].append(data)

    def end(self, _name: str) -> None:
        name, inner, texts = self.stack.pop()
        text = "".join(texts).strip()
        if inner and text:
            _put(inner, "content", text)
        _put(self.stack[-1][1] if self.stack else self.result, name, inner or text)


def _put(place: dict[str, Any], name: str, value: object) -> None:
    if name not in place:
        place[name] = value
    elif type(place[name]) is list:
        place[name].append(value)
    else:
        place[name] = [place[name], value]


def read_xml(meter: Meter, text: str) -> dict[str, Any] | None:
    """Give what an XML text says as an object; null where it is none, or declares a type or entities.

    Raises:
        EvaluationError: too long, too deep, too many elements.
    """
    if len(text) > XML_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE, "xmlToJson")
    meter.expect_text(len(text))
    reader = _XmlReader(meter.depth)
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.EntityDeclHandler = _refuse_declaration
    try:
        parser.Parse(text.encode(), True)  # noqa: FBT003 - expat takes no names
    except (expat.ExpatError, _RefusedError, UnicodeEncodeError):
        return None
    meter.spend(reader.nodes)
    return reader.result


def _refuse_declaration(*_declared: object) -> None:
    raise _RefusedError
