"""A JSON Schema that a stranger wrote, made into forms of a connector: bounded, cleaned, its references led to our own schemas.

Used by mcp.py, a tool's input and output at a time.
"""

from typing import Any, Final

from blubees.connectors.importers.names import to_name
from blubees.connectors.importers.untrusted import clean_text, has_unseen
from blubees.model.action import Schema

DEPTH_MAX: Final = 32  # docs/decisions/0050
NODES_MAX: Final = 10_000  # docs/decisions/0050
CHOICES_MAX: Final = 500
TEXT_MAX_CHARACTERS: Final = 500
DEFINITIONS: Final = ("$defs", "definitions")
_LEFT_OUT: Final = frozenset(
    {"$schema", "$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary", "$comment", *DEFINITIONS}
)
_TEXTS: Final = frozenset({"title", "description"})
_DATA: Final = frozenset({"default", "examples", "const", "enum"})


class StrangeFormError(Exception):
    """A schema can't be taken. `reason`: a sentence of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class StrangeForms:
    """Reads the schemas of one tool.

    Args:
        owner: the action that they belong to; their names begin with it.
        schemas: the connector's, to which definitions are added.
    """

    __slots__ = ("_left", "_names", "_owner", "_root", "_schemas")

    def __init__(self, owner: str, schemas: dict[str, Schema]) -> None:
        self._owner, self._schemas, self._left = owner, schemas, NODES_MAX
        self._root: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def read(self, root: dict[str, Any]) -> Schema:
        """Read one schema, and what it refers to in itself. Raises StrangeFormError."""
        self._root, self._names = root, {}
        form: Schema = self._read(root, 0)
        return form

    def _read(self, one: object, depth: int) -> Any:  # noqa: ANN401 - JSON Schema
        self._left -= 1
        if self._left < 0 or depth > DEPTH_MAX:
            raise StrangeFormError("its schema is too large or too deep")
        if isinstance(one, list):
            return [self._read(each, depth + 1) for each in one]
        if not isinstance(one, dict):
            return one
        target = one.get("$ref")
        if isinstance(target, str):
            return self._refer(target, depth)
        return {key: self._read_keyword(key, value, depth) for key, value in one.items() if self._is_kept(key, value)}

    def _read_keyword(self, key: str, value: object, depth: int) -> Any:  # noqa: ANN401 - JSON Schema
        if key in _TEXTS:
            return clean_text(value, TEXT_MAX_CHARACTERS)
        if key in _DATA:
            self._measure(value, depth)
            return value
        if key in {"properties", "patternProperties", "dependentSchemas"} and isinstance(value, dict):
            for name in value:
                if has_unseen(name) or len(name) > TEXT_MAX_CHARACTERS:
                    raise StrangeFormError("a property's name holds what people can't see, or is too long")
            return {name: self._read(inner, depth + 1) for name, inner in value.items()}
        return self._read(value, depth + 1)

    def _is_kept(self, key: str, value: object) -> bool:
        if key in _LEFT_OUT:
            return False
        if key == "enum":
            return isinstance(value, list) and len(value) <= CHOICES_MAX
        return key != "pattern" or (isinstance(value, str) and len(value) <= TEXT_MAX_CHARACTERS)

    def _measure(self, value: object, depth: int) -> None:
        """Count data as the rest is counted."""
        waiting = [(value, depth)]
        while waiting:
            one, level = waiting.pop()
            self._left -= 1
            if self._left < 0 or level > DEPTH_MAX:
                raise StrangeFormError("its schema is too large or too deep")
            inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            waiting += [(each, level + 1) for each in inner]

    def _refer(self, target: str, depth: int) -> Schema:
        """Lead a reference to one of our schemas; one that leads out of the document is a form that takes anything."""
        if target not in self._names:
            found = self._find(target)
            if found is None:
                return {}
            name = self._choose_name(to_name(target.rpartition("/")[2]))
            self._names[target] = name
            self._schemas[name] = {}
            self._schemas[name] = self._read(found, depth + 1)
        return {"$ref": f"#/schemas/{self._names[target]}"}

    def _choose_name(self, own: str) -> str:
        name = chosen = f"{self._owner}_{own or 'form'}"
        number = 1
        while chosen in self._schemas:
            number += 1
            chosen = f"{name}_{number}"
        return chosen

    def _find(self, target: str) -> dict[str, Any] | None:
        if target == "#":
            return self._root
        parts = target.split("/")
        if len(parts) != 3 or parts[0] != "#" or parts[1] not in DEFINITIONS:  # noqa: PLR2004 - #/$defs/NAME
            return None
        held = self._root.get(parts[1])
        found = held.get(parts[2].replace("~1", "/").replace("~0", "~")) if isinstance(held, dict) else None
        return found if isinstance(found, dict) else None
