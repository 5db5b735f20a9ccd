"""What a step asks of a third party, and what comes back. Made by step kinds; carried out by connectors/caller.py."""

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a step asks of a third party.

    Attributes:
        url: absolute for `call`; a path below the site's REST root for `call_jira` ("/rest/api/3/issue").
        query: appended, URL-encoded by us.
        connection: the connection that authorises the call; empty for none.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connection: str = ""
    timeout_seconds: float = 30.0
    answer_limit_bytes: int = 5_242_880
    redirects: int = 0


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, whatever its status: header names are lower-cased."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
