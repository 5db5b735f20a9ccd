"""Keeps grants alive: renews tokens ahead of their end, once for all processes, and never gives one up unread.

Opens the leases of connections whose token comes from a vendor; conduits see these only. Built by main/control_plane.py.

A one-time refresh token is good for one answer, and the answer may be lost with the process that got it. So: who renews says so
first (a hold in the database, by compare and swap); the answer is kept before anything else is done, and read back; the token
before it stays beside it until the next one has worked; and what a vendor calls dead is read again before it is believed.
Source: docs/decisions/0045-authorisation.md.
"""

import asyncio
from typing import Final, NamedTuple

import msgspec

from blubees.model.authorisation import CONSENTED, KINDS
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, OpenConnection, Use
from blubees.model.errors import UnavailableError
from blubees.model.grant import Grant, GrantState
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import Chance, Clock, Events, GrantStore, WebClient
from blubees.vault.lease import hash_token
from blubees.vault.oauth.asking import Asker
from blubees.vault.oauth.keeping import IDLE_MILLISECONDS, GrantKeeper
from blubees.vault.oauth.leasing import EARLIER, LEASE_MILLISECONDS, REFRESH, add_owner, lease_jwt, lease_token
from blubees.vault.oauth.tokens import Refused, TokenProblem, Tokens, read_tokens
from blubees.vault.secrets import VaultService
from blubees.vault.signing.jwt import make_jwt, read_rule

HOLD_MILLISECONDS: Final = 30_000  # a call takes at most 15 s (asking.py), and keeping the answer is quick
HOLD_LEAST_MILLISECONDS: Final = 16_000
LAST_MILLISECONDS: Final = 10_000  # a token that ends so soon is not given out any more
REFUSED_AGAIN_MILLISECONDS: Final = 60_000  # a token as young as that was refused for another reason than its age
PAUSES_MILLISECONDS: Final = (1_000, 5_000, 15_000, 60_000)  # after failures that may pass
WAIT_SECONDS: Final = 0.25
ROUND_SECONDS: Final = 20.0
AT_ONCE: Final = 50
_FATAL: Final = frozenset({TokenProblem.DEAD, TokenProblem.CLIENT})


class _Pause(NamedTuple):
    """After failures that may pass: how many there were, when to try again, and what callers are told until then."""

    failures: int
    ends_milliseconds: int
    refusal: LeaseRefusal


