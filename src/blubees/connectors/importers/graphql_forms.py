"""The forms of what a GraphQL schema's fields take, as JSON Schema with references. Used by graphql_actions.py.

Input objects refer to each other, also in circles; each becomes one of the connector's schemas, when it is first referred to.
"""

from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLType,
    is_required_input_field,
)

from blubees.connectors.importers.untrusted import clean_text
from blubees.model.action import Schema

CHOICES_MAX: Final = 500  # more values than anybody chooses from; they are then checked by the third party alone
NOTE_MAX_CHARACTERS: Final = 500
UPLOADS: Final = frozenset({"Upload", "File"})  # jaydenseric/graphql-multipart-request-spec: not JSON
_SCALARS: Final[dict[str, Schema]] = {
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},  # GraphQL, section 3.5.1
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "DateTime": {"type": "string", "format": "date-time"},
    "ISO8601DateTime": {"type": "string", "format": "date-time"},
    "DateTimeISO": {"type": "string", "format": "date-time"},
    "Date": {"type": "string", "format": "date"},
    "ISO8601Date": {"type": "string", "format": "date"},
    "TimelessDate": {"type": "string", "format": "date"},
    "URI": {"type": "string", "format": "uri"},
    "URL": {"type": "string", "format": "uri"},
    "UUID": {"type": "string"},
    "Email": {"type": "string", "format": "email"},
    "HTML": {"type": "string"},
    "JSONObject": {"type": "object"},
}
"""What well-known scalars are; one that is not known takes anything."""


def read_scalar(name: str) -> Schema:
    """Give the form of a scalar."""
    known = _SCALARS.get(name)
    return dict(known) if known is not None else {"title": name[:NOTE_MAX_CHARACTERS]}


def read_enum(kind: GraphQLEnumType) -> Schema:
    """Give the form of an enum: its values, as long as there are few enough to choose from."""
    values = [name for name, value in kind.values.items() if value.deprecation_reason is None] or list(kind.values)
    return {"type": "string", "enum": values} if len(values) <= CHOICES_MAX else {"type": "string"}


class InputForms:
    """Makes forms of input types, and keeps those that are referred to.

    Attributes:
        schemas: by the name of the type.
    """

    __slots__ = ("schemas",)

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def read(self, kind: GraphQLType) -> Schema:
        """Give the form of an input type; null is left out rather than given."""
        waiting: list[GraphQLInputObjectType] = []
        form = self._refer(kind, waiting)
        while waiting:
            one = waiting.pop()
            if not self.schemas[one.name]:
                self.schemas[one.name] = self._write_object(one, waiting)
        return form

    def _refer(self, kind: GraphQLType, waiting: list[GraphQLInputObjectType]) -> Schema:
        lists = 0
        while isinstance(kind, GraphQLList | GraphQLNonNull):
            lists += isinstance(kind, GraphQLList)
            kind = kind.of_type
        form: Schema
        if isinstance(kind, GraphQLInputObjectType):
            if kind.name not in self.schemas:
                self.schemas[kind.name] = {}
                waiting.append(kind)
            form = {"$ref": f"#/schemas/{kind.name}"}
        else:
            form = read_enum(kind) if isinstance(kind, GraphQLEnumType) else read_scalar(_name(kind))
        for _ in range(lists):
            form = {"type": "array", "items": form}
        return form

    def _write_object(self, kind: GraphQLInputObjectType, waiting: list[GraphQLInputObjectType]) -> Schema:
        form: dict[str, Any] = {"type": "object", "additionalProperties": False}
        note = clean_text(kind.description, NOTE_MAX_CHARACTERS)
        if note:
            form["description"] = note
        form["properties"] = {name: self._write_field(field, waiting) for name, field in kind.fields.items()}
        required = [name for name, field in kind.fields.items() if is_required_input_field(field)]
        if required:
            form["required"] = required
        if kind.is_one_of:
            form |= {"minProperties": 1, "maxProperties": 1}
        return form

    def _write_field(self, field: GraphQLInputField, waiting: list[GraphQLInputObjectType]) -> Schema:
        form = self._refer(field.type, waiting)
        note = clean_text(field.description, NOTE_MAX_CHARACTERS)
        if note and note != form.get("description"):
            form = {**form, "description": note}
        return {**form, "deprecated": True} if field.deprecation_reason is not None else form


def find_uploads(kind: GraphQLInputObjectType) -> bool:
    """Whether an input object must be given a file: the multipart form of GraphQL requests, which is not spoken here."""
    return any(is_required_input_field(field) and is_upload(field.type) for field in kind.fields.values())


def is_upload(kind: GraphQLType) -> bool:
    """Whether a type is a file."""
    while isinstance(kind, GraphQLList | GraphQLNonNull):
        kind = kind.of_type
    return _name(kind) in UPLOADS


def _name(kind: GraphQLType) -> str:
    return kind.name if isinstance(kind, GraphQLNamedType) else ""
