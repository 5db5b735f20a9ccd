"""Grants and consents as nouns: what may be known of a token that a vendor gave, and of a question to a person. No secrets.

Kept beside a connection; made and renewed by vault/oauth. Source: docs/decisions/0045-authorisation.md.
"""

from enum import StrEnum

import msgspec

from blubees.model.connection import ConnectionKind
from blubees.model.ids import ConnectionName, TenantId


class GrantState(StrEnum):
    """Whether there is a token. `dead`: it can't be renewed any more; what uses it waits."""

    NONE = "none"
    LIVE = "live"
    DEAD = "dead"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a connection's grant.

    Attributes:
        scopes: those that were granted.
        expires_at_milliseconds: of the access token; 0: it is not known to end.
        renew_at_milliseconds: when the next round renews it, used or not; 0: never.
        kept: what the vendor's answer told and calls need, such as instance_url.
        problem: why it is dead, or was not renewed the last time (vault/oauth/tokens.py); empty: nothing.
        holder, held_until_milliseconds: who is renewing it, and how long others leave it alone.
        number: changes with every change: compare and swap. 0: it is not kept yet.
    """

    tenant: TenantId
    connection: ConnectionName
    state: GrantState = GrantState.NONE
    scopes: tuple[str, ...] = ()
    expires_at_milliseconds: int = 0
    renew_at_milliseconds: int = 0
    granted_at_milliseconds: int = 0
    renewed_at_milliseconds: int = 0
    dead_at_milliseconds: int = 0
    kept: dict[str, str] = {}
    problem: str = ""
    holder: str = ""
    held_until_milliseconds: int = 0
    number: int = 0


class ConsentState(StrEnum):
    """How far a question to a person is. `taken`: the answer came, and the tokens are being fetched."""

    OPEN = "open"
    TAKEN = "taken"
    DONE = "done"
    FAILED = "failed"


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A question to a person: may BluBees do this for you?

    Attributes:
        mark: hex SHA-256 of the state that the browser carries, or of the device code.
        by: who asked, as the door names them.
        digest: of what the connection was then: where tokens come from and go. Changed meanwhile: the answer does not count.
        scopes: what was asked for.
        sealed: the verifier of PKCE, or the device code.
        outcome: why it failed: a word of TokenProblem, or of ours.
    """

    tenant: TenantId
    mark: str
    connection: ConnectionName
    kind: ConnectionKind
    by: str
    digest: str
    scopes: tuple[str, ...]
    sealed: bytes
    expires_at_milliseconds: int
    state: ConsentState = ConsentState.OPEN
    outcome: str = ""

    def __repr__(self) -> str:
        """Tell nothing of what is sealed."""
        return f"Consent(connection={self.connection}, state={self.state.value})"


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What a person reads before they are sent to the vendor, and how their browser proves that it has read it.

    Attributes:
        vendor: the host to which they are sent.
        by: who asks.
        cookie, nonce: what their browser is given with the page, and must bring back with their yes.
        is_secure: cookies go over TLS only.
    """

    connection: ConnectionName
    vendor: str
    by: str
    cookie: str
    nonce: str
    is_secure: bool


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """Where a browser goes on to, and the cookie by which it is known when it comes back."""

    url: str
    cookie: str
    proof: str
    is_secure: bool

    def __repr__(self) -> str:
        """Tell nothing of the proof."""
        return "Going()"
