"""Reads a document's bytes, JSON or YAML, into plain data within limits. Called by the importers.

YAML is built from the parser's events, without recursion: no tags, no doubled documents, texts such as `on` and dates stay
texts, and an alias counts as what it stands for, so that nine lines can't become a billion values.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from blubees.connectors.importers.limits import DEPTH_MAX, DOCUMENT_MAX_BYTES, NODES_MAX
from blubees.model.errors import InputError

_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30}|[0-9]{1,30}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS: Final = frozenset("0123456789+-.")
_JSON_GOES_ON: Final = frozenset({b'"', b"[", b"{", b"}", b"]"})
_MERGE: Final = "<<"
_NOTHING: Final = object()


def read_document(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read a document.

    Raises:
        InputError: it is too large, too deep, has too many values, or is neither JSON nor YAML. None of it is repeated.
    """
    if len(content) > DOCUMENT_MAX_BYTES:
        raise InputError(f"The document has {len(content):,} bytes, allowed are {DOCUMENT_MAX_BYTES:,}. Import a part of it.")
    content = content.removeprefix(_BOM)
    if content[:64].lstrip()[:1] in {b"{", b"["}:
        if content.count(b",") + content.count(b"[") + content.count(b"{") > NODES_MAX:
            raise _too_many()
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            if error.lineno == 1 and error.colno == 1 and "recursion" in str(error):
                raise _too_deep() from None
            place = f"line {error.lineno}, column {error.colno}"
        if content[:4096].lstrip()[1:].lstrip()[:1] in _JSON_GOES_ON:  # else YAML may begin so, too
            raise InputError(f"The document is no JSON: {place}.")
    try:
        return _Builder(content).build()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"The document is neither JSON nor YAML{where}.") from None
    except UnicodeDecodeError:
        raise InputError("The document is neither JSON nor YAML: it is no UTF-8 text.") from None


class _Builder:
    """Builds plain data from events.

    An anchor is kept with the number of values that it stands for; the stack has, of each container that waits, the key and the
    anchor that wait with it, and the number of values before it.
    """

    def __init__(self, content: bytes) -> None:
        self._parser = CParser(content)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._texts: dict[str, str] = {}
        self._stack: list[tuple[Any, Any, str | None, int]] = []
        self._container: Any = None
        self._key: Any = _NOTHING
        self._anchor: str | None = None
        self._first = self._count = 0
        self._root: Any = None

    def build(self) -> Any:  # noqa: ANN401 - JSON
        """Build the one document that is there."""
        documents = 0
        while True:
            event: Any = self._parser.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                value = _read_scalar(event)
                self._note(event.anchor, value, 1)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open({} if kind is yaml.MappingStartEvent else [], event.anchor)
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                value = self._close()
            elif kind is yaml.AliasEvent:
                value = self._repeat(event.anchor)
            elif kind is yaml.StreamEndEvent:
                return self._root
            else:
                documents += kind is yaml.DocumentStartEvent
                if documents > 1:
                    raise InputError("There is more than one YAML document in it. Import one at a time.")
                continue
            self._put(value)

    def _open(self, container: Any, anchor: str | None) -> None:  # noqa: ANN401 - JSON
        if len(self._stack) >= DEPTH_MAX:
            raise _too_deep()
        self._stack.append((self._container, self._key, self._anchor, self._first))
        self._container, self._key, self._anchor, self._first = container, _NOTHING, anchor, self._count
        self._count += 1

    def _close(self) -> Any:  # noqa: ANN401 - JSON
        value = self._container
        if self._anchor:
            self._anchors[self._anchor] = (value, self._count - self._first)
        self._container, self._key, self._anchor, self._first = self._stack.pop()
        return value

    def _note(self, anchor: str | None, value: object, size: int) -> None:
        """Count values, and keep what has an anchor."""
        self._count += size
        if self._count > NODES_MAX:
            raise _too_many()
        if anchor:
            self._anchors[anchor] = (value, size)

    def _repeat(self, anchor: str) -> Any:  # noqa: ANN401 - JSON
        if anchor not in self._anchors:
            raise InputError("The document has a YAML alias of something that is not before it.")
        value, size = self._anchors[anchor]
        self._note(None, value, size)
        return value

    def _put(self, value: Any) -> None:  # noqa: ANN401 - JSON
        """Put a value where it belongs: a list's next, an object's key or its value, or the document itself."""
        container = self._container
        if type(container) is list:
            container.append(value)
        elif container is None:
            self._root = value
        elif self._key is _NOTHING:
            self._key = self._read_key(value)
        else:
            if self._key == _MERGE:
                _merge(container, value)
            else:
                container[self._key] = value
            self._key = _NOTHING

    def _read_key(self, value: object) -> str:
        """A key is a text; a number or a truth (`200:`, `default:`) becomes one. Kept once, however often it stands there."""
        if isinstance(value, str):
            return self._texts.setdefault(value, value)
        if value is None or isinstance(value, bool | int | float):
            return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        raise InputError("The document has a YAML key that is a list or an object.")


def _read_scalar(event: Any) -> Any:  # noqa: ANN401 - PyYAML's event; JSON
    text = event.value
    if event.style or (event.tag and event.tag != "!"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_STARTS:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
    return text


def _merge(container: dict[str, Any], value: object) -> None:
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise InputError("The document has a YAML merge (<<) of something that is no object.")
        for name, inner in each.items():
            container.setdefault(name, inner)


def _too_many() -> InputError:
    return InputError(f"The document has too many values, allowed are {NODES_MAX:,}. Import a part of it.")


def _too_deep() -> InputError:
    return InputError(f"The document is nested too deep, allowed are {DEPTH_MAX} levels.")
