"""Connectors of a tenant: import, look at, search, compare, remove. Called by the operator API.

A document is fetched through the guarded web client, read in a process of its own, and kept by action.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from blubees.connectors.catalogue import list_catalogue, load_connector, load_documented
from blubees.connectors.importers.limits import DOCUMENT_MAX_BYTES, FILES_MAX, ROUNDS_MAX
from blubees.connectors.packing import pack_connector, unpack_connector
from blubees.connectors.tenant_shelf import TenantShelf
from blubees.model.connector import Connector
from blubees.model.errors import ConflictError, InputError, MissingError, UnavailableError
from blubees.model.ids import TenantId
from blubees.model.web import WebFailure, WebRequest
from blubees.operations.connector_asking import Asked, Send, ask_server
from blubees.operations.connector_search import CANDIDATES_MAX, put_in_order, read_question
from blubees.operations.connector_uses import Break, UsedFlow, find_breaks
from blubees.ports import (
    ActionChange,
    ActionRow,
    Clock,
    ConnectorRow,
    ConnectorStore,
    ImportBench,
    ImportMade,
    ImportNeeds,
    ImportOrder,
    ImportRefusal,
    WebClient,
)

CONNECTOR_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
CONNECTORS_MAX: Final = 200
"""Of one tenant."""
FETCH_SECONDS: Final = 60.0
REDIRECTS: Final = 3
CHANGES_SHOWN_MAX: Final = 2_000
_OK: Final = 200
_TAKEN: Final = frozenset({"jira"})


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document to import: its text, or the URL where it is.

    Attributes:
        origin: what people call the place that a text came from; a file's name.
        files: those that a text refers to, by path relative to it.
        base_url: instead of the document's servers; of GraphQL the endpoint.
        ask: `graphql` or `mcp`: what is at the URL is no document but a server, which is asked; empty: a document.
        connection: whose credential is shown to such a server; empty: none.
        trusts_hints: whether what an MCP server says of its tools' effects is believed.
    """

    text: str = ""
    url: str = ""
    origin: str = ""
    files: dict[str, str] = {}
    base_url: str = ""
    title: str = ""
    ask: Literal["", "graphql", "mcp"] = ""
    connection: str = ""
    trusts_hints: bool = False


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import gave, or would give.

    Attributes:
        is_kept: whether the connector is there now as the document says.
        needs: files that the document refers to and that are missing, by path relative to it; then nothing else is told.
        changes: against the earlier import; the first 2,000.
        breaks: what breaks of flows, when they are published again.
    """

    name: str
    title: str = ""
    is_kept: bool = False
    is_new: bool = False
    revision: int = 0
    actions: int = 0
    triggers: int = 0
    left_out: int = 0
    notes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    changes: tuple[ActionChange, ...] = ()
    changes_in_all: int = 0
    breaks: tuple[Break, ...] = ()


class ConnectorService:
    """Keeps a tenant's connectors.

    Args:
        list_flows: gives the newest texts of a tenant's flows.
        make_send: gives what calls third parties for a tenant, with its connections.
    """

    def __init__(
        self,
        store: ConnectorStore,
        shelf: TenantShelf,
        bench: ImportBench,
        web: WebClient,
        clock: Clock,
        list_flows: Callable[[TenantId], Awaitable[Sequence[UsedFlow]]],
        make_send: Callable[[TenantId], Send],
    ) -> None:
        self._store, self._shelf, self._bench, self._web, self._clock = store, shelf, bench, web, clock
        self._list_flows, self._make_send = list_flows, make_send

    async def take(
        self, tenant: TenantId, name: str, document: Document, *, may_break: bool = False, is_dry: bool = False
    ) -> ImportReport:
        """Import a document, or tell what that would change.

        Args:
            may_break: keep it also when flows break; else only what would break is told.
            is_dry: tell only.

        Raises:
            InputError: the name is taken by the catalogue, or the document is refused. ConflictError: somebody else imported it
            meanwhile. UnavailableError: it can't be fetched now.
        """
        self._check_name(name)
        row = await self._store.load(tenant, name)
        if row is None and len(await self._store.list(tenant)) >= CONNECTORS_MAX:
            raise InputError(f"A tenant may import {CONNECTORS_MAX} connectors. Remove one first.")
        made = await self._make(tenant, name, document, row)
        if isinstance(made, ImportReport):
            return made
        breaks = find_breaks(name, made.changes, await self._list_flows(tenant)) if row is not None else ()
        report = ImportReport(
            name=name,
            title=made.row.title,
            is_new=row is None,
            revision=(row.revision if row is not None else 0) + 1,
            actions=made.row.actions,
            triggers=made.row.triggers,
            left_out=made.left_out,
            notes=made.notes,
            changes=made.changes[:CHANGES_SHOWN_MAX],
            changes_in_all=len(made.changes),
            breaks=breaks,
        )
        if is_dry or (breaks and not may_break):
            return report
        fresh = msgspec.structs.replace(
            made.row,
            tenant=tenant,
            origin=(document.url or document.origin)[:2_000],
            revision=report.revision,
            imported_at_milliseconds=self._clock.now_milliseconds(),
        )
        if not await self._store.replace(fresh, made.actions, made.forms, after=row.revision if row is not None else 0):
            raise ConflictError("Somebody else imported this connector meanwhile. Look at it, and import again.")
        return msgspec.structs.replace(report, is_kept=True)

    async def list(self, tenant: TenantId) -> Sequence[ConnectorRow]:
        """All that the tenant imported, and the catalogue's, by name, without what is packed."""
        imported = [msgspec.structs.replace(each, packed=b"") for each in await self._store.list(tenant)]
        catalogue = await asyncio.to_thread(_list_catalogue)
        return sorted([*imported, *catalogue], key=lambda each: each.name)

    async def load(self, tenant: TenantId, name: str) -> tuple[ConnectorRow, Connector]:
        """One connector without its actions and forms. Raises MissingError."""
        known = await asyncio.to_thread(load_connector, name)
        if known is not None:
            return _row_of(known), msgspec.structs.replace(known, actions={}, schemas={})
        row = await self._load(tenant, name)
        return msgspec.structs.replace(row, packed=b""), unpack_connector(row.packed, (), ())

    async def list_actions(self, tenant: TenantId, name: str, *, after: str = "", limit: int = 200) -> Sequence[ActionRow]:
        """Its actions, by name. Raises MissingError."""
        known = await asyncio.to_thread(load_connector, name)
        if known is not None:
            rows = sorted(_rows_of(known), key=lambda each: each.name)
            return [each for each in rows if each.name > after][:limit]
        await self._load(tenant, name)
        return await self._store.list_actions(tenant, name, after=after, limit=limit)

    async def load_action(self, tenant: TenantId, name: str, action: str) -> Connector:
        """A connector with one action, with its examples, and the forms nearest to it. Raises MissingError."""
        known = await asyncio.to_thread(load_documented, name)
        found = await self._shelf.find(tenant, name, actions=(action,))
        if found is None or action not in found.actions:
            raise MissingError("There is no such action. `connector search` finds them by words.")
        if known is not None:
            return msgspec.structs.replace(found, actions={action: known.actions[action]})
        return found

    async def search(
        self, tenant: TenantId, question: str, *, connector: str = "", limit: int = 30
    ) -> Sequence[tuple[str, ActionRow]]:
        """Find actions by words, the best first: those that have all of them, else those that have any."""
        asked = read_question(question)
        if not asked:
            raise InputError("Say what to search for: words of two letters or more.")
        found = await self._find(tenant, connector, asked)
        if not found:
            seen: dict[tuple[str, str], tuple[str, ActionRow]] = {}
            for word in asked:
                seen |= {(each[0], each[1].name): each for each in await self._find(tenant, connector, (word,))}
            found = tuple(seen.values())
        best = await asyncio.to_thread(put_in_order, found, asked)
        return best[:limit]

    async def remove(self, tenant: TenantId, name: str, *, may_break: bool = False) -> tuple[Break, ...]:
        """Remove an imported connector; flows that use it and would break keep it, unless `may_break`: they are given.

        Raises:
            MissingError: there is none of this name that was imported.
        """
        row = await self._load(tenant, name)
        actions = [each.name for each in await self._store.list_actions(tenant, name)]
        triggers = unpack_connector(row.packed, (), ()).triggers
        changes = [ActionChange(action=each, sort="removed") for each in actions]
        changes += [ActionChange(action=each, sort="trigger_removed") for each in triggers]
        breaks = find_breaks(name, changes, await self._list_flows(tenant))
        if breaks and not may_break:
            return breaks
        await self._store.delete(tenant, name)
        return ()

    async def close(self) -> None:
        """Close connections to where documents come from."""
        await self._web.close()

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(CONNECTOR_PATTERN, name):
            raise InputError("A connector's name is 1 to 63 lower-case letters, digits and _, beginning with a letter.")
        if name in _TAKEN or name in list_catalogue():
            raise InputError(f"{name}: the catalogue has a connector of this name. Choose another: --name NAME.")

    async def _make(
        self, tenant: TenantId, name: str, document: Document, row: ConnectorRow | None
    ) -> ImportMade | ImportReport:
        """Have it read; files that it refers to are fetched where it was, or named."""
        earlier = None
        if row is not None:
            earlier = (row.packed, await self._store.load_actions(tenant, name), await self._store.load_forms(tenant, name))
        asked = await self._ask(tenant, document)
        if asked is not None:
            content = asked.content
        else:
            content = await self._fetch(tenant, document.url) if document.url else document.text.encode("utf-8", "replace")
        base = document.url or LOCAL
        files = {LOCAL_FOLDER + path: text.encode("utf-8", "replace") for path, text in document.files.items()}
        for _ in range(ROUNDS_MAX):
            order = ImportOrder(
                name=name,
                document=content,
                url=document.url,
                files=files,
                base_url=document.base_url or (document.url if asked is not None else ""),
                title=document.title,
                sort=document.ask,
                is_open=asked is not None and asked.is_open,
                trusts_hints=document.trusts_hints,
                auth=asked.auth if asked is not None else {},
                earlier=earlier,
            )
            made = await self._bench.work(order)
            if isinstance(made, ImportMade):
                return made
            if isinstance(made, ImportRefusal):
                raise InputError(made.sentence)
            if not document.url:
                return ImportReport(name=name, needs=_list_needs(made, base))
            if len(files) + len(made.urls) > FILES_MAX:
                break
            for url in made.urls:
                files[url] = await self._fetch(tenant, url)
        raise InputError("The document refers to too many files, or too deep. Bundle them into one.")

    async def _ask(self, tenant: TenantId, document: Document) -> Asked | None:
        """Ask a server, where there is one to be asked instead of a document to be fetched."""
        if not document.ask:
            return None
        return await ask_server(self._make_send(tenant), document.ask, document.url, document.connection)

    async def _fetch(self, tenant: TenantId, url: str) -> bytes:
        request = WebRequest(
            method="GET",
            url=url,
            headers=(("Accept", "application/json, application/yaml, */*;q=0.5"),),
            timeout_seconds=FETCH_SECONDS,
            answer_limit_bytes=DOCUMENT_MAX_BYTES,
            redirects=REDIRECTS,
            tenant=tenant,
        )
        answer = await self._web.call(request)
        if isinstance(answer, WebFailure):
            words = f"{answer.problem.value} {answer.detail}".strip()
            if answer.problem.value in {"timeout", "unreachable"}:
                raise UnavailableError(f"The document can't be fetched now ({words}).")
            raise InputError(f"The document can't be fetched ({words}).")
        if answer.status != _OK:
            raise InputError(f"The document can't be fetched: its server answered {answer.status}.")
        return answer.body

    async def _find(self, tenant: TenantId, connector: str, asked: Sequence[str]) -> Sequence[tuple[str, ActionRow]]:
        found = tuple(await self._store.search(tenant, connector, asked, limit=CANDIDATES_MAX))
        catalogue = await asyncio.to_thread(_search_catalogue, connector, tuple(asked))
        return [*found, *catalogue]

    async def _load(self, tenant: TenantId, name: str) -> ConnectorRow:
        row = await self._store.load(tenant, name)
        if row is None:
            raise MissingError("There is no such connector. `connector list` shows them.")
        return row


