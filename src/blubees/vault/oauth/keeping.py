"""Keeps what a vendor gave, and notes how a grant stands. Used by vault/oauth/grants.py and consents.py.

What was given is kept before anything else is done with it, and read back: a one-time token that is lost is a grant that only a
person can give again. Nothing is thrown away because a vendor said no.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from blubees.model.authorisation import CONSENTED
from blubees.model.connection import ConnectionKind, OpenConnection
from blubees.model.errors import UnavailableError
from blubees.model.grant import Grant, GrantState
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import Clock, Events, GrantStore
from blubees.vault.oauth.leasing import EARLIER, REFRESH
from blubees.vault.oauth.tokens import Tokens
from blubees.vault.secrets import VaultService

LEAD_MILLISECONDS: Final = 300_000  # ahead of a token's end, or a third of its life, give or take a fifth
IDLE_MILLISECONDS: Final = 86_400_000  # renewed at least once a day: vendors end grants that nobody uses
SAVE_SECONDS: Final = 600.0  # so long a token that was given is tried to be kept
SAVE_AGAIN_SECONDS: Final = 0.2
TURNS: Final = 12

Told = Callable[[TenantId, ConnectionName], Awaitable[None]]


async def tell_nobody(_tenant: TenantId, _name: ConnectionName) -> None:
    """Nobody wants to know."""


class GrantKeeper:
    """Keeps tokens in the vault, and what is known of them beside it.

    Args:
        lived: told when there is a token where there was none: what waited for it goes on.
    """

    def __init__(self, vault: VaultService, store: GrantStore, clock: Clock, events: Events, lived: Told = tell_nobody) -> None:
        self._vault, self._store, self._clock, self._events, self._lived = vault, store, clock, events, lived

    async def put(self, opened: OpenConnection, tokens: Tokens, asked: tuple[str, ...]) -> Grant | None:
        """A person has said yes: keep what was given in place of what there was. None: the connection is gone."""
        tenant, name = opened.connection.tenant, opened.connection.name
        secrets = {"access_token": tokens.access_token, REFRESH: tokens.refresh_token, EARLIER: ""}
        current: OpenConnection | None = opened
        for _ in range(TURNS):
            if current is None:
                return None
            if await self._vault.replace_fields(tenant, name, current.connection.version, secrets) is not None:
                return await self.note_live(current, tokens, asked, is_new=True)
            current = await self._vault.open(tenant, name)
        raise UnavailableError("The connection is being changed by others all the time.")

    async def keep(self, opened: OpenConnection, used: str, tokens: Tokens) -> OpenConnection | None:
        """Keep what was given for the refresh token `used`, whatever else happens to the row; None: the connection is gone.

        Raises:
            UnavailableError: the database was away for ten minutes.
        """
        tenant, name = opened.connection.tenant, opened.connection.name
        secrets = {"access_token": tokens.access_token}
        if tokens.refresh_token and tokens.refresh_token != used:
            secrets |= {REFRESH: tokens.refresh_token, EARLIER: used}
        current: OpenConnection | None = opened
        deadline = self._clock.monotonic_seconds() + SAVE_SECONDS
        while current is not None:
            try:
                changed = await self._vault.replace_fields(tenant, name, current.connection.version, secrets)
                current = await self._vault.open(tenant, name)
            except UnavailableError:
                if self._clock.monotonic_seconds() > deadline:
                    raise
                await asyncio.sleep(SAVE_AGAIN_SECONDS)
                continue
            if current is not None:
                if changed is not None and all(current.secrets.get(each) == text for each, text in secrets.items()):
                    return current
                if current.secrets.get(REFRESH, "") not in {used, tokens.refresh_token}:
                    return current  # a person has said yes meanwhile, or another process was first: theirs counts
        return None

    async def note_live(self, opened: OpenConnection, tokens: Tokens, asked: tuple[str, ...], *, is_new: bool = False) -> Grant:
        """Note that there is a token, and let go of the hold."""
        tenant, name = opened.connection.tenant, opened.connection.name
        for _ in range(TURNS):
            before = await self._store.load(tenant, name) or Grant(tenant=tenant, connection=name)
            grant = self._write_live(before, opened.connection.kind, tokens, asked, is_new=is_new)
            if await self._store.save(grant, after=before.number):
                if before.state is not GrantState.LIVE or is_new:
                    await self._lived(tenant, name)
                return msgspec.structs.replace(grant, number=before.number + 1)
        raise UnavailableError("The grant is being changed by others all the time.")

    async def note_dead(self, held: Grant, problem: str) -> bool:
        """Note that a person must set something right. What is kept stays kept. False: somebody else has changed it."""
        now = self._clock.now_milliseconds()
        dead = msgspec.structs.replace(
            held,
            state=GrantState.DEAD,
            problem=problem,
            dead_at_milliseconds=held.dead_at_milliseconds or now,
            renew_at_milliseconds=0,
            holder="",
            held_until_milliseconds=0,
        )
        is_noted = await self._store.save(dead, after=held.number)
        if is_noted and held.state is not GrantState.DEAD:  # once, however many runs meet it
            self._events("grant_dead", tenant=held.tenant, connection=held.connection, problem=problem)
        return is_noted

    async def reset(self, tenant: TenantId, name: ConnectionName) -> None:
        """A person has saved the connection anew: what was known of its grant is of another one."""
        for _ in range(TURNS):
            before = await self._store.load(tenant, name)
            if before is None:
                return
            fresh = Grant(tenant=tenant, connection=name, holder=before.holder)
            if await self._store.save(fresh, after=before.number):
                return

    async def let_go(self, held: Grant, problem: str = "") -> None:
        """Let others renew it."""
        free = msgspec.structs.replace(held, holder="", held_until_milliseconds=0, problem=problem)
        await self._store.save(free, after=held.number)

    def lead(self, grant: Grant) -> int:
        """How long ahead of its end a token is renewed, in milliseconds: not all at the same time."""
        life = max(grant.expires_at_milliseconds - grant.renewed_at_milliseconds, 0)
        digest = hashlib.sha256(f"{grant.tenant}|{grant.connection}|{grant.renewed_at_milliseconds}".encode()).digest()
        return int(min(LEAD_MILLISECONDS, life // 3) * (0.8 + 0.4 * digest[0] / 255))

    def _write_live(
        self, before: Grant, kind: ConnectionKind, tokens: Tokens, asked: tuple[str, ...], *, is_new: bool
    ) -> Grant:
        now, ends = self._clock.now_milliseconds(), tokens.expires_at_milliseconds
        known = asked if is_new or not before.scopes else before.scopes
        grant = msgspec.structs.replace(
            before,
            state=GrantState.LIVE,
            scopes=known if tokens.scopes is None else tokens.scopes,
            expires_at_milliseconds=ends,
            renew_at_milliseconds=0,
            granted_at_milliseconds=now if is_new or not before.granted_at_milliseconds else before.granted_at_milliseconds,
            renewed_at_milliseconds=now,
            dead_at_milliseconds=0,
            kept=tokens.kept if is_new else before.kept | tokens.kept,
            problem="",
            holder="",
            held_until_milliseconds=0,
        )
        if not ends or kind not in CONSENTED:
            return grant  # it need not be kept alive: it does not end, or another one can be had at any time
        due = min(ends - self.lead(grant), now + IDLE_MILLISECONDS)
        return msgspec.structs.replace(grant, renew_at_milliseconds=max(due, now + 1_000))