class GrantService:
    """Gives leases, and renews what they are made of."""

    def __init__(
        self,
        vault: VaultService,
        store: GrantStore,
        keeper: GrantKeeper,
        web: WebClient,
        clock: Clock,
        chance: Chance,
        events: Events,
    ) -> None:
        self._vault, self._store, self._keeper, self._web = vault, store, keeper, web
        self._clock, self._chance, self._events = clock, chance, events
        self._renewing: dict[tuple[TenantId, ConnectionName], asyncio.Task[Lease | LeaseRefusal]] = {}
        self._failures: dict[tuple[TenantId, ConnectionName], _Pause] = {}

    async def open_lease(
        self, tenant: TenantId, name: ConnectionName, refused: str = "", use: Use | None = None
    ) -> Lease | LeaseRefusal:
        """Open what a conduit gets of a connection, for one call.

        Args:
            use: what for; None: it was judged already.
            refused: the hash of a token (vault/lease.py) that the vendor has just refused: give another, if there is one.

        Raises:
            TamperedError: what is kept was moved or changed.
        """
        lease = await self._vault.open_lease(tenant, name, use)
        if isinstance(lease, Lease) and not KINDS[lease.kind].has_grant:
            return lease
        if not isinstance(lease, Lease) and lease is not LeaseRefusal.MISSING:
            return lease
        grant = await self._store.load(tenant, name)
        if grant is not None and grant.state is GrantState.DEAD:
            return LeaseRefusal.GRANT_DEAD
        if isinstance(lease, Lease) and grant is not None and self._is_good(lease, grant, refused):
            if self._is_due(grant) and self._may_try(tenant, name):
                self._begin(tenant, name, "")  # ahead of its end: this call need not wait for it
            return lease_token(lease, grant)
        if not self._may_try(tenant, name):
            return self._failures[tenant, name].refusal
        return await asyncio.shield(self._begin(tenant, name, refused))

    async def find(self, tenant: TenantId, name: ConnectionName) -> Grant | None:
        """Tell what is known of a grant."""
        return await self._store.load(tenant, name)

    async def renew(self, tenant: TenantId, name: ConnectionName) -> LeaseRefusal | None:
        """Renew now, dead or not: for a person who has set right what was wrong. None: there is a token."""
        opened = await self._vault.open(tenant, name)
        if opened is None:
            return LeaseRefusal.MISSING
        self._failures.pop((tenant, name), None)
        token = opened.secrets.get("access_token", "")
        task = self._begin(tenant, name, hash_token(token) if token else "", revive=True)
        lease = await asyncio.shield(task)
        return None if isinstance(lease, Lease) else lease

    async def renew_due_forever(self) -> None:
        """Renew what is due, used or not, until cancelled."""
        while True:
            try:
                now = self._clock.now_milliseconds()
                due = await self._store.list_due(now, limit=AT_ONCE)
                await self._store.purge_consents(now - IDLE_MILLISECONDS)
            except UnavailableError:
                due = ()
            mine = [each for each in due if self._may_try(each.tenant, each.connection)]
            if mine:
                await asyncio.wait([self._begin(each.tenant, each.connection, "") for each in mine])
            if len(due) < AT_ONCE or not mine:
                await asyncio.sleep(ROUND_SECONDS)

    def _begin(
        self, tenant: TenantId, name: ConnectionName, refused: str, *, revive: bool = False
    ) -> asyncio.Task[Lease | LeaseRefusal]:
        """Begin to renew, or share what is under way in this process."""
        task = self._renewing.get((tenant, name))
        if task is None:
            task = self._renewing[tenant, name] = asyncio.create_task(self._renew(tenant, name, refused, revive=revive))
            task.add_done_callback(lambda done: self._forget(tenant, name, done))
        return task

    def _forget(self, tenant: TenantId, name: ConnectionName, task: asyncio.Task[Lease | LeaseRefusal]) -> None:
        self._renewing.pop((tenant, name), None)
        if not task.cancelled() and task.exception() is not None:
            self._events("grant_not_renewed", tenant=tenant, connection=name)

    async def _renew(self, tenant: TenantId, name: ConnectionName, refused: str, *, revive: bool) -> Lease | LeaseRefusal:
        """Take the hold, ask, keep; or wait for whoever has it."""
        waited = 0.0
        while waited < HOLD_MILLISECONDS / 1_000 + WAIT_SECONDS:
            opened = await self._vault.open(tenant, name)
            if opened is None:
                return LeaseRefusal.MISSING
            if opened.connection.kind is ConnectionKind.JWT:
                return self._make_token(opened)
            grant = await self._store.load(tenant, name) or Grant(tenant=tenant, connection=name)
            if not revive and grant.state is GrantState.DEAD:
                return LeaseRefusal.GRANT_DEAD
            if self._is_fresh(opened, grant, refused):
                return await self._lease(opened, grant)
            now = self._clock.now_milliseconds()
            if grant.held_until_milliseconds > now:
                await asyncio.sleep(WAIT_SECONDS)
                waited += WAIT_SECONDS
                continue
            if opened.connection.kind in CONSENTED and REFRESH not in opened.secrets:
                return await self._tell_end(opened, grant)
            holder, until = self._chance.bytes(16).hex(), now + _choose_hold(opened)
            held = msgspec.structs.replace(grant, holder=holder, held_until_milliseconds=until)
            if await self._store.save(held, after=grant.number):
                return await self._ask(opened, msgspec.structs.replace(held, number=grant.number + 1))
        return LeaseRefusal.UNAVAILABLE

    async def _ask(self, opened: OpenConnection, held: Grant) -> Lease | LeaseRefusal:
        """Ask the vendor for the next token, with the hold."""
        used = opened.secrets.get(REFRESH, "")
        answer = await self._call(opened, used)
        if isinstance(answer, Refused) and answer.problem is TokenProblem.DEAD and opened.connection.kind in CONSENTED:
            current = await self._vault.open(held.tenant, held.connection)
            if current is None:
                return LeaseRefusal.MISSING
            if current.secrets.get(REFRESH, "") != used:  # somebody else has renewed it, or a person has said yes
                await self._keeper.let_go(held)
                return await self._renew(held.tenant, held.connection, "", revive=False)
            earlier = current.secrets.get(EARLIER, "")
            if earlier and earlier != used:
                opened, used = current, earlier
                answer = await self._call(opened, used)
        if isinstance(answer, Refused):
            return await self._note_refused(opened, held, answer)
        kept = await self._keeper.keep(opened, used, answer)
        if kept is None:
            return LeaseRefusal.MISSING
        self._failures.pop((held.tenant, held.connection), None)
        grant = await self._keeper.note_live(kept, answer, _list_scopes(opened))
        return await self._lease(kept, grant)

    async def _call(self, opened: OpenConnection, refresh_token: str) -> Tokens | Refused:
        kind, settings = opened.connection.kind, opened.connection.settings
        name, now = self._chance.bytes(16).hex(), self._clock.now_milliseconds()
        try:
            asker = Asker(kind, settings, opened.secrets, name=name, now_milliseconds=now)
            request = asker.refresh(refresh_token) if kind in CONSENTED else asker.fetch(_list_scopes(opened))
        except (ValueError, KeyError):
            return Refused(problem=TokenProblem.CLIENT)  # a key that does not fit, or is not there
        answer = await self._web.call(add_owner(request, opened))
        return read_tokens(answer, kind, settings, self._clock.now_milliseconds())

    async def _note_refused(self, opened: OpenConnection, held: Grant, refused: Refused) -> Lease | LeaseRefusal:
        """Note why there is no new token; the old one goes on while it lives."""
        if refused.problem in _FATAL:
            is_noted = await self._keeper.note_dead(held, refused.problem.value)
            return LeaseRefusal.GRANT_DEAD if is_noted else LeaseRefusal.UNAVAILABLE
        key = (held.tenant, held.connection)
        count = self._failures[key].failures if key in self._failures else 0
        pause = PAUSES_MILLISECONDS[min(count, len(PAUSES_MILLISECONDS) - 1)]
        pause = max(pause, int(refused.retry_after_seconds * 1_000))
        is_ours = refused.problem is TokenProblem.HOST_RULES
        refusal = LeaseRefusal.HOST_RULES if is_ours else LeaseRefusal.UNAVAILABLE
        self._failures[key] = _Pause(count + 1, self._clock.now_milliseconds() + pause, refusal)
        await self._keeper.let_go(held, refused.problem.value)
        ends = held.expires_at_milliseconds
        is_good = ends and self._clock.now_milliseconds() < ends - LAST_MILLISECONDS and "access_token" in opened.secrets
        return await self._lease(opened, held) if is_good else refusal

    async def _tell_end(self, opened: OpenConnection, grant: Grant) -> Lease | LeaseRefusal:
        """There is nothing to renew it with: it was never granted, has come to its end, or is refused before that."""
        ends = grant.expires_at_milliseconds
        if grant.state is GrantState.NONE or "access_token" not in opened.secrets:
            return LeaseRefusal.NO_GRANT
        if not ends or self._clock.now_milliseconds() < ends - LAST_MILLISECONDS:
            return await self._lease(opened, grant)
        await self._keeper.note_dead(grant, TokenProblem.EXPIRED.value)
        return LeaseRefusal.GRANT_DEAD

    async def _lease(self, opened: OpenConnection, grant: Grant) -> Lease | LeaseRefusal:
        lease = await self._vault.open_lease(opened.connection.tenant, opened.connection.name)
        return lease_token(lease, grant) if isinstance(lease, Lease) else lease

    def _make_token(self, opened: OpenConnection) -> Lease | LeaseRefusal:
        """Make a JWT of ours (kind jwt): nobody is asked for it."""
        settings, now = opened.connection.settings, self._clock.now_milliseconds()
        key = opened.secrets.get("shared_key" if settings.get("algorithm", "").startswith("HS") else "private_key", "")
        rule = read_rule(settings)
        try:
            token = make_jwt(rule, key, name=self._chance.bytes(16).hex(), now_milliseconds=now)
        except ValueError:
            return LeaseRefusal.UNAVAILABLE
        return lease_jwt(opened, token, now + min(LEASE_MILLISECONDS, rule.lifetime_seconds * 1_000))

    def _is_good(self, lease: Lease, grant: Grant, refused: str) -> bool:
        """Whether the token can be given out as it is."""
        now, ends = self._clock.now_milliseconds(), grant.expires_at_milliseconds
        if grant.state is not GrantState.LIVE or (ends and now >= ends - LAST_MILLISECONDS):
            return False
        is_old = now - grant.renewed_at_milliseconds >= REFUSED_AGAIN_MILLISECONDS
        return not (refused and is_old and hash_token(lease.secret) == refused)

    def _is_fresh(self, opened: OpenConnection, grant: Grant, refused: str) -> bool:
        """Whether somebody else has renewed it meanwhile."""
        token = opened.secrets.get("access_token", "")
        if grant.state is not GrantState.LIVE or not token or (refused and hash_token(token) == refused):
            return False
        return not self._is_due(grant)

    def _is_due(self, grant: Grant) -> bool:
        """Whether it is time to renew it."""
        ends = grant.expires_at_milliseconds
        due = grant.renew_at_milliseconds or (ends - self._keeper.lead(grant) if ends else 0)
        return 0 < due <= self._clock.now_milliseconds()

    def _may_try(self, tenant: TenantId, name: ConnectionName) -> bool:
        pause = self._failures.get((tenant, name))
        return pause is None or self._clock.now_milliseconds() >= pause.ends_milliseconds


def _choose_hold(opened: OpenConnection) -> int:
    """How long others leave a renewal alone: should it die, its token is used again within half of the vendor's grace."""
    grace = int(opened.connection.settings.get("reuse_seconds") or "0") * 1_000
    return min(HOLD_MILLISECONDS, max(HOLD_LEAST_MILLISECONDS, grace // 2)) if grace else HOLD_MILLISECONDS


def _list_scopes(opened: OpenConnection) -> tuple[str, ...]:
    return tuple(opened.connection.settings.get("scopes", "").split())
