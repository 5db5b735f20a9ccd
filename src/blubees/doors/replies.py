"""Every answer that a conduit's doors give, ready made. The only file that knows HTTP status codes. Used by all doors."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from blubees.model.errors import BluBeesError, ConflictError, InputError, KeyDisabledError, MissingError, UnavailableError
from blubees.model.event import Admission, Verdict
from blubees.model.failures import Failure
from blubees.model.sign_off import SignOffVerdict

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SECURITY_HEADERS: Final = (
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_PHRASES: Final = {each.value: each.phrase.encode() for each in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
_ANSWER_HEADERS: Final = frozenset({"content-type", "content-language", "location", "retry-after"})


class Reply:
    """An answer, and how it looks on the wire: written once, however often it is sent."""

    __slots__ = ("body", "headers", "is_last", "status", "wire")

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.is_last = (b"connection", b"close") in headers
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        self.wire = b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, _PHRASES.get(status, b""), lines, body)

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
LOOP: Final = Reply.of_json(202, b'{"status":"loop"}')  # no error: a sender that tries again would go on with the loop
HEARD: Final = Reply.of_json(202, b'{"status":"heard"}')
MALFORMED: Final = _say(
    400, "malformed", "The body is not what its content type says. Send valid JSON, UTF-8, nested 64 deep at most."
)
NOT_FOUND: Final = _say(404, "not_found", "There is nothing here, or you may not use it.")
METHOD: Final = _say(405, "method", "Use POST.", (b"allow", b"POST"))
OVER: Final = _say(410, "over", "This address was good for one answer, and the run has gone on.")
TOO_MANY: Final = _say(429, "full", "Too much has come here already. Send again later.", (b"retry-after", b"5"))
UNAVAILABLE: Final = _say(503, "unavailable", "It could not be kept safe now. Send again later.", (b"retry-after", b"2"))
TOO_LARGE: Final = _say(413, "too_large", "The body is larger than 262,144 bytes.", (b"connection", b"close"))
CONTENT_TYPE: Final = _say(415, "content_type", "Send application/json, application/x-www-form-urlencoded or text/plain.")

STREAM_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"), *SECURITY_HEADERS],
}
"""How a stream of server-sent events begins (doors/live.py)."""


METHOD_UI: Final = _say(405, "method", "Use GET or POST.", (b"allow", b"GET, POST"))
_SIGN_OFF: Final = {
    SignOffVerdict.UNKNOWN: NOT_FOUND,
    SignOffVerdict.ANSWERED: _say(409, "answered", "You have answered otherwise before. An answer can't be changed."),
    SignOffVerdict.CHANGED: _say(409, "changed", "This is not the question that is asked now. Open it again."),
    SignOffVerdict.OVER: _say(410, "over", "This was decided already, or its time is over."),
}


def refuse_sign_off(verdict: SignOffVerdict) -> Reply:
    """Tell why an answer does not count."""
    return _SIGN_OFF[verdict]


def tell(document: object) -> Reply:
    """Tell a person in Jira something."""
    return Reply.of_json(200, msgspec.json.encode(document))


def tell_text(text: str, media_type: str = "text/plain") -> Reply:
    """Answer with the vendor's own word, which proves that the address is ours, or with what it wants to hear."""
    body = text.encode()
    kind = f"{media_type}; charset=utf-8".encode("latin-1")
    fixed = ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    return Reply(200, (*fixed, *SECURITY_HEADERS), body)


def refuse_caller(reason: str) -> Reply:
    """Refuse an invocation token: a reason class, never a detail."""
    return _say(401, reason, "The invocation token was not accepted.")


def refuse_inputs(failure: Failure) -> Reply:
    """Refuse what a flow was given: which input, and what it is instead of what is expected. No value."""
    return _say(
        422, failure.detail, f"{failure.field}: {failure.detail.replace('_', ' ')}. The flow's `inputs` say what it takes."
    )


def tell_run(admission: Admission) -> Reply:
    """Tell which run was queued."""
    return Reply.of_json(202, b'{"status":"queued","run":"%b"}' % admission.run.encode())


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
    if admission.verdict is Verdict.LOOP:
        return LOOP
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
        KeyDisabledError: 503,
    }
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send it whole, as doors/slow_clients.py takes it: ASGI's two messages cost several times as much."""
    await send({"type": "whole", "reply": reply})


def _give_answer(admission: Admission) -> Reply:
    """The flow's own answer. Its headers: a few known ones and the author's x- ones, nothing that steers the connection."""
    chosen = tuple(
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in admission.headers.items()
        if name.lower() in _ANSWER_HEADERS or name.lower().startswith("x-")
    )
    if any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in chosen):
        raise ValueError("A header's value holds a line break.")  # the step has checked them: this is the second wall
    body = b"" if admission.status in _BODILESS else admission.body
    length = (b"content-length", b"%d" % len(body))
    return Reply(admission.status, (*(() if admission.status in _BODILESS else (length,)), *SECURITY_HEADERS, *chosen), body)
