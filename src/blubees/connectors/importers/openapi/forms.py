"""Schemas of OpenAPI 3.1, 3.0 and Swagger 2.0 as JSON Schema 2020-12 in plain dicts. Used by connectors/importers/openapi.

A reference stays one: `#/schemas/NAME`. So a cyclic form is small, and one reference more costs nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import re2

from blubees.connectors.importers.limits import (
    CHOICES_MAX,
    FORM_DEPTH_MAX,
    FORMS_MAX,
    NAME_MAX,
    PATTERN_MAX,
    WIRE_NAME_MAX,
)
from blubees.connectors.importers.names import to_text
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.refs import Files, Found
from blubees.model.action import Schema
from blubees.model.errors import InputError

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
FORM_TEXT_MAX: Final = 300
"""Characters of a description inside a form."""
REFERENCE: Final = "#/schemas/"
_NUMBERS: Final = ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_FLAGS: Final = ("readOnly", "writeOnly", "deprecated", "uniqueItems")
_ONE: Final = ("items", "not", "contains", "propertyNames", "if", "then", "else")
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_FORBIDDEN: Final = frozenset({"__proto__"})  # a name that no property of a console's object may have


class Forms:
    """Converts schemas, and names those that references lead to. `schemas` is whole after `finish`."""

    def __init__(self, files: Files, notes: Notes) -> None:
        self.schemas: dict[str, Schema] = {}
        self._files, self._notes = files, notes
        self._names: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._waiting: dict[str, Found] = {}
        self._patterns: dict[str, bool] = {}

    def finish(self) -> None:
        """Convert every schema that a reference led to, and those that these lead to."""
        while self._waiting:
            name, found = self._waiting.popitem()
            self.schemas[name] = self.convert(found.value, found.file)

    def look_up(self, schema: Schema) -> Schema:
        """Follow references of a converted form to the form itself."""
        seen = set()
        while "$ref" in schema and len(schema) == 1:
            name = str(schema["$ref"]).removeprefix(REFERENCE)
            if name in seen:
                return {}
            seen.add(name)
            schema = self.form_of(name)
        return schema

    def form_of(self, name: str) -> Schema:
        """Give a named form, converted now if it waits."""
        found = self._waiting.pop(name, None)
        if found is not None:
            self.schemas[name] = self.convert(found.value, found.file)
        return self.schemas.get(name, {})

    def convert(self, schema: Any, file: str, depth: int = 0) -> Schema:  # noqa: ANN401 - JSON
        """Convert one schema of a file. What can't be read is left out, so that more is allowed, never less."""
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        if depth > FORM_DEPTH_MAX:
            self._notes.tell("", f"A schema is nested deeper than {FORM_DEPTH_MAX} levels; anything is allowed below.")
            return {}
        form: Schema = {}
        if "$ref" in schema:
            self._refer(schema, file, form)
            if len(schema) == 1:
                return form
        self._read_types(schema, form)
        self._read_words(schema, form)
        self._read_numbers(schema, form)
        self._read_parts(schema, file, depth, form)
        return _allow_null(schema, form)

    def _refer(self, schema: Mapping[str, Any], file: str, form: Schema) -> None:
        found = self._files.find(file, schema["$ref"])
        if found is not None and isinstance(found.value, dict | bool):
            form["$ref"] = REFERENCE + self._name(found)

    def _name(self, found: Found) -> str:
        """Name a form by the last word of its place."""
        key = (found.file, found.pointer)
        name = self._names.get(key)
        if name is not None:
            return name
        if len(self._names) >= FORMS_MAX:
            raise InputError(f"Operations lead to more than {FORMS_MAX:,} schemas. Import a part of the document.")
        last = found.pointer.rpartition("/")[2] or found.file.rpartition("/")[2]
        name = _NO_NAME.sub("_", last[: NAME_MAX * 2]).strip("_") or "form"
        if name in self._taken or name in _FORBIDDEN or len(name) > NAME_MAX:
            digest = hashlib.sha256("\n".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:8]
            name = f"{name[: NAME_MAX - 9]}_{digest}"
        self._names[key] = name
        self._taken.add(name)
        self._waiting[name] = found
        return name

    def _read_types(self, schema: Mapping[str, Any], form: Schema) -> None:
        given = schema.get("type")
        if given == "file":  # Swagger 2.0
            form["type"], form["format"] = "string", "binary"
            return
        if isinstance(given, str) and given in TYPES:
            form["type"] = given
        elif isinstance(given, list):
            types = [each for each in given if isinstance(each, str) and each in TYPES]
            if types:
                form["type"] = types[0] if len(types) == 1 else types
        if isinstance(schema.get("format"), str):
            form["format"] = schema["format"][:50]
        elif schema.get("type") == "string" and "contentMediaType" in schema and "contentEncoding" not in schema:
            form["format"] = "binary"  # OpenAPI 3.1, "Considerations for File Uploads"
        elif schema.get("contentEncoding") in {"base64", "base64url"}:
            form["contentEncoding"] = schema["contentEncoding"]

    def _read_words(self, schema: Mapping[str, Any], form: Schema) -> None:
        for key in ("title", "description"):
            text = to_text(schema.get(key), FORM_TEXT_MAX)
            if text:
                form[key] = text
        for key in _FLAGS:
            if schema.get(key) is True:
                form[key] = True
        choices = schema.get("enum")
        if isinstance(choices, list) and choices and len(choices) <= CHOICES_MAX and all(map(_is_small, choices)):
            form["enum"] = choices
        elif isinstance(choices, list) and choices:
            self._notes.tell("", f"A list of more than {CHOICES_MAX} choices, or of large ones, is left out.")
        for key in ("const", "default"):
            if key in schema and _is_small(schema[key]):
                form[key] = schema[key]
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and self._is_pattern(pattern):
            form["pattern"] = pattern
        required = schema.get("required")
        if isinstance(required, list):
            names = [each for each in required if isinstance(each, str)]
            if names:
                form["required"] = names

    def _is_pattern(self, pattern: str) -> bool:
        """Tell whether RE2 reads it: then it takes linear time, whatever it is asked about."""
        known = self._patterns.get(pattern)
        if known is None:
            known = self._patterns[pattern] = len(pattern) <= PATTERN_MAX and _compiles(pattern)
            if not known:
                self._notes.tell("", "A pattern that is too long, or that RE2 can't read, is left out.")
        return known

    def _read_numbers(self, schema: Mapping[str, Any], form: Schema) -> None:
        for key in _NUMBERS:
            value = schema.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                form[key] = value
        for end in ("Minimum", "Maximum"):  # truths until OpenAPI 3.0
            bound = form.get(end.lower())
            if schema.get(f"exclusive{end}") is True and bound is not None:
                form[f"exclusive{end}"] = form.pop(end.lower())
        if form.get("multipleOf", 1) <= 0:
            del form["multipleOf"]
        for key in _COUNTS:
            value = schema.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                form[key] = value

    def _read_parts(self, schema: Mapping[str, Any], file: str, depth: int, form: Schema) -> None:
        properties = schema.get("properties")
        if isinstance(properties, dict):
            form["properties"] = {
                name: self.convert(each, file, depth + 1) for name, each in properties.items() if self._is_name(name)
            }
            _loosen_required(form)
        more = schema.get("additionalProperties")
        if isinstance(more, bool):
            form["additionalProperties"] = more
        elif isinstance(more, dict):
            form["additionalProperties"] = self.convert(more, file, depth + 1)
        for key in _ONE:
            inner = schema.get(key)
            if isinstance(inner, dict | bool):
                form[key] = self.convert(inner, file, depth + 1)
            elif key == "items" and isinstance(inner, list):
                form["prefixItems"] = [self.convert(each, file, depth + 1) for each in inner]
        for key in _MANY:
            inner = schema.get(key)
            if isinstance(inner, list) and inner:
                form[key] = [self.convert(each, file, depth + 1) for each in inner]
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict):
            kept = {each: self.convert(inner, file, depth + 1) for each, inner in patterns.items() if self._is_pattern(each)}
            if kept:
                form["patternProperties"] = kept
        if isinstance(schema.get("discriminator"), dict):
            self._read_discriminator(schema["discriminator"], file, form)

    def _read_discriminator(self, given: Mapping[str, Any], file: str, form: Schema) -> None:
        name = given.get("propertyName")
        if not isinstance(name, str):
            return
        mapping = {}
        for value, target in (given.get("mapping") or {}).items() if isinstance(given.get("mapping"), dict) else ():
            if not isinstance(target, str):
                continue
            reference = target if "/" in target or "#" in target else f"#/components/schemas/{target}"
            found = self._files.find(file, reference)
            if found is not None:
                mapping[value] = REFERENCE + self._name(found)
        form["discriminator"] = {"propertyName": name} | ({"mapping": mapping} if mapping else {})

    def _is_name(self, name: str) -> bool:
        if name in _FORBIDDEN or len(name) > WIRE_NAME_MAX:
            self._notes.tell("", "A property whose name is too long or no name is left out.")
            return False
        return True


