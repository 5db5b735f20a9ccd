"""Questions of conduits that the control plane answers, over the broker: a desk asks, a counter answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.order import Order
from blubees.model.parking import (
    ArmSlot,
    CallIn,
    FindWaiters,
    LeaveSlot,
    OpenSlot,
    Slot,
    SlotAnswer,
    SlotRequest,
    SlotVerdict,
    TakeSlot,
)
from blubees.model.seen import SeenQuestion
from blubees.model.sign_off import SignOffReply, SignOffRequest


class OrderBox(Protocol):
    """Where the control plane puts its orders."""

    async def send(self, order: Order, *, name: str) -> None:
        """Send one; it is carried out at least once. The same name within two minutes counts once. Raises UnavailableError."""
        ...


class OrderQueue(Protocol):
    """Where conduits get orders."""

    async def supply(self, perform: Callable[[Order], Awaitable[None]]) -> None:
        """Have orders carried out, some at a time, until cancelled. One that raises a BluBeesError comes again, to any."""
        ...


class LeaseDesk(Protocol):
    """Where a conduit borrows credentials. Asked over the broker, answered by the control plane, sealed on the way."""

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        """Open a lease for one call, of this use, which is noted. Unavailable when the control plane does not answer in time.

        Args:
            refused: the hash of a token (vault/lease.py) that the vendor has just refused: give another, if there is one.
        """
        ...


class ParkingDesk(Protocol):
    """Where a conduit parks runs. Asked over the broker, answered by the control plane, sealed on the way."""

    async def open(self, request: OpenSlot | TakeSlot) -> Slot | SlotVerdict:
        """Ask for a run's slot, with its key. UNAVAILABLE when the control plane does not answer within 3 s."""
        ...

    async def tell(self, request: ArmSlot | LeaveSlot | CallIn) -> SlotVerdict:
        """Tell what became of it; as above."""
        ...

    async def find_waiters(self, request: FindWaiters) -> Sequence[str]:
        """Give the mailboxes that wait for an event. Raises UnavailableError."""
        ...

    async def borrow_call_back_key(self, tenant: TenantId) -> bytes:
        """Borrow the key of the tenant's call-back addresses, for a minute. Raises UnavailableError."""
        ...


class SignOffDesk(Protocol):
    """Where a conduit asks about sign-offs. Asked over the broker, answered by the control plane, sealed both ways."""

    async def ask(self, request: SignOffRequest) -> SignOffReply:
        """Ask. Raises UnavailableError after 3 s."""
        ...


class SignOffCounter(Protocol):
    """The control plane's side of it."""

    async def serve(self, answer: Callable[[SignOffRequest], Awaitable[SignOffReply]]) -> None:
        """Answer every request from now on, until the broker closes."""
        ...


class WaiterBoard(Protocol):
    """Which tenants have runs that wait for Jira events: conduits ask for the others' events nothing more."""

    async def post(self, tenant: TenantId) -> None:
        """This tenant has. It stays so until the brokers' memory is a new one. Raises UnavailableError."""
        ...

    async def watch(self, changed: Callable[[TenantId], None]) -> None:
        """As PlanBoard.watch."""
        ...


class ParkingCounter(Protocol):
    """The control plane's side of the parking desk."""

    async def serve(self, answer: Callable[[SlotRequest], Awaitable[SlotAnswer | SlotVerdict]]) -> None:
        """Answer every request from now on, until the broker closes."""
        ...


class LeaseCounter(Protocol):
    """The control plane's side of the lease desk."""

    async def serve(
        self, answer: Callable[[TenantId, ConnectionName, Sequence[Use], str], Awaitable[Lease | LeaseRefusal]]
    ) -> None:
        """Answer every request from now on, until the broker closes.

        Each is for one or more uses, of one flow and purpose, and says which token was refused, if one was.
        """
        ...


class SeenDesk(Protocol):
    """Where a conduit asks whether a key was seen before. Answered by the control plane, sealed both ways."""

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """Whether another asker has marked it; else it is marked now. Raises UnavailableError after 3 s."""
        ...


class SeenCounter(Protocol):
    """The control plane's side of it."""

    async def serve(self, answer: Callable[[TenantId, SeenQuestion], Awaitable[bool]]) -> None:
        """Answer every question from now on, until the broker closes."""
        ...
