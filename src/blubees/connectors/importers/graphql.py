"""A GraphQL schema, made into a connector: by an introspection answer or by SDL text. Called by the import machinery.

Each query and mutation becomes an action, with a document that asks for what people look at (graphql_selection.py).
"""

from typing import Any, Final

import msgspec
import orjson
from graphql import GraphQLError, GraphQLSchema, build_ast_schema, build_client_schema, parse

from blubees.connectors.importers.graphql_actions import ActionMaker
from blubees.connectors.importers.graphql_forms import InputForms
from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.names import choose_names, to_name, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.untrusted import clean_line, clean_text
from blubees.model.action import Action, ErrorRule, Limits, Meaning
from blubees.model.connector import AuthScheme, Connector, Trial
from blubees.model.errors import InputError

DOCUMENT_MAX_BYTES: Final = 67_108_864  # docs/decisions/0048
TYPES_MAX: Final = 20_000  # docs/decisions/0048
ACTIONS_MAX: Final = 30_000  # docs/decisions/0048
TOKENS_MAX: Final = 4_000_000  # docs/decisions/0048
QUERY: Final = "query"
MUTATION: Final = "mutation"
ERRORS: Final = (
    ("credential_refused", ("UNAUTHENTICATED", "AUTHENTICATION_ERROR", "UNAUTHORIZED", "FORBIDDEN", "ACCESS_DENIED",
                            "INSUFFICIENT_SCOPES", "invalid-jwt", "access-denied")),
    ("busy", ("RATELIMITED", "RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "THROTTLED", "TOO_MANY_REQUESTS",
              "COMPLEXITY_BUDGET_EXHAUSTED")),
    ("not_found", ("NOT_FOUND", "RESOURCE_NOT_FOUND")),
    ("vendor_broken", ("INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "INTERNAL", "SERVICE_UNAVAILABLE", "UNAVAILABLE",
                       "DOWNSTREAM_SERVICE_ERROR")),
)  # fmt: skip
"""What servers say in an error's code: Apollo Server's, GitHub's, Linear's, Shopify's, Hasura's and graphql-java's words."""
PLACES_OF_CODES: Final = ("errors.0.extensions.code", "errors.0.type", "errors.0.extensions.classification")


def read_graphql(
    document: bytes | str,
    name: str,
    *,
    endpoint: str,
    title: str = "",
    is_open: bool = False,
    earlier: Connector | None = None,
) -> Imported:
    """Make a connector of a GraphQL schema.

    Args:
        document: the JSON answer to an introspection query, with or without `data` around it, or a schema in SDL; UTF-8,
            67,108,864 bytes at most.
        name: of the connector.
        endpoint: the URL that takes the queries.
        is_open: whether it can be called without a connection, too.
        earlier: what an earlier import made: its names of actions stay.

    Raises:
        InputError: it is neither, is not a schema, or is larger than allowed (20,000 types, 30,000 actions).

    Source: docs/decisions/0048.
    """
    schema = read_schema(document)
    forms = InputForms()
    notes = Notes()
    actions, left_out = _make_actions(schema, ActionMaker(schema, forms), notes, _list_known(earlier))
    auth = {"token": AuthScheme(kind="bearer"), "key": AuthScheme(kind="api_key_header")}
    base, slash = (endpoint[:-1], "/") if endpoint.endswith("/") else (endpoint, "")
    if slash:
        actions = {key: _at_path(one, slash) for key, one in actions.items()}
    connector = Connector(
        name=name,
        title=clean_line(title) or to_title(None, name),
        description=clean_text(schema.description),
        base_url=base,
        auth=auth,
        default_auth=((), *((each,) for each in auth)) if is_open else (),
        limits=Limits(timeout_seconds=30.0),
        errors=(*_write_errors(), ErrorRule(means=Meaning.REQUEST_REFUSED, body={"errors.0": "*"})),
        trial=_find_trial(actions),
        actions=actions,
        schemas=forms.schemas,
        source="graphql",
    )
    return Imported(connector=connector, notes=notes.list(), left_out=left_out)


def import_graphql(document: bytes | str, *, name: str, title: str = "", endpoint: str) -> Connector:
    """Make a connector of a GraphQL schema, without what is told of it: as `read_graphql`."""
    return read_graphql(document, name, endpoint=endpoint, title=title).connector


