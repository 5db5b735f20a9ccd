"""Drafts, published versions, rollback: what happens to a flow over its life. Called by the operator API and the control plane.

A published version is immutable. The webhook token of a flow is shown once; only its hash is kept.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from blubees.connectors.catalogue_shelf import CatalogueShelf
from blubees.engine.plan import Plan, compile_plan
from blubees.flows.check import CheckedFlow, check_flow
from blubees.flows.connections import list_refused
from blubees.flows.connectors import FoundConnectors, find_connectors, pin, read_pinned
from blubees.flows.diff import Change, diff_flows
from blubees.flows.document import Problem
from blubees.flows.host_rules import list_unreachable
from blubees.flows.parking_rule import ParkingRule, list_new
from blubees.flows.placeholders import forbid_placeholders
from blubees.flows.registering import HookRegistrar
from blubees.flows.scopes import list_least_scopes
from blubees.flows.timetable import Timetable
from blubees.flows.timing import read_timing
from blubees.model.authorisation import CONNECTOR
from blubees.model.connection import Connection
from blubees.model.connector import Connector
from blubees.model.errors import ConflictError, InputError, MissingError
from blubees.model.failures import Failure
from blubees.model.flow import Flow, PublishedFlow, TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.model.settings import Parking, TenantSettings
from blubees.ports import Chance, Clock, ConnectorShelf, FlowRow, FlowStore, PlanBoard, VersionRow
from blubees.steps.book import KindEntry

TOKEN_BYTES: Final = 32


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing gave: the version, whether it is a new one, and the webhook token when it was made just now.

    Attributes:
        is_registered: the webhook was registered at its vendor just now: nobody needs its token.
        registration: why it could not be registered; publish again when that is mended.
    """

    version: int
    is_new: bool
    hook_token: str = ""
    is_registered: bool = False
    registration: Failure | None = None


