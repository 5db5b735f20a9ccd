"""Every answer that a conduit's doors give, ready made. The only file that knows HTTP status codes. Used by all doors."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.model.errors import BluBeesError, ConflictError, InputError, MissingError, UnavailableError
from blubees.model.event import Admission, Verdict

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SECURITY_HEADERS: Final = (
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_ANSWER_HEADERS: Final = frozenset({"content-type", "content-language", "location", "retry-after"})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as ASGI sends it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def of_json(cls, status: int, body: bytes, *more: tuple[bytes, bytes]) -> "Reply":
        """Make one with a JSON body."""
        fixed = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
        return cls(status, (*fixed, *SECURITY_HEADERS, *more), body)


def _say(status: int, code: str, sentence: str, *more: tuple[bytes, bytes]) -> Reply:
    return Reply.of_json(status, f'{{"error":"{code}","message":"{sentence}"}}'.encode(), *more)


QUEUED: Final = Reply.of_json(202, b'{"status":"queued"}')
DUPLICATE: Final = Reply.of_json(202, b'{"status":"duplicate"}')
UNMATCHED: Final = Reply.of_json(202, b'{"status":"unmatched"}')
HEARD: Final = Reply.of_json(202, b'{"status":"heard"}')
MALFORMED: Final = _say(
    400, "malformed", "The body is not what its content type says. Send valid JSON, UTF-8, nested 64 deep at most."
)
NOT_FOUND: Final = _say(404, "not_found", "There is nothing here, or you may not use it.")
METHOD: Final = _say(405, "method", "Use POST.", (b"allow", b"POST"))
TOO_SLOW: Final = _say(408, "too_slow", "The request took too long to arrive.", (b"connection", b"close"))
TOO_LARGE: Final = _say(413, "too_large", "The body is larger than 262,144 bytes.", (b"connection", b"close"))
CONTENT_TYPE: Final = _say(415, "content_type", "Send application/json, application/x-www-form-urlencoded or text/plain.")


def refuse_caller(reason: str) -> Reply:
    """Refuse an invocation token: a reason class, never a detail."""
    return _say(401, reason, "The invocation token was not accepted.")


def reply_to(admission: Admission) -> Reply:
    """Turn the intake's answer into HTTP."""
    if admission.verdict is Verdict.QUEUED:
        return QUEUED
    if admission.verdict is Verdict.ANSWERED:
        return _give_answer(admission)
    if admission.verdict is Verdict.DUPLICATE:
        return DUPLICATE
    if admission.verdict is Verdict.UNMATCHED:
        return UNMATCHED
    after = (b"retry-after", str(max(1, admission.retry_after_seconds)).encode())
    if admission.verdict is Verdict.FULL:
        return _say(429, "full", "Too many runs wait already. Send again later.", after)
    return _say(503, "unavailable", "The run could not be kept safe now. Send again later.", after)


def status_of(error: BluBeesError) -> int:
    """Give the status of an error of ours, for the operator API."""
    kinds: Mapping[type[BluBeesError], int] = {
        InputError: 422,
        MissingError: 404,
        ConflictError: 409,
        UnavailableError: 503,
    }
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send it."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


def _give_answer(admission: Admission) -> Reply:
    """The flow's own answer. Its headers: a few known ones and the author's x- ones, nothing that steers the connection."""
    chosen = tuple(
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in admission.headers.items()
        if name.lower() in _ANSWER_HEADERS or name.lower().startswith("x-")
    )
    length = (b"content-length", b"%d" % len(admission.body))
    return Reply(admission.status, (length, *SECURITY_HEADERS, *chosen), admission.body)
