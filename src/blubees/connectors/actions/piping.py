"""Files that go from an action to another in pieces: `{from: jira.get_attachment_content, with: {…}}` as an input of type file.

Compiled with the step that takes the file (steps/actions.py), performed as one transfer. Source: docs/decisions/0042.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import msgspec

from blubees.connectors.actions.answers import AnswerPlan
from blubees.connectors.actions.request import RequestPlan
from blubees.model.call import Call, Transfer, Transferred
from blubees.model.failures import Failure, FailureCode
from blubees.model.web import FilePart

FROM, WITH = "from", "with"
FILE_MAX_BYTES: Final = 1_073_741_824
TRANSFER_SECONDS: Final = 300.0


@runtime_checkable
class TransferTools(Protocol):
    """Tools that can pass files: those of a step."""

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file."""
        ...


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """An action that gives a file, ready to be asked.

    Attributes:
        app_prefix: as in perform.py.
    """

    request: RequestPlan
    answer: AnswerPlan
    needs_connection: bool
    app_prefix: str | None

    def build(self, given: Mapping[str, Any], place: str) -> Call | Failure:
        """Build the call that asks for the file. `place`: the setting in which the source stands."""
        connection = given.get("connection") or ""
        if self.needs_connection and not connection:
            return Failure(code=FailureCode.CONNECTION_MISSING, field=f"{place}.{WITH}.connection")
        call = self.request.build(given, connection)
        if isinstance(call, Failure):
            inner = call.field.removeprefix(WITH)
            return msgspec.structs.replace(call, field=f"{place}.{WITH}{inner}")
        if self.app_prefix is not None and not connection:
            call = msgspec.structs.replace(call, url=call.url[len(self.app_prefix) :], pace=None)
        return msgspec.structs.replace(
            call, timeout_seconds=TRANSFER_SECONDS, answer_limit_bytes=FILE_MAX_BYTES, redirects=5, effect=call.effect
        )


@dataclass(frozen=True, slots=True)
class PipedFile:
    """A file that another action gives when the request is made. Only a flow's own text can name it, never a value."""

    is_piped: ClassVar[bool] = True

    plan: SourcePlan
    given: Mapping[str, Any]
    place: str


async def pipe(
    file: PipedFile, part: FilePart | None, target: Call, answer: AnswerPlan, tools: object, now_milliseconds: int
) -> Any | Failure:
    """Pass a file; gives what the taking action gives, or whose failure it is."""
    if not isinstance(tools, TransferTools):
        return Failure(code=FailureCode.SETTING_INVALID, field=file.place, detail="no_transfer")
    source = file.plan.build(file.given, file.place)
    if isinstance(source, Failure):
        return source
    target = msgspec.structs.replace(target, timeout_seconds=TRANSFER_SECONDS)
    passed = await tools.transfer(Transfer(source=source, target=target, part=part))
    if isinstance(passed, Failure):
        field = {"with.from_url": file.place, "with.to_url": ""}.get(passed.field, passed.field)
        return msgspec.structs.replace(passed, field=field)
    if not passed.is_sent:
        refused = file.plan.answer.read(passed.answer, now_milliseconds)
        unread = Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=passed.answer.status)
        return msgspec.structs.replace(refused if isinstance(refused, Failure) else unread, field=file.place)
    found = answer.read(passed.answer, now_milliseconds)
    return found if isinstance(found, Failure) else answer.give(found)