def read_schema(document: bytes | str) -> GraphQLSchema:
    """Read a schema from either form. Raises InputError."""
    data = document.encode("utf-8", "replace") if isinstance(document, str) else document
    if len(data) > DOCUMENT_MAX_BYTES:
        raise InputError(
            f"graphql: the document has {len(data):,} bytes, allowed {DOCUMENT_MAX_BYTES:,}. Import the part that is needed."
        )
    try:
        schema = _read_introspection(data) if data.lstrip()[:1] == b"{" else _read_sdl(data)
        count = len(schema.type_map)
        if count > TYPES_MAX:
            raise InputError(f"graphql: the schema has {count:,} types, allowed {TYPES_MAX:,}. Import the part that is needed.")
        if schema.query_type is None and schema.mutation_type is None:
            raise InputError("graphql: the schema has neither a query nor a mutation type. Give the server's whole schema.")
        for kind in schema.type_map.values():  # thunks are worked out here, so that a broken one is told as such
            getattr(kind, "fields", None)
    except RecursionError:
        raise InputError(
            "graphql: the document is nested too deep to be read. Give the schema as the server tells it."
        ) from None
    except (GraphQLError, TypeError, ValueError, KeyError, AttributeError) as error:
        # graphql-core reads what comes as it comes: what is not of the form that it expects ends in one of these
        lines = [str(place.line) for place in getattr(error, "locations", None) or ()]
        where = f", line {lines[0]}" if lines else ""
        raise InputError(
            f"graphql: this is no schema that can be read ({type(error).__name__}{where}). Give the JSON answer to an"
            " introspection query, or the schema in SDL, whole."
        ) from error
    return schema


def _read_introspection(data: bytes) -> GraphQLSchema:
    try:
        answer: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InputError("graphql: the document begins as JSON and is none. Give the whole answer, as UTF-8.") from None
    found = answer.get("data", answer) if isinstance(answer, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("__schema"), dict):
        raise InputError("graphql: the JSON holds no `__schema`. Give the answer to an introspection query, not another one.")
    types = found["__schema"].get("types")
    if isinstance(types, list) and len(types) > TYPES_MAX:
        raise InputError(
            f"graphql: the schema has {len(types):,} types, allowed {TYPES_MAX:,}. Import the part that is needed."
        )
    return build_client_schema(found, assume_valid=True)  # type: ignore[arg-type]


def _read_sdl(data: bytes) -> GraphQLSchema:
    """Read SDL; directives that it does not declare (Federation's `@key`) do no harm."""
    text = data.decode("utf-8")
    parsed = parse(text, no_location=True, max_tokens=TOKENS_MAX, max_source_length=DOCUMENT_MAX_BYTES)
    if len(parsed.definitions) > TYPES_MAX:
        count = len(parsed.definitions)
        raise InputError(
            f"graphql: the schema has {count:,} definitions, allowed {TYPES_MAX:,}. Import the part that is needed."
        )
    return build_ast_schema(parsed, assume_valid=True, assume_valid_sdl=True)


def _make_actions(
    schema: GraphQLSchema, maker: ActionMaker, notes: Notes, known: dict[tuple[str, str], str]
) -> tuple[dict[str, Action], int]:
    """Make all actions, and count those left out. A mutation named as a query gets `_mutation`; names of before stay."""
    queries = schema.query_type.fields if schema.query_type is not None else {}
    mutations = schema.mutation_type.fields if schema.mutation_type is not None else {}
    if len(queries) + len(mutations) > ACTIONS_MAX:
        raise InputError(
            f"graphql: the schema has more than {ACTIONS_MAX:,} queries and mutations. Import the part that is needed."
        )
    # Federation's own `_service` and `_entities` are nothing to a flow
    wanted = [((QUERY, name), to_name(name) or QUERY) for name in queries if not name.startswith("_")]
    asked = {name for _, name in wanted}
    for name in mutations:
        plain = to_name(name) or MUTATION
        wanted.append(((MUTATION, name), f"{plain}_mutation" if plain in asked else plain))
    actions: dict[str, Action] = {}
    for (sort, name), chosen in choose_names(wanted, known).items():
        one = queries[name] if sort == QUERY else mutations[name]
        action = maker.make(name, one, is_mutation=sort == MUTATION)
        if action is None:
            notes.tell(f"{sort} {name}", "It is left out: it must be given a file, which is not spoken here.")
        else:
            actions[chosen] = action
    if schema.subscription_type is not None and schema.subscription_type.fields:
        notes.tell("", f"{len(schema.subscription_type.fields)} subscriptions are left out: they are not spoken here.")
    return actions, len(wanted) - len(actions)


def _list_known(earlier: Connector | None) -> dict[tuple[str, str], str]:
    """List which names an earlier import gave to which queries and mutations."""
    known: dict[tuple[str, str], str] = {}
    for name, action in (earlier.actions if earlier is not None else {}).items():
        body = action.request.fixed.body
        sort = MUTATION if str(body.get("query", "")).startswith(MUTATION) else QUERY
        known[sort, str(body.get("operationName", ""))] = name
    return known


def _at_path(action: Action, path: str) -> Action:
    return msgspec.structs.replace(action, request=msgspec.structs.replace(action.request, path=path))


def _write_errors() -> tuple[ErrorRule, ...]:
    return tuple(
        ErrorRule(means=Meaning(means), body={place: list(codes)}) for place in PLACES_OF_CODES for means, codes in ERRORS
    )


def _find_trial(actions: dict[str, Action]) -> Trial | None:
    """Find how a connection is tested: who one is, where the schema tells that; else nothing."""
    for name in ("viewer", "me", "current_user", "whoami", "shop"):
        action = actions.get(name)
        if action is not None and not any(one.is_required for one in action.inputs.values()):
            return Trial(action=name)
    return None
