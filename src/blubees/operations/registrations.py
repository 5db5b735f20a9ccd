"""Registers webhooks at vendors when flows are published, and takes them back. Called by flows/versions.py (HookRegistrar).

The address that the vendor is given has a token of its own, made for it; the secret that it signs by is made here and kept as
the connection `hook-FLOW`. Kept of a registration is what is needed to take it back, such as its id.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from blubees.connectors.actions.perform import CONNECTION
from blubees.flows.check_trigger import SECRET, find_trigger, name_hook_secret
from blubees.model.audit import Actor, AuditAction
from blubees.model.connection import ConnectionKind, Purpose, Use
from blubees.model.connector import Connector, ConnectorTrigger, Hook
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow, SignatureScheme, Trigger
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.operations.audit import AuditLog
from blubees.operations.removals import Removals, name_connector
from blubees.operations.vendor_calls import VendorCalls
from blubees.ports import Chance, Clock, Events, RegistrationRow, RegistrationStore, RemovalRow, RenewalRow, RenewalStore
from blubees.vault.secrets import VaultService

SECRET_BYTES: Final = 32
URL, EVENTS, EXPIRES = "$url", "$events", "$expires"


class EndedHook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was registered by a connection which goes. `failure`: why it stays at its vendor; empty: it does not."""

    flow: str
    failure: str = ""


class HookView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook at a vendor.

    Attributes:
        state: `registered`; `leaving`: to be taken back, and tried again then; `left`: it stays there, that was given up.
        removal: how to try it again.
        failure: why it could not be taken back the last time.
    """

    flow: str
    state: str
    connector: str
    connection: str
    since_milliseconds: int
    removal: str = ""
    tries: int = 0
    next_milliseconds: int = 0
    failure: str = ""


class Registrations:
    """Registers and takes back.

    Args:
        public_url: where conduits are reached from outside, without a / at its end.
        renewals: keeps what is to be done before registrations end by themselves (operations/renewals.py).
    """

    def __init__(
        self,
        store: RegistrationStore,
        vault: VaultService,
        calls: VendorCalls,
        clock: Clock,
        chance: Chance,
        log: AuditLog,
        events: Events,
        *,
        public_url: str,
        renewals: RenewalStore,
    ) -> None:
        self._renewals = renewals
        self._store, self._vault, self._calls = store, vault, calls
        self._clock, self._chance, self._log, self._public_url = clock, chance, log, public_url
        self.removals = Removals(store, calls, clock, chance, log, events)

    async def prepare(self, published: PublishedFlow) -> bool:
        """See flows/registering.py."""
        if find_hook(published) is None:
            await self.withdraw(published.tenant, published.flow.id)
            return False
        row = await self._store.load(published.tenant, published.flow.id)
        return row is None or row.source != _name_source(published.flow.trigger)

    async def register(self, published: PublishedFlow, token: str) -> Failure | None:
        """See flows/registering.py."""
        found = find_hook(published)
        if found is None:
            return None
        connector, rule, hook = found
        await self.withdraw(published.tenant, published.flow.id)
        trigger = published.flow.trigger
        secret = await self._choose_secret(published)
        if secret is None:
            return Failure(code=FailureCode.CONNECTION_MISSING, field="trigger.signing")
        words = {
            URL: f"{self._public_url}/hooks/{published.tenant}/{token}",
            SECRET: secret,
            EVENTS: list(rule.events),
            EXPIRES: write_end(hook, self._clock),
        }
        inputs = {**put_in(hook.register_inputs, words), **trigger.inputs}
        outcome = await self._calls.perform(
            published.tenant,
            connector,
            hook.register,
            {**inputs, CONNECTION: trigger.connection},
            Use(purpose=Purpose.REGISTER, flow=published.flow.id),
        )
        if isinstance(outcome, Failure):
            return outcome
        told = {**trigger.inputs, **(outcome if isinstance(outcome, dict) else {})}
        now = self._clock.now_milliseconds()
        back = connector.actions.get(hook.unregister)
        needed = back.inputs if back is not None else {}
        kept = {hook.unregister: back} if back is not None else {}
        await self._store.save(
            RegistrationRow(
                tenant=published.tenant,
                flow=published.flow.id,
                source=_name_source(trigger),
                connection=trigger.connection,
                action=hook.unregister if back is not None else "",
                inputs=_choose(told, needed),
                connector=msgspec.json.encode(msgspec.structs.replace(connector, actions=kept, triggers={})).decode(),
                registered_at_milliseconds=now,
            )
        )
        if hook.renew:
            await self._renewals.put(
                RenewalRow(
                    tenant=published.tenant,
                    flow=published.flow.id,
                    inputs=_choose(told, connector.actions[hook.renew].inputs),
                    registered_at_milliseconds=now,
                    due_milliseconds=now + count_until_renewal(hook),
                )
            )
        event = self._log.make(
            published.tenant, AuditAction.HOOK_REGISTERED, Actor.CONTROL_PLANE, connection=trigger.connection
        )
        await self._log.note([msgspec.structs.replace(event, flow=published.flow.id)])
        return None

    async def withdraw(self, tenant: TenantId, flow: FlowId) -> str | None:
        """See flows/registering.py."""
        row = await self._store.load(tenant, flow)
        return await self._withdraw(row) if row is not None else None

    async def end_connection(self, tenant: TenantId, connection: ConnectionName) -> "tuple[EndedHook, ...]":
        """Take back all that is registered by a connection, before it goes: flows, and what became of their webhooks there.

        What does not succeed now is left at its vendor, and told: nobody can do it later.
        """
        registered = [row for row in await self._store.list(tenant) if row.connection == connection]
        ended = [(row.flow, await self._withdraw(row, is_last=True) or "") for row in registered]
        ended += [(row.flow, failure) for row, failure in await self.removals.end_all(tenant, connection)]
        return tuple(EndedHook(flow=flow, failure=failure) for flow, failure in ended)

    async def list(self, tenant: TenantId) -> "list[HookView]":
        """What is registered at vendors, then what is still to be taken back there, or was given up."""
        registered = [
            HookView(
                flow=row.flow,
                state="registered",
                connector=name_connector(row),
                connection=row.connection,
                since_milliseconds=row.registered_at_milliseconds,
            )
            for row in await self._store.list(tenant)
        ]
        return registered + [_view_removal(row) for row in await self.removals.list(tenant)]

    async def _withdraw(self, row: RegistrationRow, *, is_last: bool = False) -> str | None:
        failure = await self.removals.take_back(row, is_last=is_last)
        await self._vault.delete(row.tenant, ConnectionName(name_hook_secret(row.flow)))
        return failure

    async def _choose_secret(self, published: PublishedFlow) -> str | None:
        """Make the secret that the vendor signs by, or take the author's; empty: nothing is signed; None: it lacks."""
        signature = published.flow.trigger.signature
        if signature.scheme is SignatureScheme.NONE:
            return ""
        if signature.connection != name_hook_secret(published.flow.id):
            opened = await self._vault.open(published.tenant, ConnectionName(signature.connection))
            return opened.secrets.get("secret") if opened is not None else None
        secret = self._chance.bytes(SECRET_BYTES).hex()
        await self._vault.save(published.tenant, name=signature.connection, kind=ConnectionKind.SIGNING_SECRET, secret=secret)
        return secret


