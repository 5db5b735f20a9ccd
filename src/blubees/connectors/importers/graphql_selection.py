"""What is asked for of a GraphQL object if the flow's author says nothing: what a person looks at. Used by graphql_actions.py.

All plain fields of the object itself, the telling ones of the objects that it leads to, and of those that these lead to only
what names them. Lists that come in pages are left out below the first level: they cost most, and many a server refuses them
without a size. A way through the schema ends after three objects, so circles do.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from blubees.connectors.importers.graphql_forms import read_enum, read_scalar
from blubees.connectors.importers.untrusted import clean_text
from blubees.model.action import Schema

LEVELS: Final = 3
FIELDS_MAX: Final = 200  # of one document
OWN_FIELDS_MAX: Final = 60  # plain ones of one object
VALUE_FIELDS_MAX: Final = 12  # of an object without an id: an amount, an address
KINDS_MAX: Final = 8  # of a union: more are told by their name and id alone
TELLING: Final = (
    "id", "identifier", "key", "number", "iid", "name", "displayName", "fullName", "title", "login", "username", "email",
    "url", "webUrl", "type", "state", "status", "createdAt", "updatedAt",
)  # fmt: skip
NAMING: Final = ("id", "identifier", "key", "number", "name", "displayName", "title", "login", "username")
LEFT_OUT: Final = frozenset({"clientMutationId"})  # Relay's own bookkeeping
_NOISE: Final = re.compile(r"viewer[A-Z].*|.*[rR]esourcePath|.*HTML")
"""What the asker may do, and the same thing once more as a page or a part of a URL: hundreds of such stand in real schemas."""
_NOTE_MAX_CHARACTERS: Final = 200

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


@dataclass(slots=True)
class Selected:
    """What is asked for of an object: the fields as text, and the form of what comes back."""

    fields: list[str] = field(default_factory=list)
    properties: dict[str, Schema] = field(default_factory=dict)
    shapes: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The selection set, braces and all."""
        return "{ " + (" ".join(self.fields) or "__typename") + " }"

    @property
    def form(self) -> Schema:
        """The form of the object."""
        return {"type": "object", "properties": self.properties or {"__typename": {"type": "string"}}}


class Selector:
    """Chooses the fields of one document.

    Args:
        schema: all types, so that the members of a union and an interface are known.
    """

    __slots__ = ("_left", "_schema")

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema, self._left = schema, FIELDS_MAX

    def choose(self, kind: Composite, level: int = 0, *, is_wrapper: bool = False) -> Selected:
        """Choose of an object.

        Args:
            level: how many objects lead to it.
            is_wrapper: it only holds what is asked for (a mutation's payload): what it leads to counts as the first object.
        """
        if isinstance(kind, GraphQLUnionType):
            return self._choose_kinds(kind, Selected(), level)
        chosen = Selected()
        for name in _choose_plain(kind, level):
            if self._left > 0:
                self._left -= 1
                _add(chosen, name, kind.fields[name], "", read_leaf(kind.fields[name]))
        if level + 1 < LEVELS:
            self._choose_objects(kind, chosen, 0 if is_wrapper else level + 1)
        if isinstance(kind, GraphQLInterfaceType):
            self._choose_kinds(kind, chosen, level)
        return chosen

    def _choose_objects(self, kind: GraphQLObjectType | GraphQLInterfaceType, chosen: Selected, level: int) -> None:
        for name, one in kind.fields.items():
            target = get_named_type(one.type)
            if self._left <= 0 or not isinstance(target, Composite) or not _is_free(name, one) or find_nodes(target):
                continue
            inner = self.choose(target, level)
            if inner.fields:
                _add(chosen, name, one, f" {inner.text}", wrap(one.type, inner.form))

    def _choose_kinds(self, kind: GraphQLUnionType | GraphQLInterfaceType, chosen: Selected, level: int) -> Selected:
        """Ask each kind of object that may come for what it has beside the common fields."""
        kinds = self._schema.get_possible_types(kind)
        chosen.fields.insert(0, "__typename")
        chosen.properties["__typename"] = {"type": "string"}
        if len(kinds) > KINDS_MAX or level > 1:
            return chosen
        chosen.properties["__typename"] = {"type": "string", "enum": sorted(one.name for one in kinds)}
        for one in kinds:
            self._choose_own(one, chosen, level)
        return chosen

    def _choose_own(self, kind: GraphQLObjectType, chosen: Selected, level: int) -> None:
        fields: list[str] = []
        for name in _choose_plain(kind, level):
            shape = str(kind.fields[name].type)
            known = chosen.shapes.get(name, shape)
            if self._left <= 0 or (name in chosen.properties and name not in chosen.shapes):
                continue  # common to all kinds: asked for already
            self._left -= 1
            # GraphQL, section 5.3.2: one name can't be of two types, so the second is called by its kind's name too
            key = name if known == shape else f"{kind.name[:1].lower()}{kind.name[1:]}_{name}"
            chosen.shapes[key] = shape
            chosen.properties.setdefault(key, read_leaf(kind.fields[name]))
            fields.append(name if key == name else f"{key}: {name}")
        if fields:
            chosen.fields.append(f"... on {kind.name} {{ {' '.join(fields)} }}")


