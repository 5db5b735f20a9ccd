"""The database: tenants, flows, schedules, registrations of webhooks (control plane only)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import TenantSeen
from blubees.model.schedule import Timing
from blubees.model.settings import TenantSettings


class TenantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as it is kept: the newest TenantSeen and when it was first seen."""

    seen: TenantSeen
    first_seen_at_milliseconds: int


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's head: its draft and which version is live.

    Attributes:
        draft: the text as the author wrote it (YAML or JSON).
        live_version: 0 when none is.
        hook_token_hash: hex SHA-256 of the webhook token; empty until first published with a webhook trigger.
    """

    tenant: TenantId
    flow: FlowId
    name: str
    draft: str
    live_version: int = 0
    newest_version: int = 0
    hook_token_hash: str = ""
    changed_at_milliseconds: int = 0


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One published version: immutable. `connectors`: what it pins (flows/connectors.py), as JSON; empty for nothing."""

    tenant: TenantId
    flow: FlowId
    version: int
    text: str
    published_at_milliseconds: int
    connectors: bytes = b""


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A live flow's schedule or poll, and how far it is.

    Attributes:
        timing: when it is due; `source`: a digest of what a poll asks: another one starts without a cursor.
        anchor_milliseconds: what intervals are counted from.
        next_due_milliseconds: the next tick.
        claimed_due_milliseconds: the tick that was given to the conduits and is not answered yet; 0 for none.
        claimed_at_milliseconds: when it was claimed.
        deadline_milliseconds: when its order is sent again; 0 for one that was not sent yet.
        attempts: how often it was sent.
        missed: ticks before it that were missed.
        last_due_milliseconds: the newest tick that was carried out; 0 for none.
        answered_at_milliseconds: when the newest answer came; 0 for none.
        runs: how many it started.
        failures: how often in a row it failed; `failure`: the newest one's code, empty when all is well.
        http_status: of the newest failure.
        cursor: where the next poll goes on.
    """

    tenant: TenantId
    flow: FlowId
    version: int
    timing: Timing
    source: str = ""
    anchor_milliseconds: int
    next_due_milliseconds: int
    claimed_due_milliseconds: int = 0
    claimed_at_milliseconds: int = 0
    deadline_milliseconds: int = 0
    attempts: int = 0
    missed: int = 0
    last_due_milliseconds: int = 0
    answered_at_milliseconds: int = 0
    runs: int = 0
    failures: int = 0
    failure: str = ""
    http_status: int = 0
    cursor: str = ""


class TenantStore(Protocol):
    """Tenants."""

    async def record(self, seen: TenantSeen) -> None:
        """Insert or renew, but with nothing older, and with nothing an installation sends in the minute after its goodbye."""
        ...

    async def leave(self, goodbye: TenantSeen, heard_at_milliseconds: int) -> None:
        """Note a goodbye that was recorded, and when it was heard here; one that was noted already changes nothing."""
        ...

    async def list(self) -> Sequence[TenantRow]:
        """All, newest first."""
        ...

    async def load(self, tenant: TenantId) -> TenantRow | None:
        """One."""
        ...


class FlowStore(Protocol):
    """Flows and their versions."""

    async def save_draft(self, row: FlowRow) -> None:
        """Insert or change the draft and name; live version and hook stay."""
        ...

    async def publish(self, row: VersionRow, *, hook_token_hash: str) -> None:
        """Add the version and make it live, in one transaction. ConflictError when the number is taken."""
        ...

    async def make_live(self, tenant: TenantId, flow: FlowId, version: int, at_milliseconds: int) -> None:
        """Point the flow at one of its versions; 0 means none (the flow starts no more runs)."""
        ...

    async def set_hook(self, tenant: TenantId, flow: FlowId, hook_token_hash: str) -> None:
        """Change the webhook token."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> FlowRow | None:
        """The head."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[FlowRow]:
        """All heads of the tenant, by id."""
        ...

    async def load_version(self, tenant: TenantId, flow: FlowId, version: int) -> VersionRow | None:
        """One version."""
        ...

    async def list_versions(self, tenant: TenantId, flow: FlowId) -> Sequence[VersionRow]:
        """All versions, newest first."""
        ...

    async def list_live(self, tenant: TenantId | None = None) -> Sequence[tuple[FlowRow, VersionRow]]:
        """Give the live versions. None: of all that are installed, what conduits must know: at a control plane's start."""
        ...


