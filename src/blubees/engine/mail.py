"""What comes for runs that wait: kept sealed in the broker's memory until the run has seen it. Used by walk.py, park.py, doors.

A call back may come before its run is parked, and a second event while the run looks at the first: so whatever comes is put
into a mailbox first, and then its run is woken, if it is parked. Parking looks into the mailbox. Source: docs/decisions/0011.
"""

import base64
import hashlib
import hmac
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.ids import RunId, TenantId
from blubees.model.parking import CallIn, SlotVerdict
from blubees.ports import Clock, MailStore, ParkingDesk
from blubees.vault.seal import Sealer

KEY_SECONDS: Final = 60.0
_MAC_BYTES: Final = 16


class Mailbox(NamedTuple):
    """The mailbox of one wait, and the run that it is of, where that is known."""

    name: str
    run: str = ""


class MailVerdict(StrEnum):
    """What became of what came."""

    TAKEN = "taken"
    FULL = "full"
    OVER = "over"


def name_mailbox(run: str, path: str) -> str:
    """Name the mailbox of one wait: says nothing to whoever sees it."""
    return hashlib.sha256(f"{run}|{path}".encode()).hexdigest()


class MailRoom:
    """Takes and gives what comes."""

    def __init__(self, store: MailStore, desk: ParkingDesk, sealer: Sealer) -> None:
        self._store, self._desk, self._sealer = store, desk, sealer
        self._encoder = msgspec.msgpack.Encoder()

    async def deliver(self, tenant: TenantId, mailbox: Mailbox, document: object, *, delivery: str = "") -> MailVerdict:
        """Put something into a mailbox, and wake its run.

        Args:
            delivery: the same one counts once within two minutes; empty: no check.

        Raises:
            UnavailableError: the broker or the control plane did not confirm; the sender shall try again.
        """
        sealed = self._sealer.seal(self._encoder.encode(document), ("mail", tenant, mailbox.name))
        if not await self._store.put(tenant, mailbox.name, sealed, delivery=delivery):
            return MailVerdict.FULL
        return await self.ring(tenant, mailbox)

    async def ring(self, tenant: TenantId, mailbox: Mailbox) -> MailVerdict:
        """Have the run woken, if it waits. Raises UnavailableError."""
        verdict = await self._desk.tell(CallIn(tenant=tenant, name=mailbox.name, run=mailbox.run))
        if verdict is SlotVerdict.UNAVAILABLE:
            raise UnavailableError("The control plane does not answer.", retry_after_seconds=2)
        return MailVerdict.OVER if verdict is SlotVerdict.OVER else MailVerdict.TAKEN

    async def read(self, tenant: TenantId, name: str, *, after: int) -> list[tuple[int, Any]]:
        """Give what came after the number `after`, in order: (number, document). Raises UnavailableError."""
        found = []
        for number, sealed in await self._store.read(tenant, name, after=after):
            try:
                found.append((number, msgspec.msgpack.decode(self._sealer.unseal(sealed, ("mail", tenant, name)))))
            except TamperedError:  # from before our key
                continue
        return found


class CallBackAddresses:
    """Makes and checks the addresses that third parties call back: each is good for one step of one run.

    The key is the tenant's own and outlives any restart; conduits borrow it.
    """

    def __init__(self, desk: ParkingDesk, public_url: str, clock: Clock) -> None:
        self._desk, self._url, self._clock = desk, public_url, clock
        self._keys: dict[TenantId, tuple[bytes, float]] = {}

    async def key(self, tenant: TenantId) -> bytes:
        """Borrow the tenant's key, for a minute. Raises UnavailableError."""
        now = self._clock.monotonic_seconds()
        held = self._keys.get(tenant)
        if held is None or held[1] < now:
            held = self._keys[tenant] = (await self._desk.borrow_call_back_key(tenant), now + KEY_SECONDS)
        return held[0]

    def address(self, key: bytes, tenant: TenantId, run: RunId, path: str) -> str:
        """Write the address of one wait."""
        place = f"{run}|{path}".encode()
        token = f"{_write(place)}.{_write(_sign(key, place))}"
        return f"{self._url}/call-backs/{tenant}/{token}"

    async def find_mailbox(self, tenant: TenantId, token: str) -> Mailbox | None:
        """Give the mailbox that a token is good for; None: it is not one of ours. Raises UnavailableError."""
        place_text, _, mac_text = token.partition(".")
        place, mac = _read(place_text), _read(mac_text)
        if not place or not hmac.compare_digest(mac, _sign(await self.key(tenant), place)):
            return None
        run, _, path = place.decode("ascii", "replace").partition("|")
        return Mailbox(name_mailbox(run, path), run)


def _sign(key: bytes, place: bytes) -> bytes:
    return hmac.new(key, b"call-back|" + place, hashlib.sha256).digest()[:_MAC_BYTES]


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
