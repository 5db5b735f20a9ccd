"""Remembers which keys were seen, for `dedupe`: keyed hashes only. Called by main/control_plane.py.

Source: docs/decisions/0010-dedupe.md.
"""

from typing import Final

from blubees.model.ids import TenantId
from blubees.model.seen import SeenQuestion
from blubees.operations.rounds import do_hourly
from blubees.ports import Clock, Events, SeenStore
from blubees.vault.keyring import Keyring, mark

DAY_MILLISECONDS: Final = 86_400_000


class SeenService:
    """Answers whether a key was seen."""

    def __init__(self, store: SeenStore, keyring: Keyring, clock: Clock) -> None:
        self._store, self._keyring, self._clock = store, keyring, clock

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """Whether another asker's mark lives; else the mark is this one's from now on.

        Raises:
            UnavailableError: the database does not answer.
        """
        name = mark(await self._keyring.derive(tenant, "seen"), b"seen", question.digest)
        now = self._clock.now_milliseconds()
        expires = now + question.days * DAY_MILLISECONDS
        return await self._store.mark(tenant, name, question.asker.hex(), now, expires)

    async def purge(self) -> None:
        """Delete what has expired. Raises UnavailableError."""
        await self._store.purge(self._clock.now_milliseconds())

    async def purge_forever(self, events: Events) -> None:
        """Do so every hour."""
        await do_hourly(self.purge, events)
