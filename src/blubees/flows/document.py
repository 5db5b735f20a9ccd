"""Reads a flow's text (YAML or JSON) into plain data with the place of everything. Called by flows/check.py.

Built from the parser's events: no recursion, no aliases, no tags, no doubled keys, and `on`, `yes` and dates stay texts.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import yaml

from blubees.connectors.contract.plain_yaml import read_scalar

DOCUMENT_MAX_BYTES: Final = 262_144  # docs/decisions/0004-size-limits.md
DEPTH_MAX: Final = 32
NUMBER_MAX: Final = 2**53
_LONG: Final = re.compile(r"[-+]?[1-9][0-9]{18,}")
_BAD_LETTER: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

Place = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: where (line and column from 1), what was given and is allowed, and the nearest right name."""

    path: str
    line: int
    column: int
    message: str
    nearest: str = ""
    severity: str = "error"


@dataclass(slots=True)
class ReadDocument:
    """A document and the (line, column) of each of its places; `problems` when it can't be read."""

    data: Any = None
    places: dict[Place, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, place: Place, message: str, *, nearest: str = "", severity: str = "error") -> None:
        """Note a problem at a place; the nearest outer place that is known gives line and column."""
        known = place
        while known and known not in self.places:
            known = known[:-1]
        line, column = self.places.get(known, (1, 1))
        self.problems.append(
            Problem(path=write_place(place), line=line, column=column, message=message, nearest=nearest, severity=severity)
        )


def write_place(place: Place) -> str:
    """Write a place: steps[2].with.url."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(text: str) -> ReadDocument:
    """Read a text; never raises for what stands in it."""
    read = ReadDocument()
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > DOCUMENT_MAX_BYTES:
        read.complain((), f"The document has {size} bytes, allowed are {DOCUMENT_MAX_BYTES}. Split the flow.")
        return read
    bad = _BAD_LETTER.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        read.places[()] = (line, bad.start() - text.rfind("\n", 0, bad.start()))
        read.complain((), "There is a character that no text has (a control character or half a character). Remove it.")
        return read
    try:
        _Builder(read).build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        read.places[()] = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = getattr(error, "problem", None) or "it ends too early or a bracket is missing"
        read.complain((), f"This is neither YAML nor JSON: {problem}.")
    return read


class _StopError(Exception):
    """The document can't be read on."""


class _Builder:
    """Builds data from the parser's events."""

    def __init__(self, read: ReadDocument) -> None:
        self.read = read
        self.stack: list[tuple[Any, Place]] = []
        self.keys: list[str | None] = []
        self.documents = 0

    def build(self, text: str) -> None:
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self.take(event)
        except _StopError:
            return
        if self.documents == 0:
            self.read.complain((), "The document is empty. A flow has id, name, trigger and steps.")

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(event, "There is more than one document. Keep one flow in a file.")
        elif isinstance(event, yaml.AliasEvent):
            self.stop(event, "Aliases (*name) are not allowed. Write the value out.")
        elif isinstance(event, yaml.NodeEvent):
            if event.anchor or (getattr(event, "tag", None) and not _is_plain_tag(event)):
                self.stop(event, "Anchors (&name) and tags (!name) are not allowed. Write the value plainly.")
            self.take_node(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.stack.pop()
            self.keys.pop()

    def take_node(self, event: yaml.NodeEvent) -> None:
        if self.stack and isinstance(self.stack[-1][0], dict) and self.keys[-1] is None:
            self.take_key(event)
            return
        place = self.place(event)
        if isinstance(event, yaml.ScalarEvent):
            self.put(self.read_scalar(event, place))
            return
        if len(self.stack) >= DEPTH_MAX:
            self.stop(event, f"It is nested deeper than {DEPTH_MAX} levels.")
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.put(container)
        self.stack.append((container, place))
        self.keys.append(None)

    def take_key(self, event: yaml.NodeEvent) -> None:
        container, place = self.stack[-1]
        if not isinstance(event, yaml.ScalarEvent):
            self.stop(event, "A key must be a plain name.")
        elif event.value in container:
            self.read.places.setdefault((*place, event.value), _mark(event))
            self.read.places[*place, event.value] = _mark(event)
            self.read.complain((*place, event.value), f"The key {event.value[:60]} stands here twice. Keep one.")
            self.keys[-1] = event.value
        else:
            self.keys[-1] = event.value

    def place(self, event: yaml.Event) -> Place:
        if not self.stack:
            place: Place = ()
        else:
            container, outer = self.stack[-1]
            place = (*outer, len(container) if isinstance(container, list) else str(self.keys[-1]))
        self.read.places[place] = _mark(event)
        return place

    def put(self, value: object) -> None:
        if not self.stack:
            self.read.data = value
            return
        container = self.stack[-1][0]
        if isinstance(container, list):
            container.append(value)
        else:
            container[self.keys[-1]] = value
            self.keys[-1] = None

    def read_scalar(self, event: yaml.ScalarEvent, place: Place) -> object:
        value = read_scalar(event.value, event.style)
        is_long = not event.style and _LONG.fullmatch(event.value) is not None
        if is_long or (isinstance(value, int) and abs(value) > NUMBER_MAX):
            self.read.complain(place, "The number is larger than 2^53. Quote it to make it a text.")
            return 0
        return value

    def stop(self, event: yaml.Event, message: str) -> None:
        self.read.places[()] = _mark(event)
        self.read.complain((), message)
        raise _StopError


def _is_plain_tag(event: yaml.NodeEvent) -> bool:
    """The parser gives quoted texts the tag "!": that one is not the author's."""
    return bool(isinstance(event, yaml.ScalarEvent) and event.tag == "!" and event.style)


def _mark(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