LOCAL: Final = "https://document.invalid/document"
"""As the importer calls a document without a URL (connectors/importers/openapi/refs.py)."""
LOCAL_FOLDER: Final = "https://document.invalid/"


def _list_needs(needs: ImportNeeds, base: str) -> tuple[str, ...]:
    folder = base.rpartition("/")[0] + "/"
    return tuple(each.removeprefix(folder) for each in needs.urls)


def _row_of(connector: Connector) -> ConnectorRow:
    row, _, _ = pack_connector(msgspec.structs.replace(connector, schemas={}), TenantId(""), "")
    return msgspec.structs.replace(row, packed=b"", revision=0)


def _rows_of(connector: Connector) -> Sequence[ActionRow]:
    known = _ROWS.get(connector.name)
    if known is None:
        _, rows, _ = pack_connector(msgspec.structs.replace(connector, schemas={}), TenantId(""), "")
        known = _ROWS[connector.name] = tuple(msgspec.structs.replace(each, packed=b"") for each in rows)
    return known


_ROWS: Final[dict[str, Sequence[ActionRow]]] = {}
"""The catalogue's, made once: it changes with the program only."""


def _list_catalogue() -> list[ConnectorRow]:
    return [_row_of(each) for name in list_catalogue() if (each := load_connector(name)) is not None]


def _search_catalogue(connector: str, asked: Sequence[str]) -> list[tuple[str, ActionRow]]:
    names: Sequence[str] = [each for each in list_catalogue() if connector in {"", each}]
    found: Mapping[str, Sequence[ActionRow]] = {
        name: _rows_of(known) for name in names if (known := load_connector(name)) is not None
    }
    return [(name, row) for name, rows in found.items() for row in rows if all(f" {word}" in row.words for word in asked)]
