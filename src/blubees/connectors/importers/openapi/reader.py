"""Reads a document of OpenAPI 3.1, 3.0 or Swagger 2.0 into a connector. Called by connectors/importers/book.py.

What can't be taken over is left out with a note; the document is refused as a whole only when it is none, or passes a limit.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.limits import OPERATIONS_MAX
from blubees.connectors.importers.names import choose_names, name_operation, to_name, to_text, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.auth import Security
from blubees.connectors.importers.openapi.forms import Forms
from blubees.connectors.importers.openapi.operations import METHODS, Context, Operation, read_operation
from blubees.connectors.importers.openapi.parameters import LeftOutError, Reading
from blubees.connectors.importers.openapi.refs import Files
from blubees.connectors.importers.openapi.servers import Server, check_base_url, read_servers, write_swagger_servers
from blubees.connectors.importers.openapi.triggers import find_docs, read_callbacks, read_webhooks
from blubees.model.action import Action
from blubees.model.call import Effect
from blubees.model.connector import Connector, ConnectorTrigger, Trial
from blubees.model.errors import InputError

_TRIAL_WORDS: Final = (
    "me",
    "whoami",
    "myself",
    "current_user",
    "self",
    "user",
    "account",
    "profile",
    "ping",
    "status",
    "health",
    "version",
    "info",
)
_OPERATION_SUFFIX: Final = re.compile(r"(_get|_post|_put|_delete|_patch)$")


def is_openapi(document: object) -> bool:
    """Tell whether plain data looks like a document that this importer reads."""
    return isinstance(document, dict) and ("openapi" in document or "swagger" in document)


def read_openapi(
    document: Mapping[str, Any],
    name: str,
    *,
    url: str = "",
    files: Mapping[str, bytes] | None = None,
    base_url: str = "",
    earlier: Connector | None = None,
) -> Imported:
    """Make a connector of a document.

    Args:
        name: the connector's.
        url: where the document comes from; relative servers and references lie there.
        files: those that it refers to, by URL (openapi/refs.py).
        base_url: instead of the document's servers.
        earlier: what an earlier import made: its names of actions and inputs stay.

    Raises:
        InputError: it is no such document, or passes a limit of connectors/importers/limits.py.
        NeedsFilesError: it refers to files that are not given.
    """
    is_swagger = _check_version(document)
    notes = Notes()
    reached = Files(document, url, files or {}, notes)
    security = Security(reached, notes)
    schemes = document.get("securityDefinitions") if is_swagger else _mapping(document, "components").get("securitySchemes")
    security.read_schemes(schemes, reached.main)
    context = Context(document, reached, Forms(reached, notes), notes, security, is_swagger)
    reading = _Reader(context, url, base_url, earlier)
    reading.read_all()
    context.forms.finish()
    reached.forbid_missing()
    info = _mapping(document, "info")
    connector = Connector(
        name=name,
        title=to_title(info.get("title"), name),
        description=to_text(info.get("description")),
        docs_url=find_docs(document),
        base_url=reading.server.base_url,
        parameters=reading.parameters,
        auth=security.schemes,
        default_auth=security.read_requirement(document.get("security"))[0],
        trial=_choose_trial(reading.actions),
        actions=reading.actions,
        triggers=reading.triggers,
        schemas=context.forms.schemas,
        source="openapi",
        source_version=to_title(info.get("version"), "none")[:60],
    )
    return Imported(connector=connector, notes=notes.list(), left_out=reading.left_out)


class _Reader:
    """Reads the operations of a document one by one."""

    def __init__(self, context: Context, url: str, base_url: str, earlier: Connector | None) -> None:
        self._context, self._url, self._has_own_base, self._earlier = context, url, bool(base_url), earlier
        self.server = self._choose_server(base_url)
        self.parameters = dict(self.server.parameters)
        self.actions: dict[str, Action] = {}
        self.triggers: dict[str, ConnectorTrigger] = {}
        self.left_out = 0

    def _choose_server(self, base_url: str) -> Server:
        if base_url:
            try:
                return Server(check_base_url(base_url), {})
            except ValueError as error:
                raise InputError(str(error)) from None
        document = self._context.document
        servers = write_swagger_servers(document) if self._context.is_swagger else document.get("servers")
        return read_servers(servers, self._url, self._context.notes)

    def read_all(self) -> None:
        """Read operations and webhooks."""
        operations = _list_operations(self._context)
        known = {} if self._earlier is None else {_key(each): name for name, each in self._earlier.actions.items()}
        names = choose_names(((each.key, _name(each)) for each in operations), known)
        for operation in operations:
            name = names[operation.key]
            try:
                self._read_one(operation, name)
            except LeftOutError as error:
                self.left_out += 1
                self._context.notes.tell(" ".join(operation.key), f"is left out: {error.sentence}")
        reading = Reading(self._context.files, self._context.forms, self._context.notes, "webhooks", {})
        for key in ("webhooks", "x-webhooks"):
            self.triggers |= read_webhooks(reading, _mapping(self._context.document, key), self.triggers)

    def _read_one(self, operation: Operation, name: str) -> None:
        earlier = self._earlier.actions.get(name) if self._earlier is not None else None
        inputs = {} if earlier is None else {(each.place.value, each.at): title for title, each in earlier.inputs.items()}
        action = read_operation(self._context, operation, name, inputs)
        servers = operation.given.get("servers") or operation.item.get("servers")
        if servers and not self._has_own_base and not self._context.is_swagger:
            server = read_servers(servers, self._url, self._context.notes)
            if server.base_url and server.base_url != self.server.base_url:
                self.parameters |= server.parameters
                request = msgspec.structs.replace(action.request, base_url=server.base_url)
                action = msgspec.structs.replace(action, request=request)
        self.actions[name] = action
        if "callbacks" in operation.given:
            reading = Reading(self._context.files, self._context.forms, self._context.notes, " ".join(operation.key), {})
            for title, trigger in read_callbacks(reading, operation.given, operation.file, name, action):
                self.triggers.setdefault(title, trigger)


def _check_version(document: Mapping[str, Any]) -> bool:
    """Tell whether it is Swagger 2.0. Raises InputError for a version that we do not read."""
    if str(document.get("swagger", "")) == "2.0":
        return True
    version = str(document.get("openapi", ""))
    if not re.match(r"3\.[012](\.|$)", version):
        raise InputError("The document is neither Swagger 2.0 nor OpenAPI 3.0, 3.1 or 3.2.")
    if not isinstance(document.get("paths", {}), dict):
        raise InputError("The document's `paths` is no object.")
    return False


def _list_operations(context: Context) -> list[Operation]:
    found: list[Operation] = []
    paths = _mapping(context.document, "paths")
    if len(paths) > OPERATIONS_MAX:
        raise InputError(f"The document has {len(paths):,} paths, allowed are {OPERATIONS_MAX:,}. Import a part of it.")
    for path, given in paths.items():
        if path.startswith("x-"):
            continue
        item, file = context.files.resolve(given, context.files.main)
        found.extend(Operation(each, path, item, item[each], file) for each in METHODS if isinstance(item.get(each), dict))
        if len(found) > OPERATIONS_MAX:
            raise InputError(f"The document has more than {OPERATIONS_MAX:,} operations. Import a part of it.")
    if not found and not any(_mapping(context.document, key) for key in ("webhooks", "x-webhooks")):
        if context.files.main and paths:
            context.files.forbid_missing()
        raise InputError("The document has no operations.")
    return found


def _name(operation: Operation) -> str:
    """Name it as the document does, where that is a name; else by method and path."""
    given = operation.given.get("operationId")
    name = to_name(given) if isinstance(given, str) and len(given) < 1_000 else ""  # noqa: PLR2004 - no name is longer
    return name if len(name) > 1 else name_operation(operation.method, operation.path)


def _key(action: Action) -> tuple[str, str]:
    return action.request.method, action.request.path


def _mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    given = holder.get(key)
    return given if isinstance(given, dict) else {}


def _choose_trial(actions: Mapping[str, Action]) -> Trial | None:
    """Choose an action that reads, takes nothing and tells of oneself; else any that reads and takes nothing."""
    good = [
        (_rank(name), len(each.request.path), name)
        for name, each in actions.items()
        if each.effect is Effect.READ
        and each.request.method == "GET"
        and not each.is_deprecated
        and not each.answer.is_file
        and not any(one.is_required for one in each.inputs.values())
    ]
    return Trial(action=min(good)[2]) if good else None


def _rank(name: str) -> int:
    words = f"_{name}_"
    return next((rank for rank, word in enumerate(_TRIAL_WORDS) if f"_{word}_" in words), len(_TRIAL_WORDS))