def read_leaf(one: GraphQLField) -> Schema:
    """Give the form of a plain field."""
    kind = get_named_type(one.type)
    form = read_enum(kind) if isinstance(kind, GraphQLEnumType) else read_scalar(kind.name)
    note = clean_text(one.description, _NOTE_MAX_CHARACTERS)
    return {**wrap(one.type, form), "description": note} if note else wrap(one.type, form)


def wrap(kind: GraphQLOutputType, form: Schema) -> Schema:
    """Put a form into the lists of its type, and let null be where it may be."""
    may_be_null = not isinstance(kind, GraphQLNonNull)
    inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(inner, GraphQLList):
        form = {"type": "array", "items": wrap(inner.of_type, form)}
    return allow_null(form) if may_be_null else form


def allow_null(form: Schema) -> Schema:
    """Let null be given, too; a form that says no type takes it anyway."""
    if not isinstance(form.get("type"), str):
        return form
    more: dict[str, Any] = {"type": [form["type"], "null"]}
    if "enum" in form:
        more["enum"] = [*form["enum"], None]
    return {**form, **more}


def find_nodes(kind: GraphQLNamedType) -> str:
    """Give the field that holds the items, when a type is a page of a list (Relay's connections); else empty."""
    if not isinstance(kind, GraphQLObjectType) or "pageInfo" not in kind.fields:
        return ""
    info = get_named_type(kind.fields["pageInfo"].type)
    if not isinstance(info, GraphQLObjectType) or not {"hasNextPage", "endCursor"} <= info.fields.keys():
        return ""
    for name in ("nodes", "edges", "items"):
        one = kind.fields.get(name)
        if one is not None and _is_list(one.type) and not is_leaf_type(get_named_type(one.type)):
            return name
    return ""


def _is_list(kind: GraphQLOutputType) -> bool:
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)


def _is_free(name: str, one: GraphQLField) -> bool:
    """Whether a field can be asked for as it is: nothing must be said with it, and nobody warns of it."""
    return (
        name not in LEFT_OUT
        and _NOISE.fullmatch(name) is None
        and one.deprecation_reason is None
        and not any(is_required_argument(arg) for arg in one.args.values())
    )


def _choose_plain(kind: GraphQLObjectType | GraphQLInterfaceType, level: int) -> list[str]:
    plain = [
        name
        for name, one in kind.fields.items()
        if isinstance(get_named_type(one.type), GraphQLScalarType | GraphQLEnumType) and _is_free(name, one)
    ]
    if level == 0:
        return plain[:OWN_FIELDS_MAX]
    if "id" not in plain:
        return plain[:VALUE_FIELDS_MAX]
    names = TELLING if level == 1 else NAMING
    return [name for name in names if name in plain][: len(TELLING) if level == 1 else 2]


def _add(chosen: Selected, name: str, one: GraphQLField, more: str, form: Schema) -> None:
    chosen.fields.append(name + more)
    chosen.properties[name] = form
    if more == "":
        return
    note = clean_text(one.description, _NOTE_MAX_CHARACTERS)
    if note:
        chosen.properties[name] = {**form, "description": note}
