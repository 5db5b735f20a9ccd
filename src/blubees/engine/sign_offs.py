"""Shows people the exact question that a parked run asks, takes their answers, and writes comments that mention them.

Used by doors/forge_ui.py and main/conduit.py. The question is opened from the customer's Jira each time, and held by nobody.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from blubees.connectors.adf_text import to_adf
from blubees.engine.park import Parker
from blubees.engine.questions import read_question
from blubees.model.failures import Failure
from blubees.model.ids import RunId, TenantId
from blubees.model.order import Notify
from blubees.model.sign_off import (
    AnswerSignOff,
    ListSignOffs,
    Notice,
    ShowSignOff,
    SignOff,
    SignOffDone,
    SignOffList,
    SignOffShown,
    SignOffVerdict,
)
from blubees.ports import SignOffDesk

COMMENTS_LOOKED_AT: Final = 50
_WORDS: Final = {
    Notice.ASK: "your sign-off is asked for:",
    Notice.REMIND: "a reminder: your sign-off is asked for:",
    Notice.ESCALATE: "nobody has decided this yet, and your sign-off is asked for:",
}


class AskedSignOff(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-off with its exact question: payload. `question_hash`: what an answer must name."""

    sign_off: SignOff
    question: str
    question_hash: str

    def __repr__(self) -> str:
        """Tell nothing of the question."""
        return f"AskedSignOff(run={self.sign_off.run})"


class SignOffs:
    """The conduit's side of sign-offs."""

    def __init__(self, desk: SignOffDesk, parker: Parker) -> None:
        self._desk, self._parker = desk, parker

    async def list(self, tenant: TenantId, account: str) -> tuple[SignOff, ...]:
        """What waits for a person. Raises UnavailableError."""
        found = await self._desk.ask(ListSignOffs(tenant=tenant, account=account))
        return found.sign_offs if isinstance(found, SignOffList) else ()

    async def show(self, tenant: TenantId, run: RunId, path: str, account: str) -> AskedSignOff | SignOffVerdict:
        """Open the question for a person who may answer it. Raises UnavailableError."""
        found = await self._desk.ask(ShowSignOff(tenant=tenant, run=run, path=path, account=account))
        if not isinstance(found, SignOffShown):
            return found.verdict if isinstance(found, SignOffDone) else SignOffVerdict.UNKNOWN
        question = await self._open(tenant, found)
        if question is None:  # the run is on its way with something else, or its values are gone
            return SignOffVerdict.CHANGED
        return AskedSignOff(sign_off=found.sign_off, question=question, question_hash=found.question)

    async def answer(self, request: AnswerSignOff) -> SignOffDone:
        """Hand in a person's answer. Raises UnavailableError."""
        found = await self._desk.ask(request)
        return found if isinstance(found, SignOffDone) else SignOffDone(verdict=SignOffVerdict.UNKNOWN)

    async def notify(self, order: Notify) -> None:
        """Write the comment that tells people, unless it is there already. Raises UnavailableError."""
        tenant = TenantId(order.tenant)
        found = await self._desk.ask(ShowSignOff(tenant=tenant, run=order.run, path=order.path))
        if not isinstance(found, SignOffShown) or found.question != order.question or not found.slot.issue:
            return
        question = await self._open(tenant, found)
        if question is None or not found.pending:
            return
        place = f"/rest/api/3/issue/{found.slot.issue}/comment"
        mark = "BB-" + hashlib.sha256(f"{order.question}|{order.number}".encode()).hexdigest()[:12]
        newest = await self._parker.ask(tenant, "GET", f"{place}?orderBy=-created&maxResults={COMMENTS_LOOKED_AT}")
        if isinstance(newest, Failure) or mark.encode() in newest.body:  # refused: it would be again; there: told already
            return
        body = _write_comment(order.notice, found, question, mark)
        await self._parker.ask(tenant, "POST", place, orjson.dumps({"body": body}))

    async def _open(self, tenant: TenantId, shown: SignOffShown) -> str | None:
        run, path = RunId(shown.sign_off.run), shown.sign_off.path
        message = await self._parker.read(tenant, run, shown.ordinal, shown.slot)
        wait = message.state.waits.get(path) if message is not None else None
        if message is None or wait is None or wait.rule is None:
            return None
        return read_question(message.state.notes.get(path), wait.rule, (tenant, run, path), shown.question)


def _write_comment(notice: Notice, shown: SignOffShown, question: str, mark: str) -> dict[str, Any]:
    """Mentions, the exact question as a quotation, until when; and the mark by which we see that it was written."""
    mentions: list[dict[str, Any]] = []
    for account in shown.pending:
        mentions += [{"type": "mention", "attrs": {"id": account}}, {"type": "text", "text": " "}]
    until = datetime.fromtimestamp(shown.sign_off.due_milliseconds / 1_000, UTC)
    needed, approved = shown.sign_off.needed, shown.sign_off.approved
    count = f" {approved} of {needed} have approved." if needed > 1 else ""
    last = f"Answer in BluBees, under Sign-offs, until {until:%Y-%m-%d %H:%M} UTC.{count} ({mark})"
    return {
        "version": 1,
        "type": "doc",
        "content": [
            {"type": "paragraph", "content": [*mentions, {"type": "text", "text": _WORDS[notice]}]},
            {"type": "blockquote", "content": to_adf(question)["content"]},
            {"type": "paragraph", "content": [{"type": "text", "text": last}]},
        ],
    }
