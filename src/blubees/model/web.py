"""A call to a third party and its answer, as nouns. Made by connectors/caller.py; carried out by the web client port."""

import hashlib
from collections.abc import AsyncIterator
from enum import StrEnum

import msgspec

from blubees.model.ids import TenantId


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are towards a server that asks for our certificate (mutual TLS). In memory only; never printed.

    Attributes:
        chain: PEM: our certificate first, then those of the authorities between it and the root.
        private_key: PEM, not encrypted: it travels in a lease, which is.
    """

    chain: str
    private_key: str

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of both: connections made as one client are never used as another."""
        return hashlib.sha256(f"{self.chain}\0{self.private_key}".encode()).hexdigest()

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return "ClientCertificate()"


class WebRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One outgoing call, ready to send.

    Attributes:
        tenant: whose call it is: connections, their share and circuit breakers are each tenant's own. Empty: BluBees' own.
        is_ours: the host is not of the tenant's choice (its own Jira): its rules of hosts do not hold.
        url: absolute; https, or http to an explicitly allowed loopback port.
        headers: pairs, in order; names and values without CR, LF or NUL.
        timeout_seconds: for the whole call, 0.1 to 120; 900 for bodies in pieces.
        answer_limit_bytes: after decompression; more is refused while reading.
        redirects: how many may be followed; each is guarded like the first call, and credentials stay with their host.
        client_certificate: shown to the first call's host only, where it asks for one.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout_seconds: float = 30.0
    answer_limit_bytes: int = 5_242_880
    redirects: int = 0
    client_certificate: ClientCertificate | None = None
    tenant: TenantId = TenantId("")
    is_ours: bool = False


class WebAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: status, headers (names lower-cased; a repeated one is joined with ", "), the body, decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes


class WebProblem(StrEnum):
    """Why no answer came back."""

    REFUSED_ADDRESS = "refused_address"
    REFUSED_SCHEME = "refused_scheme"
    REFUSED_URL = "refused_url"
    REFUSED_HOST = "refused_host"
    REFUSED_HEADER = "refused_header"
    CROWDED = "crowded"
    CIRCUIT_OPEN = "circuit_open"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CLIENT_CERTIFICATE = "client_certificate"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BROKEN_ANSWER = "broken_answer"
    CUT_OFF = "cut_off"


class WebFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No answer: the problem and a detail from a closed list (such as the deny table's row), never a value.

    Attributes:
        retry_after_seconds: when it may go better, 0 where that is not known.
    """

    problem: WebProblem
    detail: str = ""
    retry_after_seconds: float = 0.0


class FilePart(msgspec.Struct, frozen=True, kw_only=True):
    """The file's part of a multipart/form-data body; the fields come before it.

    Attributes:
        name: the form field's name.
        file_name: empty: as the source tells it.
        content_type: "type/subtype", with parameters or without; empty: as the source tells it.
    """

    name: str
    file_name: str = ""
    content_type: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class SentBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request's body that is sent as it comes.

    Attributes:
        pieces: asked for one after the other, each when the other side has taken what came before.
        length: of all pieces together; None: not known, so the body is sent in chunks.
        part: it is sent as a file of a form; None: it is the body.
    """

    pieces: AsyncIterator[bytes]
    length: int | None = None
    part: FilePart | None = None


class BrokenOffError(Exception):
    """A body that came in pieces ended before its end."""

    def __init__(self, failure: WebFailure) -> None:
        super().__init__()
        self.failure = failure
