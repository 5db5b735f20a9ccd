"""What a step asks of a third party, and what comes back. Made by step kinds; carried out by connectors/caller.py."""

from enum import StrEnum

import msgspec

from blubees.model.connection import Use
from blubees.model.web import FilePart


class Effect(StrEnum):
    """What happens when a call is made twice: decides what is done when a conduit dies between the call and its answer.

    `read` changes nothing; `idempotent` comes to the same; `keyed` too, since the third party knows our Idempotency-Key;
    `unsafe` happens twice.
    """

    READ = "read"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    UNSAFE = "unsafe"


KEY_HEADER = "Idempotency-Key"
"""The header that carries our key where a third party names none of its own."""
_BY_METHOD = {
    "GET": Effect.READ,
    "HEAD": Effect.READ,
    "OPTIONS": Effect.READ,
    "PUT": Effect.IDEMPOTENT,
    "DELETE": Effect.IDEMPOTENT,
}


def effect_of_method(method: str) -> Effect:
    """What RFC 9110 says of a method; what it says nothing of is unsafe."""
    return _BY_METHOD.get(method, Effect.UNSAFE)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a third party may be called by one connection; kept by connectors/pace.py.

    Attributes:
        name: the connector's.
        calls_per_minute, at_once: 0: not known.
        remaining_header, reset_header: lower case; empty: none.
    """

    name: str
    calls_per_minute: int = 0
    at_once: int = 0
    remaining_header: str = ""
    reset_header: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a step asks of a third party.

    Attributes:
        url: absolute for `call`; a path below the site's REST root for `call_jira` ("/rest/api/3/issue").
        query: appended, URL-encoded by us.
        connection: the connection that authorises the call; empty for none.
        effect: what happens when it is made twice.
        key_header: the header that carries our key (keyed only).
        use: what a connection is used for; told by the engine, not by the step.
        pace: how fast it may be called; None: it is not known.
        parameters: what `{name}` in the URL stands for where the connection does not tell it (model/connector.py, Parameter);
            None: there is none in it.
        names_bucket: the first part of the path is a name that goes before the host, unless the connection's parameter
            `addressing` is `path` (model/action.py, Place.HOST).
    """

    method: str
    url: str
    effect: Effect
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connection: str = ""
    timeout_seconds: float = 30.0
    answer_limit_bytes: int = 5_242_880
    redirects: int = 0
    use: Use | None = None
    key_header: str = KEY_HEADER
    pace: Pace | None = None
    parameters: dict[str, str] | None = None
    names_bucket: bool = False


def is_jira_path(url: str) -> bool:
    """Whether a transfer's URL is a path of the tenant's own Jira."""
    return url.startswith("/")


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that shall go from one party's answer to another's request, in pieces.

    Attributes:
        source: its `answer_limit_bytes` bounds the file. Its `url` or the target's may be a path of the tenant's own Jira, too.
        target: without a body; its `effect` is that of the whole.
        part: the file is a part of a form; None: it is the body.
    """

    source: Call
    target: Call
    part: FilePart | None = None


class WouldCallError(Exception):
    """A dry run has come to a call that is not a mere read: it is not made."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, whatever its status: header names are lower-cased."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a transfer.

    Attributes:
        is_sent: the target was sent the whole file, or answered before; else the source answered with something else.
        answer: of the target, or of the source.
        size: bytes of the file that were sent.
    """

    is_sent: bool
    answer: CallAnswer
    size: int
