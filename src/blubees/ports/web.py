"""Third parties: calls over HTTP and other protocols."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from blubees.model.web import SentBody, WebAnswer, WebFailure, WebRequest


class AnswerStream(Protocol):
    """An answer whose body is read as it comes in. Close it, whatever happens."""

    @property
    def status(self) -> int:
        """Its status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names lower-cased; a repeated one is joined with ", "."""
        ...

    @property
    def length(self) -> int | None:
        """Bytes of the body as `pieces` gives it; None: not known before its end."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, unpacked, 256 KiB at most at a time. Raises BrokenOffError: it is not whole, or larger than allowed."""
        ...

    def close(self) -> None:
        """Read no more of it."""
        ...


class WebClient(Protocol):
    """The one way out. Guards every address at connect time, also on redirects."""

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """Carry out one call. Never raises for what the other side does."""
        ...

    async def open(self, request: WebRequest, body: SentBody | None = None) -> AnswerStream | WebFailure:
        """Carry out a call whose answer's body is read in pieces; with `body`, its own is sent in pieces, and `redirects` is 0.

        No piece is asked for before the other side has taken those before. Raises what `body.pieces` raises, the call being
        broken off then; never for what the other side does.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class ProtocolClient(Protocol):
    """A client of another protocol than HTTP. Guards as WebClient does."""

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """As WebClient.call: the URL's scheme names the protocol."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