def _view_removal(row: RemovalRow) -> HookView:
    return HookView(
        flow=row.flow,
        state="leaving" if row.next_milliseconds else "left",
        connector=name_connector(row),
        connection=row.connection,
        since_milliseconds=row.since_milliseconds,
        removal=row.removal,
        tries=row.tries,
        next_milliseconds=row.next_milliseconds,
        failure=row.failure,
    )


def find_hook(published: PublishedFlow) -> tuple[Connector, ConnectorTrigger, Hook] | None:
    """Find how a flow's webhook is registered; None: it is not."""
    name = published.flow.trigger.connector
    found = find_trigger(published.connectors, name) if name else None
    if found is None or found[1].hook is None or not found[1].hook.register:
        return None
    return found[0], found[1], found[1].hook


def _name_source(trigger: Trigger) -> str:
    """Name what is registered: another one is registered anew."""
    facts = [trigger.connector, trigger.connection, trigger.inputs, msgspec.to_builtins(trigger.signature)]
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


def put_in(value: Any, words: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
    """Put our words in where they are named."""
    if isinstance(value, dict):
        return {name: put_in(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [put_in(each, words) for each in value]
    return words.get(value, value) if isinstance(value, str) else value


def write_end(hook: Hook, clock: Clock) -> str:
    """Write when a registration ends that is made or renewed now (RFC 3339, UTC); empty: it does not."""
    if not hook.lasts_seconds:
        return ""
    end = datetime.fromtimestamp(clock.now_milliseconds() // 1_000 + hook.lasts_seconds, UTC)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def count_until_renewal(hook: Hook) -> int:
    """Milliseconds until one is renewed: half its time, so that there is time to try again."""
    return hook.lasts_seconds * 500


def _choose(told: Mapping[str, object], needed: Iterable[str]) -> str:
    return msgspec.json.encode({name: told[name] for name in needed if name in told}).decode()