class FlowService:
    """Keeps flows and posts what is live to the conduits."""

    def __init__(
        self,
        store: FlowStore,
        board: PlanBoard,
        timetable: Timetable,
        clock: Clock,
        chance: Chance,
        book: Mapping[str, KindEntry],
        *,
        find_settings: Callable[[TenantId], Awaitable[TenantSettings]] | None = None,
        connectors: ConnectorShelf | None = None,
        list_connections: Callable[[TenantId], Awaitable[Sequence[Connection]]] | None = None,
        registrar: HookRegistrar | None = None,
    ) -> None:
        self._list_connections = list_connections
        self._store, self._board, self._timetable, self._find_settings = store, board, timetable, find_settings
        self._clock, self._chance, self._book = clock, chance, book
        self.connectors: ConnectorShelf = connectors or CatalogueShelf()
        self._registrar = registrar

    async def save_draft(self, tenant: TenantId, text: str) -> CheckedFlow:
        """Keep a draft when it has no errors; the answer lists every problem."""
        checked, _ = await self._check(tenant, text)
        if checked.flow is not None:
            row = FlowRow(
                tenant=tenant,
                flow=checked.flow.id,
                name=checked.flow.name,
                draft=text,
                changed_at_milliseconds=self._clock.now_milliseconds(),
            )
            await self._store.save_draft(row)
        return checked

    async def publish(self, tenant: TenantId, flow_id: FlowId) -> Published:
        """Publish the draft as the next version and make it live; an unchanged one makes no new version.

        Raises:
            MissingError: no such flow. ConflictError: published by somebody else meanwhile.
            InputError: it has placeholders, names a connection that it can't use, carries payload over a wait, or calls a
                host, and the tenant forbids that.
            UnavailableError: it is kept, but the broker did not take it; the next start or publishing posts it.
        """
        row = await self._load(tenant, flow_id)
        flow, connectors = await self._read_draft(tenant, row.draft)
        forbid_placeholders(flow)
        pinned = pin(connectors)
        await self._forbid_parking(tenant, flow, connectors)
        await self._forbid_hosts(tenant, flow, connectors)
        await self._judge_connections(tenant, flow)
        token = ""
        token_hash = row.hook_token_hash
        if flow.trigger.on is TriggerKind.WEBHOOK and not token_hash:
            token, token_hash = self._make_token()
        newest = await self._store.load_version(tenant, flow_id, row.newest_version) if row.newest_version else None
        is_new = newest is None or newest.text != row.draft or newest.connectors != pinned
        version = row.newest_version + 1 if is_new else row.newest_version
        now = self._clock.now_milliseconds()
        if is_new:
            fresh = VersionRow(
                tenant=tenant,
                flow=flow_id,
                version=version,
                text=row.draft,
                published_at_milliseconds=now,
                connectors=pinned,
            )
            await self._store.publish(fresh, hook_token_hash=token_hash)
        else:
            await self._store.make_live(tenant, flow_id, version, now)
        await self._post(tenant, flow_id)
        await self._timetable.arrange(tenant, flow, version)
        plan = PublishedFlow(tenant=tenant, version=version, flow=flow, connectors=connectors)
        is_registered, failure = await self._register(plan)
        hook_token = "" if is_registered else token
        return Published(
            version=version, is_new=is_new, hook_token=hook_token, is_registered=is_registered, registration=failure
        )

    async def rollback(self, tenant: TenantId, flow_id: FlowId, version: int) -> Failure | None:
        """Make an earlier version live again; gives why its webhook could not be registered.

        Raises:
            MissingError. InputError: as in publish().
        """
        row = await self._load_version(tenant, flow_id, version)
        flow = self._read(row)
        connectors = read_pinned(row.connectors)
        await self._forbid_parking(tenant, flow, connectors)
        await self._forbid_hosts(tenant, flow, connectors)
        await self._judge_connections(tenant, flow)
        await self._store.make_live(tenant, flow_id, version, self._clock.now_milliseconds())
        await self._post(tenant, flow_id)
        await self._timetable.arrange(tenant, flow, version)
        plan = PublishedFlow(tenant=tenant, version=version, flow=flow, connectors=connectors)
        return (await self._register(plan))[1]

    async def _register(self, published: PublishedFlow) -> tuple[bool, Failure | None]:
        """Register the flow's webhook at its vendor where that is wanted and not done, with a token made for it.

        Gives whether it was registered just now, and why it could not be.
        """
        registrar = self._registrar
        if registrar is None or not await registrar.prepare(published):
            return False, None
        token, token_hash = self._make_token()
        await self._store.set_hook(published.tenant, published.flow.id, token_hash)
        await self._post(published.tenant, published.flow.id)  # known before the vendor tries it
        failure = await registrar.register(published, token)
        return failure is None, failure

    async def post_version(self, tenant: TenantId, flow_id: FlowId, version: int) -> bool:
        """Have conduits know a version that runs go on with, live or not; False: there is none. Raises UnavailableError."""
        row = await self._store.load(tenant, flow_id)
        kept = await self._store.load_version(tenant, flow_id, version)
        if row is None or kept is None:
            return False
        if row.live_version != version:
            await self._board.post_past(msgspec.structs.replace(self._describe(kept), is_live=False))
        return True

    async def withdraw(self, tenant: TenantId, flow_id: FlowId) -> str | None:
        """Start no more runs of the flow; those under way go on. Gives why its webhook is at its vendor still.

        Raises:
            MissingError.
        """
        await self._load(tenant, flow_id)
        failure = await self._registrar.withdraw(tenant, flow_id) if self._registrar is not None else None
        await self._store.make_live(tenant, flow_id, 0, self._clock.now_milliseconds())
        await self._post(tenant, flow_id)
        await self._timetable.forget(tenant, flow_id)
        return failure

    async def take_down(self, tenant: TenantId) -> None:
        """Start no more runs of any flow: its site has uninstalled the app. Vendors are told nothing, with keys destroyed."""
        for row, _ in await self._store.list_live(tenant):
            await self._store.make_live(tenant, row.flow, 0, self._clock.now_milliseconds())
            await self._post(tenant, row.flow)
            await self._timetable.forget(tenant, row.flow)

    async def load_live(self, tenant: TenantId, flow_id: FlowId) -> tuple[int, Flow]:
        """Give the live version's number and document. Raises MissingError; ConflictError: none is live."""
        row = await self._load(tenant, flow_id)
        if not row.live_version:
            raise ConflictError("The flow is not live. Publish it first.")
        return row.live_version, self._read(await self._load_version(tenant, flow_id, row.live_version))

    async def mend_timetable(self, tenant: TenantId, flow_id: FlowId) -> None:
        """Bring a flow's schedule in step with its live version: after a crash between the two."""
        row = await self._store.load(tenant, flow_id)
        if row is None or not row.live_version:
            await self._timetable.forget(tenant, flow_id)
            return
        live = await self._load_version(tenant, flow_id, row.live_version)
        await self._timetable.arrange(tenant, self._read(live), row.live_version)

    async def rotate_hook(self, tenant: TenantId, flow_id: FlowId) -> str:
        """Give the flow another webhook token; the old one stops at once. Raises MissingError, ConflictError."""
        _, flow = await self.load_live(tenant, flow_id)
        if flow.trigger.on is not TriggerKind.WEBHOOK:
            raise ConflictError("The flow's trigger is not webhook, so it has no webhook token.")
        token, token_hash = self._make_token()
        await self._store.set_hook(tenant, flow_id, token_hash)
        await self._post(tenant, flow_id)
        if self._registrar is not None and flow.trigger.connector:  # the vendor must learn it, too
            row = await self._load(tenant, flow_id)
            failure = await self._registrar.register(await self.load_published(tenant, flow_id, row.live_version), token)
            if failure is not None:
                why = f"{failure.code.value} {failure.detail}".strip()
                raise ConflictError(f"The token was changed, and the vendor could not be told: {why}. Publish the flow again.")
        return token

    async def list(self, tenant: TenantId) -> Sequence[FlowRow]:
        """All flows of the tenant."""
        return await self._store.list(tenant)

    async def list_live(self, tenant: TenantId) -> Sequence[tuple[FlowRow, VersionRow]]:
        """The flows of the tenant that are live, with their live versions."""
        return await self._store.list_live(tenant)

    async def load(self, tenant: TenantId, flow_id: FlowId) -> FlowRow:
        """One flow's head. Raises MissingError."""
        return await self._load(tenant, flow_id)

    async def list_versions(self, tenant: TenantId, flow_id: FlowId) -> Sequence[VersionRow]:
        """Its versions, newest first. Raises MissingError."""
        await self._load(tenant, flow_id)
        return await self._store.list_versions(tenant, flow_id)

    async def load_version(self, tenant: TenantId, flow_id: FlowId, version: int) -> VersionRow:
        """One version. Raises MissingError."""
        return await self._load_version(tenant, flow_id, version)

    async def load_flow(self, tenant: TenantId, flow_id: FlowId, version: int) -> Flow:
        """One version, read. Raises MissingError, InputError."""
        return self._read(await self._load_version(tenant, flow_id, version))

    async def load_published(self, tenant: TenantId, flow_id: FlowId, version: int) -> PublishedFlow:
        """One version, as conduits get it but for the webhook's token. Raises MissingError, InputError."""
        return self._describe(await self._load_version(tenant, flow_id, version))

    async def diff(self, tenant: TenantId, flow_id: FlowId, old: int, new: int) -> Sequence[Change]:
        """What changed between two versions; 0 stands for the draft. Raises MissingError."""
        flows = []
        for version in (old, new):
            row = await self._load(tenant, flow_id)
            if version:
                flows.append(self._read(await self._load_version(tenant, flow_id, version)))
            else:
                flows.append((await self._read_draft(tenant, row.draft))[0])
        return diff_flows(*flows)

    async def list_carrying(self, tenant: TenantId) -> Sequence[str]:
        """Tell of each live flow which steps would carry payload over a wait, and what: a line for people each."""
        return ParkingRule(await self._compile_live(tenant)).list_all()

    async def list_unreachable(self, tenant: TenantId) -> Sequence[str]:
        """Tell of each live flow which steps call a host that the tenant's rules do not permit: a line for people each."""
        if self._find_settings is None:
            return ()
        settings = await self._find_settings(tenant)
        told = []
        for _, version in await self._store.list_live(tenant):
            flow = self._check_version(version).flow
            lines = list_unreachable(flow, settings, read_pinned(version.connectors)) if flow is not None else ()
            told += [f"flow {version.flow}: {line}" for line in lines]
        return told

    async def list_scopes(self, connection: Connection) -> tuple[str, ...]:
        """List the OAuth scopes that its tenant's live flows need of a connection: the least."""
        tenant = connection.tenant
        live = [(row, version, self._check_version(version).flow) for row, version in await self._store.list_live(tenant)]
        plans = [_describe_live(row, version, flow) for row, version, flow in live if flow is not None]
        return list_least_scopes(plans, connection.name, connection.settings.get(CONNECTOR, ""))

    async def post_all(self) -> int:
        """Post every live flow that conduits do not know; gives how many are live. At a start, and in a fresh memory."""
        count = 0
        for row, version in await self._store.list_live():
            checked = self._check_version(version)
            if checked.flow is None:
                continue
            plan = _describe_live(row, version, checked.flow)
            if not await self._board.post(row.tenant, row.flow, plan, after=0):  # something is there
                _, posted = await self._board.find(row.tenant, row.flow)
                if posted != plan:
                    await self._post(row.tenant, row.flow)
            if read_timing(checked.flow.trigger) is not None:
                await self.mend_timetable(row.tenant, row.flow)
            count += 1
        return count

    async def _post(self, tenant: TenantId, flow_id: FlowId) -> None:
        """Post a flow as it is kept now. Whatever others post meanwhile: what was read later is posted last."""
        while True:
            number, _ = await self._board.find(tenant, flow_id)
            if await self._board.post(tenant, flow_id, await self._find_live(tenant, flow_id), after=number):
                return

    async def _find_live(self, tenant: TenantId, flow_id: FlowId) -> PublishedFlow | None:
        row = await self._load(tenant, flow_id)
        if not row.live_version:
            return None
        version = await self._load_version(tenant, flow_id, row.live_version)
        return _describe_live(row, version, self._read(version))

    async def _load(self, tenant: TenantId, flow_id: FlowId) -> FlowRow:
        row = await self._store.load(tenant, flow_id)
        if row is None:
            raise MissingError("There is no such flow. `flow list` shows the ids.")
        return row

    async def _load_version(self, tenant: TenantId, flow_id: FlowId, version: int) -> VersionRow:
        row = await self._store.load_version(tenant, flow_id, version)
        if row is None:
            raise MissingError("There is no such version of this flow. `flow show` lists them.")
        return row

    async def _check(self, tenant: TenantId, text: str) -> tuple[CheckedFlow, tuple[Connector, ...]]:
        """Check a text with the connectors that the tenant has now."""
        found = await find_connectors(self.connectors, tenant, text, self._book)
        return check_flow(text, self._book, found), found.connectors

    async def _read_draft(self, tenant: TenantId, text: str) -> tuple[Flow, tuple[Connector, ...]]:
        checked, connectors = await self._check(tenant, text)
        return _expect_flow(checked), connectors

    def _check_version(self, row: VersionRow) -> CheckedFlow:
        """Check a version with what it has pinned."""
        return check_flow(row.text, self._book, FoundConnectors(read_pinned(row.connectors)))

    def _read(self, row: VersionRow) -> Flow:
        return _expect_flow(self._check_version(row))

    def _describe(self, row: VersionRow) -> PublishedFlow:
        connectors = read_pinned(row.connectors)
        return PublishedFlow(tenant=row.tenant, version=row.version, flow=self._read(row), connectors=connectors)

    async def _forbid_parking(self, tenant: TenantId, flow: Flow, connectors: tuple[Connector, ...]) -> None:
        """Refuse a flow that would carry payload over a wait, or have others carry it, where the tenant forbids parking."""
        if self._find_settings is None or (await self._find_settings(tenant)).parking is Parking.ALLOW:
            return
        fresh = PublishedFlow(tenant=tenant, version=0, flow=flow, connectors=connectors)
        problems = list_new(await self._compile_live(tenant), compile_plan(fresh, dict(self._book)))
        if problems:
            raise InputError("Data would be kept over a wait; nothing was published.", tuple(problems))

    async def _forbid_hosts(self, tenant: TenantId, flow: Flow, connectors: Sequence[Connector]) -> None:
        """Refuse a flow with a host written into it that the tenant's rules do not permit."""
        if self._find_settings is None:
            return
        problems = list_unreachable(flow, await self._find_settings(tenant), connectors)
        if problems:
            raise InputError("A host may not be called; nothing was published.", tuple(problems))

    async def _judge_connections(self, tenant: TenantId, flow: Flow) -> None:
        """Refuse a flow that names a connection which is not there, or which it may not use so."""
        if self._list_connections is None:
            return
        problems = list_refused(flow, await self._list_connections(tenant))
        if problems:
            raise InputError("A connection can't be used; nothing was published.", tuple(problems))

    async def _compile_live(self, tenant: TenantId) -> dict[FlowId, Plan]:
        live = [version for _, version in await self._store.list_live(tenant) if self._check_version(version).flow is not None]
        return {version.flow: compile_plan(self._describe(version), dict(self._book)) for version in live}

    def _make_token(self) -> tuple[str, str]:
        token = base64.urlsafe_b64encode(self._chance.bytes(TOKEN_BYTES)).decode().rstrip("=")
        return token, hashlib.sha256(token.encode()).hexdigest()


def _describe_live(row: FlowRow, version: VersionRow, flow: Flow) -> PublishedFlow:
    hook = row.hook_token_hash if flow.trigger.on is TriggerKind.WEBHOOK else ""
    return PublishedFlow(
        tenant=row.tenant,
        version=version.version,
        flow=flow,
        hook_token_hash=hook,
        connectors=read_pinned(version.connectors),
    )


def _expect_flow(checked: CheckedFlow) -> Flow:
    if checked.flow is None:
        raise InputError("The flow has errors; nothing was changed.", tuple(map(describe_problem, checked.errors)))
    return checked.flow


def describe_problem(problem: Problem) -> str:
    """One line for one problem."""
    near = f" Did you mean {problem.nearest}?" if problem.nearest and "Did you mean" not in problem.nearest else ""
    place = f"line {problem.line}, column {problem.column}: {problem.path}"
    return f"{place}: {problem.message}{near or ' ' + problem.nearest}".rstrip()