class ScheduleStore(Protocol):
    """Schedules and polls of live flows: at most one a flow."""

    async def put(self, row: ScheduleRow) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> ScheduleRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[ScheduleRow]:
        """All of the tenant, by flow."""
        ...

    async def remove(self, tenant: TenantId, flow: FlowId) -> None:
        """Forget it, if it is there."""
        ...

    async def list_due(self, now_milliseconds: int, *, ahead_milliseconds: int, limit: int) -> Sequence[ScheduleRow]:
        """Those of all tenants that are installed, with a tick to claim or an order to send again; the longest due first.

        With them those that were claimed later than `ahead_milliseconds`: by a clock that was ahead.
        """
        ...

    async def swap(self, seen: ScheduleRow, changed: ScheduleRow) -> bool:
        """Change a row if it is as it was seen; False when somebody else was first. One UPDATE: no lock, no leader."""
        ...


class RegistrationRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is registered at a vendor for a flow's webhook, and how it is taken back.

    Attributes:
        source: hash of what was registered: another one is registered anew.
        action: of `connector` (JSON, with that action only), which takes it back with `inputs` (JSON); empty: nothing does.
    """

    tenant: TenantId
    flow: FlowId
    source: str
    connection: str
    action: str = ""
    inputs: str = "{}"
    connector: str = ""
    registered_at_milliseconds: int = 0


class RenewalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A registration that ends by itself, and when it is renewed.

    Attributes:
        inputs: of the action that renews it (JSON), as far as registering gave them.
        registered_at_milliseconds: of the registration that is meant; another one has a row of its own, or needs none.
        tries: since it was renewed the last time.
    """

    tenant: TenantId
    flow: FlowId
    inputs: str
    registered_at_milliseconds: int
    due_milliseconds: int
    tries: int = 0


class RenewalStore(Protocol):
    """Registrations that end by themselves: at most one a flow."""

    async def put(self, row: RenewalRow) -> None:
        """Insert or replace."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RenewalRow]:
        """Those of all tenants that are to be renewed, the longest due first."""
        ...

    async def swap(self, seen: RenewalRow, changed: RenewalRow) -> bool:
        """Change a row if it is as it was seen; False when somebody else was first. One UPDATE: no lock, no leader."""
        ...

    async def remove(self, seen: RenewalRow) -> None:
        """Forget it, if it is as it was seen."""
        ...


class RemovalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is to be taken back at its vendor: how, and how often that was tried. References only.

    Attributes:
        removal: its id.
        connection, action, inputs, connector: as in RegistrationRow.
        tries: how often it was tried, one that is under way counted.
        next_milliseconds: when it is tried again; 0: it was given up.
        failure: the code of the newest failure, with its detail behind a blank.
    """

    tenant: TenantId
    removal: str
    flow: FlowId
    connection: str
    action: str
    inputs: str
    connector: str
    since_milliseconds: int
    tries: int = 0
    next_milliseconds: int = 0
    failure: str = ""


class RegistrationStore(Protocol):
    """What is registered at vendors, at most one webhook a flow, and what is still to be taken back there."""

    async def save(self, row: RegistrationRow) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> RegistrationRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[RegistrationRow]:
        """All of the tenant, by flow."""
        ...

    async def retire(self, row: RegistrationRow, removal: RemovalRow) -> bool:
        """Turn a registration into what is to be taken back, in one step; False: it is not there as it was seen."""
        ...

    async def list_removals(self, tenant: TenantId) -> Sequence[RemovalRow]:
        """What is to be taken back, or was given up, the newest first."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RemovalRow]:
        """What is to be tried again now, of all tenants; the longest due first."""
        ...

    async def swap(self, seen: RemovalRow, changed: RemovalRow) -> bool:
        """Change a removal if it is as it was seen; False: another was first."""
        ...

    async def drop(self, seen: RemovalRow) -> None:
        """Forget a removal: it is done."""
        ...

    async def purge(self, before_milliseconds: int) -> None:
        """Forget those that were given up and began before that."""
        ...


class SettingsStore(Protocol):
    """Tenants' settings."""

    async def save(self, settings: TenantSettings) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId) -> TenantSettings | None:
        """One; None when they were never changed."""
        ...

    async def list(self) -> Sequence[TenantSettings]:
        """Of every tenant that changed them: what conduits must know."""
        ...
