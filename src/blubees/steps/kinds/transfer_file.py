"""Pass a file from one place to another, in pieces."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from blubees.model.call import Call, CallAnswer, Effect, Transfer, effect_of_method
from blubees.model.failures import Failure, FailureCode
from blubees.model.web import FilePart
from blubees.steps.answers import fail_by_status, is_success, read_json
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind

FILE_MAX_BYTES: Final = 5_368_709_120  # what object stores take in one request; docs/decisions/0047-files-in-pieces.md
TRANSFER_MAX_SECONDS: Final = 800.0  # a run has 900
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")  # one part of a path, whatever a smart value gave
_NO_CHECK: Final = ("X-Atlassian-Token", "no-check")  # Jira's own rule for uploads


@step_kind("transfer_file")
@dataclass(frozen=True, slots=True)
class TransferFile:
    """Pass a file from one third party to another, in pieces: it is never held whole, and may be far larger than an answer.

    It comes from `from_url` (GET, with `from_connection` and `from_headers`) or is an attachment of the tenant's own Jira
    (`from_attachment`: its id). It goes to `to_url` (`to_method`, `to_connection`, `to_headers`) as the request's body, or as
    a form's file where `form_field` names its field, with `form_fields` before it; or it becomes an attachment of an issue of
    the tenant's own Jira (`to_issue`: id or key). The source tells the file's name and type where `file_name` and
    `content_type` do not. A source or target that breaks off or answers anything but 2xx fails the step; no target is given a
    part of a file as the whole. Gives the `size` in bytes, and the target's `status` and `body` (JSON, else text).
    """

    from_url: str = ""
    from_connection: str = ""
    from_headers: dict[str, str] = field(default_factory=dict)
    from_attachment: str | int = ""
    to_url: str = ""
    to_method: Literal["POST", "PUT", "PATCH"] = "POST"
    to_connection: str = ""
    to_headers: dict[str, str] = field(default_factory=dict)
    to_issue: str | int = ""
    form_field: str = ""
    form_fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""
    content_type: str = ""
    limit_bytes: Annotated[int, Meta(ge=1, le=FILE_MAX_BYTES)] = 1_073_741_824
    timeout_seconds: Annotated[float, Meta(ge=1, le=TRANSFER_MAX_SECONDS)] = 300.0
    effect: Literal["auto", "idempotent", "keyed", "unsafe"] = "auto"

    async def perform(self, tools: Tools) -> Outcome:
        """Pass it."""
        for url, own in (("from_url", "from_attachment"), ("to_url", "to_issue")):
            text = getattr(self, url)
            if (text == "") == (getattr(self, own) == ""):
                return Failure(code=FailureCode.SETTING_INVALID, field=f"with.{url}", detail="one_of_two")
            if text.startswith("/"):
                return Failure(code=FailureCode.SETTING_INVALID, field=f"with.{url}", detail="no_url")
            if text == "" and not _ID.fullmatch(str(getattr(self, own))):
                return Failure(code=FailureCode.SETTING_INVALID, field=f"with.{own}", detail="no_id")
        asked = Transfer(source=self._write_source(), target=self._write_target(), part=self._write_form())
        found = await tools.transfer(asked)
        if isinstance(found, Failure):
            return self._name_field(found)
        if not found.is_sent or not is_success(found.answer):
            return fail_by_status(found.answer, self._name_side(is_target=found.is_sent))
        body = _read_body(found.answer)
        return body if isinstance(body, Failure) else Done({"size": found.size, "status": found.answer.status, "body": body})

    def _name_field(self, failure: Failure) -> Failure:
        """Name the setting that was given: a failure of a call knows of URLs only."""
        if failure.field not in {"with.from_url", "with.to_url"}:
            return failure
        return msgspec.structs.replace(failure, field=self._name_side(is_target=failure.field == "with.to_url"))

    def _name_side(self, *, is_target: bool) -> str:
        if is_target:
            return "with.to_url" if self.to_url else "with.to_issue"
        return "with.from_url" if self.from_url else "with.from_attachment"

    def _write_source(self) -> Call:
        common = {"timeout_seconds": self.timeout_seconds, "answer_limit_bytes": self.limit_bytes, "redirects": 5}
        if self.from_url:
            headers = tuple(self.from_headers.items())
            call = Call(method="GET", url=self.from_url, effect=Effect.READ, headers=headers, connection=self.from_connection)
        else:
            path = f"/rest/api/3/attachment/content/{self.from_attachment}"
            call = Call(method="GET", url=path, effect=Effect.READ, query=(("redirect", "false"),))
        return msgspec.structs.replace(call, **common)

    def _write_target(self) -> Call:
        effect = effect_of_method(self.to_method if self.to_url else "POST") if self.effect == "auto" else Effect(self.effect)
        method, url, headers = self.to_method, self.to_url, tuple(self.to_headers.items())
        if self.content_type and not self.form_field:
            headers = (*(pair for pair in headers if pair[0].lower() != "content-type"), ("Content-Type", self.content_type))
        if not url:
            method, url, headers = "POST", f"/rest/api/3/issue/{self.to_issue}/attachments", (_NO_CHECK,)
        return Call(
            method=method,
            url=url,
            effect=effect,
            headers=headers,
            connection=self.to_connection,
            timeout_seconds=self.timeout_seconds,
        )

    def _write_form(self) -> FilePart | None:
        name = self.form_field if self.to_url else "file"
        if not name:
            return None
        return FilePart(
            name=name, file_name=self.file_name, content_type=self.content_type, fields=tuple(self.form_fields.items())
        )


def _read_body(answer: CallAnswer) -> object:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return read_json(answer)
    return answer.body.decode("utf-8", "replace")


EXAMPLES = (
    Example(
        {
            "from_attachment": "10001",
            "to_url": "https://files.example.com/upload",
            "to_connection": "files",
            "form_field": "file",
            "form_fields": {"folder": "tickets"},
        },
        Done({"size": 4, "status": 201, "body": {"id": 7}}),
        replies=((200, "file"), (201, {"id": 7})),
        asks=("GET", "/rest/api/3/attachment/content/10001"),
    ),
    Example(
        {"from_url": "https://files.example.com/a.pdf", "to_issue": "AB-1", "file_name": "report.pdf"},
        FailureCode.CREDENTIAL_REFUSED,
        replies=((200, "file"), (403, {})),
        asks=("GET", "https://files.example.com/a.pdf"),
    ),
    Example(
        {"from_url": "https://files.example.com/gone", "to_url": "https://other.example.com/", "to_method": "PUT"},
        FailureCode.NOT_FOUND,
        replies=((404, {}),),
    ),
    Example({"from_url": "https://files.example.com/", "from_attachment": 1, "to_issue": 2}, FailureCode.SETTING_INVALID),
    Example({"from_attachment": "1/../2", "to_issue": "AB-1"}, FailureCode.SETTING_INVALID),
    Example({"from_attachment": 1}, FailureCode.SETTING_INVALID),
    Example({"from_url": "/rest/api/3/myself", "to_issue": 2}, FailureCode.SETTING_INVALID),
)
