"""A query or mutation of a GraphQL schema, made into an action. Used by graphql.py."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
    value_from_ast_untyped,
)

from blubees.connectors.graphql_fields import FORM
from blubees.connectors.importers.graphql_forms import InputForms, find_uploads, is_upload
from blubees.connectors.importers.graphql_selection import LEFT_OUT, Composite, Selector, find_nodes, read_leaf, wrap
from blubees.connectors.importers.names import choose_input_name, to_name, to_title
from blubees.connectors.importers.untrusted import clean_text
from blubees.model.action import (
    Action,
    ActionInput,
    Answer,
    Content,
    ErrorRule,
    Fixed,
    Meaning,
    PageKind,
    Pages,
    Path,
    Place,
    Request,
    Schema,
)
from blubees.model.call import Effect

PAGE_SIZE: Final = 50  # a hundred times a rich selection is more than several servers' cost limits allow
REFUSALS: Final = ("userErrors", "errors")
"""Where a mutation's payload tells people why nothing was done, with HTTP 200 and no other error (Shopify, GitLab, Saleor)."""
FIELDS: Final = "fields"
CHOOSE: Final[dict[str, Any]] = {
    "title": "Fields",
    "description": "Which fields to ask for, as in GraphQL, instead of the usual ones. It is written out: no smart values.",
    "example": "id title assignee { name }",
    "is_literal": True,
}
TABLE_FIELDS_MAX: Final = 600  # docs/decisions/0048: what stands beyond is checked by the server alone
_WRAPPERS: Final = frozenset({"payload", "connection", "result", "response", "output"})
_BACKWARDS: Final = frozenset({"last", "before"})