def _loosen_required(form: Schema) -> None:
    """What is required in one direction only is required in none: forms are shared by both."""
    required = form.get("required")
    if required:
        properties = form["properties"]
        kept = [
            name
            for name in required
            if not (name in properties and (properties[name].get("readOnly") or properties[name].get("writeOnly")))
        ]
        if kept:
            form["required"] = kept
        else:
            del form["required"]


def _allow_null(schema: Mapping[str, Any], form: Schema) -> Schema:
    """OpenAPI 3.0's nullable, and what Swagger 2.0's users wrote for it."""
    if schema.get("nullable") is not True and schema.get("x-nullable") is not True:
        return form
    kind = form.get("type")
    if isinstance(kind, str) and kind != "null":
        form["type"] = [kind, "null"]
    elif kind is None and ("$ref" in form or form.keys() & {"allOf", "anyOf", "oneOf"}):
        outer = {key: form.pop(key) for key in ("title", "description", "readOnly", "writeOnly", "deprecated") if key in form}
        return outer | {"anyOf": [form, {"type": "null"}]}
    if "enum" in form and None not in form["enum"]:
        form["enum"] = [*form["enum"], None]
    return form


def _compiles(pattern: str) -> bool:
    try:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 1_048_576
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True


def _is_small(value: object) -> bool:
    return not isinstance(value, str | list | dict) or len(value) <= FORM_TEXT_MAX
