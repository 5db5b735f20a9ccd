"""The door for people in Jira: sign-offs that wait for them, the exact question, their answer. Built by main/conduit.py.

Forge's UI calls it by invokeRemote. Who the person is stands in the verified token, and nowhere else; a run of another tenant,
an unknown one, and one that asks others all look the same.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from blubees.doors.body import BodyRefusal, read_body
from blubees.doors.forge_events import TOKEN_MAX_CHARACTERS
from blubees.doors.identity import Caller, FitRefusal, FitVerifier
from blubees.doors.replies import (
    MALFORMED,
    METHOD_UI,
    NOT_FOUND,
    UNAVAILABLE,
    Reply,
    refuse_caller,
    refuse_sign_off,
    send_reply,
    tell,
)
from blubees.doors.webhooks import REFUSALS, read_headers
from blubees.engine.sign_offs import AskedSignOff, SignOffs
from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId, TenantId
from blubees.model.sign_off import AnswerSignOff, Choice, SignOffVerdict

UI_PREFIX: Final = "/forge/ui/"
_LIST: Final = "/forge/ui/sign-offs"
_ONE: Final = re.compile(r"/forge/ui/sign-offs/(r[0-9a-v]{26})/([a-z0-9_/\[\]]{1,640})")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9:_-]{1,128}")


class GivenAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person's browser sends: the choice, and the hash of the question that was shown."""

    choice: Choice
    question: str


_GIVEN = msgspec.json.Decoder(GivenAnswer)


class ForgeUiDoor:
    """ASGI endpoint."""

    def __init__(self, verifier: FitVerifier, sign_offs: SignOffs, on_token: Callable[[TenantId, str, str], None]) -> None:
        self._verifier, self._sign_offs, self._on_token = verifier, sign_offs, on_token
        self.refusals: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        try:
            reply = await self._handle(scope, receive)
        except UnavailableError:
            reply = UNAVAILABLE
        await send_reply(send, reply)

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        headers = read_headers(scope)
        caller = await self._verifier.verify(headers.get("authorization", ""), module_key=None)
        if isinstance(caller, FitRefusal):
            return self._refuse(caller)
        account = caller.principal or ""
        if not _ACCOUNT.fullmatch(account):  # an event's or a schedule's token: nobody is there
            return self._refuse(FitRefusal.CLAIMS)
        token = headers.get("x-forge-oauth-system", "")
        if 0 < len(token) <= TOKEN_MAX_CHARACTERS and token.isascii():
            self._on_token(caller.tenant, caller.cloud_id, token)
        if scope["path"] == _LIST:
            if scope["method"] != "GET":
                return METHOD_UI
            return tell({"sign_offs": await self._sign_offs.list(caller.tenant, account)})
        found = _ONE.fullmatch(scope["path"])
        if found is None:
            return NOT_FOUND
        if scope["method"] == "GET":
            return _show(await self._sign_offs.show(caller.tenant, RunId(found[1]), found[2], account))
        if scope["method"] != "POST":
            return METHOD_UI
        body = await read_body(receive, headers)
        if isinstance(body, BodyRefusal):
            return REFUSALS[body]
        return await self._take(caller, account, found, body)

    async def _take(self, caller: Caller, account: str, found: re.Match[str], body: bytes) -> Reply:
        try:
            given = _GIVEN.decode(body)
            request = AnswerSignOff(
                tenant=caller.tenant, run=found[1], path=found[2], account=account, choice=given.choice, question=given.question
            )
        except msgspec.DecodeError:
            return MALFORMED
        if not re.fullmatch(r"[0-9a-f]{64}", given.question):
            return refuse_sign_off(SignOffVerdict.CHANGED)
        done = await self._sign_offs.answer(request)
        if done.verdict is not SignOffVerdict.COUNTED:
            self.refusals[done.verdict.value] += 1
            return refuse_sign_off(done.verdict)
        return tell({"status": "counted", "ended": done.ended})

    def _refuse(self, refusal: FitRefusal) -> Reply:
        self.refusals[refusal.value] += 1
        return refuse_caller(refusal.value)


def split_forge(
    ui: Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]],
    events: Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]],
) -> Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]:
    """People's calls to one door, Forge's events to the other."""

    async def choose(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        await (ui if scope["path"].startswith(UI_PREFIX) else events)(scope, receive, send)

    return choose


def _show(found: AskedSignOff | SignOffVerdict) -> Reply:
    if isinstance(found, SignOffVerdict):
        return refuse_sign_off(found)
    return tell({**msgspec.to_builtins(found.sign_off), "question": found.question, "question_hash": found.question_hash})
