"""A conversation with one MCP server: which version it speaks, its session, and asking it one thing after the other.

Made for one step (tool_call.py) or one import (importers/mcp_ask.py), and closed with it: no conduit keeps anything of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from blubees.connectors.mcp.wire import (
    HANDSHAKES,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MODERN,
    MODERN_ERRORS,
    UNSUPPORTED_VERSION,
    Headers,
    Stream,
    find_reply,
    read_session,
    read_stream,
    write_headers,
    write_initialize,
    write_notification,
    write_request,
)
from blubees.connectors.meanings import find_meaning, read_retry_after
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode

RESUMED_MAX: Final = 3  # times that one answer is taken up again
RETRY_MAX_MILLISECONDS: Final = 10_000
RETRY_MILLISECONDS: Final = 1_000
DETAIL_VERSION: Final = "protocol_version"
_GONE: Final = 404
_REFUSED: Final = 400
_OTHER_AGE: Final = frozenset({400, 404, 405, 406, 415, 422})
"""What servers of the age of handshakes answer to a request that has none."""
_PROTOCOL_DETAILS: Final = frozenset({"method_not_found", "invalid_params", "internal_error", "protocol_error"})

Send = Callable[[Call], Awaitable[CallAnswer | Failure]]
Reply = dict[str, Any]


class Conversation:
    """Asks one server.

    Args:
        send: makes a call with its credential, through the guarded web client.
        template: URL, connection, limits and pace of every call.
        version: what the server spoke when it was imported; empty: not known.

    Attributes:
        version: what it speaks. server, instructions: what it told of itself, as it came; None where it was not asked.
    """

    __slots__ = ("_number", "_send", "_session", "_template", "instructions", "server", "version")

    def __init__(self, send: Send, template: Call, version: str = "") -> None:
        self._send, self._template, self.version = send, template, version
        self._session = ""
        self._number = 0
        self.server: object = None
        self.instructions: object = None

    async def open(self) -> Failure | None:
        """Come to terms with the server, unless it is known to speak the version that needs none."""
        if self.version == MODERN:
            return None
        if not self.version:
            is_modern = await self._discover()
            if is_modern is not False:
                return None if is_modern is True else is_modern
        return await self._shake_hands()

    async def ask(
        self, method: str, params: Mapping[str, Any], *, effect: Effect = Effect.READ, name: str = "", more: Headers = ()
    ) -> Reply | Failure:
        """Ask for one thing; gives its `result`.

        A session that the server has forgotten is opened anew, and a server that turned out to speak another version is asked
        in that one; each once. Neither has done anything yet by then.
        """
        found = await self._ask(method, params, effect, name, more)
        if isinstance(found, _Renew):
            failure = await (self._shake_hands() if found.is_handshake else self._adopt(found.version))
            if failure is not None:
                return failure
            found = await self._ask(method, params, effect, name, more)
        return found.failure if isinstance(found, _Renew) else found

    async def close(self) -> None:
        """End the session, where there is one."""
        if self._session:
            headers = tuple(
                pair for pair in write_headers("", self.version, session=self._session) if pair[0] != "Content-Type"
            )
            self._session = ""
            await self._send(
                msgspec.structs.replace(self._template, method="DELETE", headers=headers, body=b"", effect=Effect.READ)
            )

    async def _discover(self) -> Failure | bool:
        """Find out whether the server speaks the modern version; it tells that it does not by refusing."""
        self.version = MODERN
        found = await self._ask("server/discover", {}, Effect.READ, "", ())
        versions = found.get("supportedVersions") if isinstance(found, dict) else None
        if isinstance(found, dict) and isinstance(versions, list) and MODERN in versions:
            meta = found.get("_meta")
            self.server = meta.get("io.modelcontextprotocol/serverInfo") if isinstance(meta, dict) else None
            self.instructions = found.get("instructions")
            return True
        self.version = ""
        if not isinstance(found, Failure):
            return False
        is_of_other_age = (
            found.code is FailureCode.ANSWER_UNREADABLE or found.http_status in _OTHER_AGE or found.detail in _PROTOCOL_DETAILS
        )
        # an outage, or a refused credential, says nothing of the server's age
        return False if is_of_other_age and found.detail != DETAIL_VERSION else found

    async def _shake_hands(self) -> Failure | None:
        self._session = ""
        self._number += 1
        number = self._number
        answer = await self._post(write_initialize(number), write_headers("initialize", ""), Effect.READ)
        if isinstance(answer, Failure):
            return answer
        self._session = read_session(answer)
        reply = await self._find_reply(answer, number)
        if isinstance(reply, Failure):
            return reply
        result = reply.get("result")
        told = result if isinstance(result, dict) else {}
        version, self.server, self.instructions = (told.get(key) for key in ("protocolVersion", "serverInfo", "instructions"))
        if version not in HANDSHAKES:
            return Failure(code=FailureCode.REQUEST_REFUSED, detail=DETAIL_VERSION)
        self.version = str(version)
        ready = write_notification("notifications/initialized")
        heard = await self._post(ready, write_headers("notifications/initialized", self.version, session=self._session))
        return heard if isinstance(heard, Failure) else None

    async def _adopt(self, version: str) -> Failure | None:
        self.version, self._session = version, ""
        return None

    async def _ask(
        self, method: str, params: Mapping[str, Any], effect: Effect, name: str, more: Headers
    ) -> "Reply | Failure | _Renew":
        self._number += 1
        number = self._number
        headers = write_headers(method, self.version, session=self._session, name=name, more=more)
        body = write_request(number, method, params, self.version)
        answer = await self._send(msgspec.structs.replace(self._template, headers=headers, body=body, effect=effect))
        if isinstance(answer, Failure):
            await self._cancel(answer, number)
            return answer
        if answer.status == _GONE and self._session:
            return _Renew(_fail(answer), is_handshake=True)
        reply = await self._find_reply(answer, number)
        if isinstance(reply, Failure):
            is_old = self.version == MODERN and answer.status in _OTHER_AGE
            return _Renew(reply, is_handshake=True) if is_old else reply
        error = reply.get("error")
        return self._judge(error, answer) if error is not None else _read_result(reply)

    def _judge(self, error: object, answer: CallAnswer) -> "Failure | _Renew":
        """Name what an error of the protocol means; its text is the server's, and stays where it is."""
        code = error.get("code") if isinstance(error, dict) else 0
        data = error.get("data") if isinstance(error, dict) else None
        if code == UNSUPPORTED_VERSION:
            spoken = data.get("supported") if isinstance(data, dict) else None
            spoken = spoken if isinstance(spoken, list) else []
            failure = Failure(code=FailureCode.REQUEST_REFUSED, http_status=answer.status, detail=DETAIL_VERSION)
            if MODERN in spoken and self.version != MODERN:
                return _Renew(failure, version=MODERN)
            return _Renew(failure, is_handshake=True) if any(each in HANDSHAKES for each in spoken) else failure
        if code == METHOD_NOT_FOUND:
            return Failure(code=FailureCode.NOT_FOUND, http_status=answer.status, detail="method_not_found")
        if code == INVALID_PARAMS:
            return Failure(code=FailureCode.REQUEST_REFUSED, http_status=answer.status, detail="invalid_params")
        if code == INTERNAL_ERROR:
            return Failure(code=FailureCode.VENDOR_BROKEN, http_status=answer.status, detail="internal_error")
        if answer.status < _REFUSED:
            return Failure(code=FailureCode.REQUEST_REFUSED, http_status=answer.status, detail="protocol_error")
        is_old = self.version == MODERN and answer.status in _OTHER_AGE and code not in MODERN_ERRORS
        return _Renew(_fail(answer), is_handshake=True) if is_old else _fail(answer)

    async def _find_reply(self, answer: CallAnswer, number: int) -> Reply | Failure:
        """Find the reply in an answer, or in what comes when its stream is taken up again."""
        for taken_up in range(RESUMED_MAX + 1):
            stream = read_stream(answer)
            reply = find_reply(stream.messages, number) if stream is not None else None
            if reply is not None:
                return reply
            if answer.status >= _REFUSED:
                return _fail(answer)
            if stream is None or not stream.last_id or taken_up == RESUMED_MAX or self.version == MODERN:
                break
            resumed = await self._resume(stream)
            if isinstance(resumed, Failure):
                return resumed
            answer = resumed
        return Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=answer.status)

    async def _resume(self, stream: Stream) -> CallAnswer | Failure:
        wait = stream.retry_milliseconds if stream.retry_milliseconds is not None else RETRY_MILLISECONDS
        await asyncio.sleep(min(wait, RETRY_MAX_MILLISECONDS) / 1_000)
        headers = tuple(
            pair for pair in write_headers("", self.version, session=self._session) if pair[0] not in {"Content-Type", "Accept"}
        )
        headers = (*headers, ("Accept", "text/event-stream"), ("Last-Event-ID", stream.last_id))
        return await self._send(
            msgspec.structs.replace(self._template, method="GET", headers=headers, body=b"", effect=Effect.READ)
        )

    async def _cancel(self, failure: Failure, number: int) -> None:
        """Tell a server with sessions that nobody waits any more; where there are none, the closed connection says it."""
        if failure.code is FailureCode.TIMEOUT and self._session:
            told = write_notification("notifications/cancelled", {"requestId": number, "reason": "timeout"})
            await self._post(told, write_headers("notifications/cancelled", self.version, session=self._session))

    async def _post(self, body: bytes, headers: Headers, effect: Effect = Effect.READ) -> CallAnswer | Failure:
        return await self._send(msgspec.structs.replace(self._template, headers=headers, body=body, effect=effect))


class _Renew(msgspec.Struct, frozen=True):
    """The server must be spoken to anew: with a handshake, or in another version.

    `failure`: what its answer means if that does not help.
    """

    failure: Failure
    is_handshake: bool = False
    version: str = ""


def _read_result(reply: Reply) -> Reply | Failure:
    result = reply.get("result")
    if not isinstance(result, dict):
        return Failure(code=FailureCode.ANSWER_UNREADABLE)
    return result


def _fail(answer: CallAnswer) -> Failure:
    detail = "insufficient_scope" if "insufficient_scope" in answer.headers.get("www-authenticate", "") else ""
    return Failure(
        code=find_meaning(answer.status, answer.headers),
        http_status=answer.status,
        retry_after_seconds=read_retry_after(answer.headers),
        detail=detail,
    )
