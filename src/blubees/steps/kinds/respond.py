"""Answer the caller of a webhook."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import write_json
from blubees.steps.contract import Answer, Example, Outcome, Tools, step_kind

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,2000}")


@step_kind("respond")
@dataclass(frozen=True, slots=True)
class Respond:
    """Answer the webhook's caller, who waits for it; steps after this one are performed all the same.

    `json` or `text` is the body; `status` 200 to 599; `headers`: content-type, content-language, location, retry-after and x-….
    """

    status: Annotated[int, Meta(ge=200, le=599)] = 200
    json: Any = None
    text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    async def perform(self, _tools: Tools) -> Outcome:
        """Write the answer."""
        if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in self.headers.items()):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.headers")
        if self.json is not None and self.text is not None:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.text", detail="json_and_text")
        if self.text is not None:
            body: bytes | Failure = self.text.encode("utf-8", "replace")
            kind = "text/plain; charset=utf-8"
        else:
            body = write_json(self.json)
            kind = "application/json"
        if isinstance(body, Failure):
            return body
        return Answer(self.status, {"content-type": kind, **{k.lower(): v for k, v in self.headers.items()}}, body)


EXAMPLES = (
    Example({"json": {"ok": True}}, Answer(200, {"content-type": "application/json"}, b'{"ok":true}')),
    Example({"status": 418, "text": "no"}, Answer(418, {"content-type": "text/plain; charset=utf-8"}, b"no")),
    Example({"headers": {"x-a": "1\r\nset-cookie: a"}}, FailureCode.SETTING_INVALID),
)
