"""The database: connectors, and their import (control plane only)."""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from blubees.model.connector import AuthScheme, Connector
from blubees.model.ids import TenantId


class ConnectorShelf(Protocol):
    """The connectors that a tenant's flows may name: of the catalogue, and those that it imported. Looked into at checking."""

    async def find(
        self, tenant: TenantId, name: str, /, *, actions: Collection[str] = (), triggers: Collection[str] = ()
    ) -> Connector | None:
        """Give a connector with those of these actions and triggers that it has, and the forms that they reach.

        Actions that its triggers use come with them. None: the tenant has no connector of this name.
        """
        ...

    async def list_connectors(self, tenant: TenantId, /) -> Sequence[str]:
        """The names of all, in order: for finding the nearest to a wrong one."""
        ...

    async def list_names(self, tenant: TenantId, name: str, /) -> tuple[Sequence[str], Sequence[str]]:
        """The names of one connector's actions, and of its triggers; none when there is no such connector."""
        ...


class ConnectorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that a tenant imported, without its actions and forms.

    Attributes:
        source: the importer: `openapi`, `graphql`, `mcp`.
        source_version: what the document says of itself; empty where it says nothing.
        origin: the URL, or the file's name, that it came from.
        revision: counts imports, from 1.
        actions, triggers: how many.
        packed: the noun (model/connector.py) without actions and forms, as connectors/packing.py writes it.
    """

    tenant: TenantId
    name: str
    title: str
    source: str
    source_version: str = ""
    origin: str = ""
    revision: int = 1
    actions: int = 0
    triggers: int = 0
    imported_at_milliseconds: int = 0
    packed: bytes = b""


class ActionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One action of an imported connector.

    Attributes:
        words: what a search looks at: lower-case words, a blank before each.
        packed: the noun (model/action.py), as connectors/packing.py writes it; empty in what a search gives.
    """

    name: str
    title: str
    group: str = ""
    effect: str
    method: str = ""
    path: str = ""
    is_deprecated: bool = False
    words: str = ""
    packed: bytes = b""


class FormRow(msgspec.Struct, frozen=True, kw_only=True):
    """One form that actions refer to."""

    name: str
    packed: bytes


class ConnectorStore(Protocol):
    """Connectors that tenants imported, by action."""

    async def replace(self, row: ConnectorRow, actions: Sequence[ActionRow], forms: Sequence[FormRow], *, after: int) -> bool:
        """Put a connector in place of the one that is there, whole, in one transaction.

        Args:
            after: the revision that this one follows; 0: there is none. False: it is another that is there.
        """
        ...

    async def load(self, tenant: TenantId, name: str) -> ConnectorRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[ConnectorRow]:
        """All of the tenant, by name."""
        ...

    async def delete(self, tenant: TenantId, name: str) -> bool:
        """False when it was not there."""
        ...

    async def load_actions(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[ActionRow]:
        """Those of these actions that are there, by name; None: all."""
        ...

    async def load_forms(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[FormRow]:
        """Those of these forms that are there, by name; None: all."""
        ...

    async def list_actions(
        self, tenant: TenantId, connector: str, *, after: str = "", limit: int = 100_000
    ) -> Sequence[ActionRow]:
        """Actions by name, from behind a name on, without what is packed."""
        ...

    async def search(
        self, tenant: TenantId, connector: str, beginnings: Sequence[str], *, limit: int
    ) -> Sequence[tuple[str, ActionRow]]:
        """Find actions that have a word with each of these beginnings, with their connector's name; unordered.

        Args:
            connector: empty: all of the tenant.
        """
        ...


class ImportRefusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A document that is not imported, and why. Nothing of it is repeated."""

    sentence: str


class ImportNeeds(msgspec.Struct, frozen=True, kw_only=True, tag="needs"):
    """The files that a document refers to and that were not given, by URL."""

    urls: tuple[str, ...]


class ImportOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and what is to be made of it.

    Attributes:
        url: where it comes from; empty: not known.
        files: those that it refers to, by URL.
        base_url: instead of what the document says; of GraphQL the endpoint.
        sort: `mcp`: a list of tools; empty: told by the document.
        is_open: whether it told its document to one who showed no credential (GraphQL, MCP).
        trusts_hints: whether what an MCP server says of its tools' effects is believed.
        auth: how it is authorised, where that was found out; else empty: as the document or the importer says.
        earlier: the connector that an earlier import made, packed, with its actions and forms; None: there is none.
    """

    name: str
    document: bytes
    sort: str = ""
    is_open: bool = False
    trusts_hints: bool = False
    auth: dict[str, AuthScheme] = {}
    url: str = ""
    files: dict[str, bytes] = {}
    base_url: str = ""
    title: str = ""
    earlier: tuple[bytes, Sequence[ActionRow], Sequence[FormRow]] | None = None


class ActionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that another import changes.

    Attributes:
        sort: `added`, `removed`, or a word of connectors/differences.py.
        name: of the input or output; empty: the action itself.
        old, new: types or words of our own lists.
    """

    action: str
    sort: str
    name: str = ""
    old: str = ""
    new: str = ""


class ImportMade(msgspec.Struct, frozen=True, kw_only=True, tag="made"):
    """What was made of a document, ready to be kept."""

    row: ConnectorRow
    actions: Sequence[ActionRow]
    forms: Sequence[FormRow]
    notes: tuple[str, ...] = ()
    left_out: int = 0
    changes: tuple[ActionChange, ...] = ()


class ImportBench(Protocol):
    """Where a stranger's document is read: apart from everything, with bounds on time and memory."""

    async def work(self, order: ImportOrder) -> ImportMade | ImportNeeds | ImportRefusal:
        """Make a connector of a document. Never raises for what stands in it."""
        ...