@dataclass(slots=True)
class _Taken:
    """What is taken with an action: its inputs, and how its document passes them on."""

    inputs: dict[str, ActionInput] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The variables, as the operation declares them."""
        return f"({', '.join(self.declared)})" if self.declared else ""

    @property
    def arguments(self) -> str:
        """The arguments, as the field is given them."""
        return f"({', '.join(self.passed)})" if self.passed else ""


class _Given(NamedTuple):
    """What is asked for: the document around the selection and the selection, where it is in the answer, and its form.

    `kind`: whose fields are chosen; None: there are none to choose.
    """

    before: str
    text: str
    after: str
    at: Path
    form: Schema
    kind: Composite | None


class ActionMaker:
    """Makes actions of fields.

    Args:
        schema: the whole schema.
        forms: keeps the forms of what the actions take.
    """

    __slots__ = ("_forms", "_schema")

    def __init__(self, schema: GraphQLSchema, forms: InputForms) -> None:
        self._schema, self._forms = schema, forms

    def make(self, name: str, one: GraphQLField, *, is_mutation: bool) -> Action | None:
        """Make one; None for a field that must be given a file, since that is not spoken here."""
        if any(is_required_argument(arg) and _needs_file(arg) for arg in one.args.values()):
            return None
        nodes = find_nodes(get_named_type(one.type)) if {"first", "after"} <= one.args.keys() else ""
        taken = self._take(one, is_paged=bool(nodes))
        given = self._give(name, one, nodes, is_mutation=is_mutation)
        operation = "mutation" if is_mutation else "query"
        before = f"{operation} {name}{taken.head} {{ {name}{taken.arguments}{given.before}"
        after = f"{given.after} }}"
        if given.kind is not None:
            told = self._tell_refusals(get_named_type(one.type)) if is_mutation else ""
            plan = {
                "before": f"{before}{{ {told}",
                "after": f" }}{after}",
                "root": given.kind.name,
                "types": list_types(given.kind),
            }
            taken.inputs[FIELDS] = ActionInput(schema={"type": "string", FORM: plan}, place=Place.BODY, at=("query",), **CHOOSE)
        return Action(
            title=to_title(None, to_name(name)),
            description=clean_text(one.description),
            group=_name_group(get_named_type(one.type)),
            inputs=taken.inputs,
            request=Request(
                method="POST",
                content=Content.JSON,
                fixed=Fixed(body={"query": before + given.text + after, "operationName": name}),
            ),
            answer=Answer(content=Content.JSON, at=given.at, schema=given.form),
            effect=Effect.UNSAFE if is_mutation else Effect.READ,
            pages=_write_pages(name, nodes) if nodes else None,
            errors=_find_refusals(name, get_named_type(one.type)) if is_mutation else (),
            is_deprecated=one.deprecation_reason is not None,
        )

    def _take(self, one: GraphQLField, *, is_paged: bool) -> _Taken:
        taken = _Taken()
        names = [name for name in one.args if not (is_paged and name in _BACKWARDS)]
        spread = _find_spread(one, names)
        for name in names:
            arg = one.args[name]
            taken.declared.append(f"${name}: {arg.type}")
            taken.passed.append(f"{name}: ${name}")
            if name == spread:
                self._spread(taken, name, get_named_type(arg.type))
            else:
                key = choose_input_name("input", name, {FIELDS, *taken.inputs})
                taken.inputs[key] = self._write_input(arg, ("variables", name), is_required=is_required_argument(arg))
        return taken

    def _spread(self, taken: _Taken, name: str, kind: GraphQLNamedType) -> None:
        """Make each field of the one object that a mutation takes an input of its own."""
        if not isinstance(kind, GraphQLInputObjectType):
            return
        keys: dict[str, str] = {}
        for each in kind.fields:
            if each not in LEFT_OUT:
                keys[each] = choose_input_name("input", each, {FIELDS, *taken.inputs, *keys.values()})
        for each, key in keys.items():
            one = kind.fields[each]
            one_of = tuple(keys.values()) if kind.is_one_of else ()
            required = is_required_input_field(one)
            taken.inputs[key] = self._write_input(one, ("variables", name, each), is_required=required, one_of=one_of)

    def _write_input(
        self, one: GraphQLArgument | GraphQLInputField, at: Path, *, is_required: bool, one_of: tuple[str, ...] = ()
    ) -> ActionInput:
        form = self._forms.read(one.type)
        given = _read_default(one)
        return ActionInput(
            schema={**form, "default": given} if given is not None else form,
            place=Place.BODY,
            at=at,
            is_required=is_required,
            title=to_title(None, to_name(at[-1])),
            description=clean_text(one.description),
            is_deprecated=one.deprecation_reason is not None,
            one_of=one_of,
        )

    def _tell_refusals(self, kind: GraphQLNamedType) -> str:
        """Ask for what tells of a refusal, whatever else is asked for: else it would look like a success."""
        told = ""
        for name in _list_refusals(kind):
            inner = get_named_type(kind.fields[name].type) if isinstance(kind, GraphQLObjectType) else None
            told += f"{name} {Selector(self._schema).choose(inner).text} " if isinstance(inner, Composite) else f"{name} "
        return told

    def _give(self, name: str, one: GraphQLField, nodes: str, *, is_mutation: bool) -> _Given:
        kind = get_named_type(one.type)
        if not isinstance(kind, Composite):
            return _Given("", "", "", ("data", name), read_leaf(one), None)
        held = nodes or find_nodes(kind)
        if held and isinstance(kind, GraphQLObjectType):
            inner = get_named_type(kind.fields[held].type)
            if isinstance(inner, Composite):
                chosen = Selector(self._schema).choose(inner, is_wrapper=held == "edges")
                after = " pageInfo { hasNextPage endCursor } }" if nodes else " }"
                form: Schema = {"type": "array", "items": chosen.form}
                return _Given(f" {{ {held} ", chosen.text, after, ("data", name, held), form, inner)
        is_wrapper = is_mutation and isinstance(kind, GraphQLObjectType) and "id" not in kind.fields
        chosen = Selector(self._schema).choose(kind, is_wrapper=is_wrapper)
        return _Given(" ", chosen.text, "", ("data", name), wrap(one.type, chosen.form), kind)


def list_types(kind: Composite) -> dict[str, dict[str, str]]:
    """List the fields of a type and of those that it leads to, the nearest first: what `fields` is checked against."""
    types: dict[str, dict[str, str]] = {}
    waiting = deque([kind])
    left = TABLE_FIELDS_MAX
    while waiting:
        one = waiting.popleft()
        fields = {} if isinstance(one, GraphQLUnionType) else one.fields
        if one.name in types or (types and len(fields) > left):
            continue
        types[one.name] = {}
        left -= len(fields)
        for name, each in fields.items():
            target = get_named_type(each.type)
            needed = ",".join(arg for arg, given in each.args.items() if is_required_argument(given))
            types[one.name][name] = (target.name if isinstance(target, Composite) else "") + (f"!{needed}" if needed else "")
            if isinstance(target, Composite):
                waiting.append(target)
    return types


def _find_spread(one: GraphQLField, names: list[str]) -> str:
    """Find the argument whose fields become inputs: the only object that is needed, if its fields have names of their own."""
    types = {name: one.args[name].type for name in names}
    objects = [
        name
        for name, kind in types.items()
        if isinstance(kind, GraphQLNonNull) and isinstance(kind.of_type, GraphQLInputObjectType)
    ]
    if len(objects) != 1:
        return ""
    kind = get_named_type(types[objects[0]])
    if not isinstance(kind, GraphQLInputObjectType) or kind.fields.keys() & set(names):
        return ""
    # without a needed field nothing may be given, and the object itself would then be missing
    is_surely_given = kind.is_one_of or any(is_required_input_field(each) for each in kind.fields.values())
    return objects[0] if is_surely_given else ""


def _needs_file(arg: GraphQLArgument) -> bool:
    kind = get_named_type(arg.type)
    return is_upload(arg.type) or (isinstance(kind, GraphQLInputObjectType) and find_uploads(kind))


def _read_default(one: GraphQLArgument | GraphQLInputField) -> Any:  # noqa: ANN401 - JSON
    """Give a plain default, for people to see; the third party knows it itself."""
    if one.default is None:
        return None
    value = one.default.value if one.default.literal is None else value_from_ast_untyped(one.default.literal)
    return value if isinstance(value, str | int | float | bool) else None


def _write_pages(name: str, nodes: str) -> Pages:
    return Pages(
        kind=PageKind.CURSOR,
        items=("data", name, nodes),
        input="after",
        size_input="first",
        size=PAGE_SIZE,
        next=("data", name, "pageInfo", "endCursor"),
        more=("data", name, "pageInfo", "hasNextPage"),
    )


def _find_refusals(name: str, kind: GraphQLNamedType) -> tuple[ErrorRule, ...]:
    """Tell by the payload's own list of errors that nothing was done."""
    refused = Meaning.REQUEST_REFUSED
    return tuple(ErrorRule(means=refused, body={f"data.{name}.{each}.0": "*"}) for each in _list_refusals(kind))


def _list_refusals(kind: GraphQLNamedType) -> list[str]:
    if not isinstance(kind, GraphQLObjectType) or "id" in kind.fields:
        return []
    return [each for each in REFUSALS if each in kind.fields and "[" in str(kind.fields[each].type)]


def _name_group(kind: GraphQLNamedType) -> str:
    """Give the thing that an action is about: the type that it gives, without what only wraps it."""
    words = to_name(kind.name).split("_")
    while len(words) > 1 and words[-1] in _WRAPPERS:
        words.pop()
    return to_title(None, "_".join(words)) if isinstance(kind, Composite) else ""
