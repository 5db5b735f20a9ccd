"""A caller whose calls somebody watches, and which makes no call but reads in a dry run. Made by main/conduit.py for trials.

Who watches sees calls as the step asked for them, before the credential is added; the credentials themselves are told apart,
to be taken out of all that is shown.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.pace import PaceBook
from blubees.model.call import Call, CallAnswer, Effect, Transfer, Transferred, WouldCallError
from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.failures import Failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import Chance, Clock, LeaseDesk, WebClient


class CallWatch(Protocol):
    """Looks on while calls are made: sees values. `place` is the path of the step that calls."""

    def call_begins(self, place: str, call: Call, *, is_made: bool) -> None:
        """A step calls; not `is_made`: it would, and the run is a dry run."""
        ...

    def call_ends(self, place: str, found: CallAnswer | Failure, seconds: float) -> None:
        """What came back."""
        ...

    def withhold(self, secret: str) -> None:
        """This may not be shown."""
        ...


@dataclass(frozen=True, slots=True)
class _TellingDesk:
    """A lease desk that tells who watches what to withhold."""

    desk: LeaseDesk
    watch: CallWatch

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        lease = await self.desk.borrow(tenant, name, use, refused)
        if isinstance(lease, Lease):
            for secret in (lease.secret, *lease.others.values()):
                self.watch.withhold(secret)
            self.watch.withhold(base64.b64encode(f"{lease.user_name}:{lease.secret}".encode()).decode())
        return lease


class WatchedCaller(Caller):
    """A caller that is watched.

    Args:
        is_dry: make no call but reads: the others raise WouldCallError.
    """

    __slots__ = ("_is_dry", "_watch", "place")

    def __init__(
        self,
        tenant: TenantId,
        web: WebClient,
        desk: LeaseDesk,
        clock: Clock,
        chance: Chance,
        jira: JiraSite,
        watch: CallWatch,
        *,
        is_dry: bool,
        paces: PaceBook | None = None,
    ) -> None:
        def tell_token() -> str | None:
            token = jira.token()
            if token is not None:
                watch.withhold(token)
            return token

        super().__init__(
            tenant, web, _TellingDesk(desk, watch), clock, chance, JiraSite(jira.origin, jira.cloud_id, tell_token), paces
        )
        self._watch, self._is_dry = watch, is_dry
        self.place = ""

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        began = self._begin(call)
        found = await super().call(call)
        self._watch.call_ends(self.place, found, self._clock.monotonic_seconds() - began)
        return found

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's own Jira."""
        began = self._begin(call)
        found = await super().call_jira(call)
        self._watch.call_ends(self.place, found, self._clock.monotonic_seconds() - began)
        return found

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file: who watches sees what the target is asked, not the file."""
        began = self._begin(transfer.target)
        found = await super().transfer(transfer)
        shown = found if isinstance(found, Failure) else found.answer
        self._watch.call_ends(self.place, shown, self._clock.monotonic_seconds() - began)
        return found

    def _begin(self, call: Call) -> float:
        is_made = not self._is_dry or call.effect is Effect.READ
        self._watch.call_begins(self.place, call, is_made=is_made)
        if not is_made:
            raise WouldCallError(call)
        return self._clock.monotonic_seconds()
