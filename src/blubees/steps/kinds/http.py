"""Call any third party by HTTP."""

import base64
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

from msgspec import Meta

from blubees.model.call import Call, CallAnswer, Effect, effect_of_method
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import fail_by_status, is_success, read_json, write_json
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("http")
@dataclass(frozen=True, slots=True)
class Http:
    """Call a URL and give its answer as `status`, `headers` and `body`.

    At most one of `json`, `form` and `text` is the request's body. `connection` names the connection whose credential is
    added, for its own hosts only. The answer's body is read by its content type (JSON, form, text; anything else as base64),
    or as `answer` says. A status other than 2xx fails the step unless `expect` is `any`.
    `effect` says what happens when the call is made twice, which matters when a process dies in between: `auto` goes by the
    method (GET reads, PUT and DELETE are idempotent, the rest is unsafe); `keyed` sends an Idempotency-Key that stays the same.
    """

    url: str
    method: Annotated[str, Meta(pattern="^[A-Z]{1,20}$")] = "GET"
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, Any] | None = None
    text: str | None = None
    connection: str = ""
    timeout_seconds: Annotated[float, Meta(ge=0.1, le=120)] = 30.0
    answer: Literal["auto", "json", "text"] = "auto"
    answer_limit_bytes: Annotated[int, Meta(ge=1, le=5_242_880)] = 5_242_880
    expect: Literal["success", "any"] = "success"
    redirects: Annotated[int, Meta(ge=0, le=5)] = 0
    effect: Literal["auto", "read", "idempotent", "keyed", "unsafe"] = "auto"

    async def perform(self, tools: Tools) -> Outcome:
        """Make the call."""
        written = self._write_body()
        if isinstance(written, Failure):
            return written
        kind, body = written
        headers = tuple((name, value) for name, value in self.headers.items())
        if kind and not any(name.lower() == "content-type" for name in self.headers):
            headers = (*headers, ("Content-Type", kind))
        answer = await tools.call(
            Call(
                method=self.method,
                url=self.url,
                effect=effect_of_method(self.method) if self.effect == "auto" else Effect(self.effect),
                query=_write_pairs(self.query),
                headers=headers,
                body=body,
                connection=self.connection,
                timeout_seconds=self.timeout_seconds,
                answer_limit_bytes=self.answer_limit_bytes,
                redirects=self.redirects,
            )
        )
        if isinstance(answer, Failure):
            return answer
        if self.expect == "success" and not is_success(answer):
            return fail_by_status(answer, "with.url")
        content = _read_body(answer, self.answer)
        if isinstance(content, Failure):
            return content
        return Done({"status": answer.status, "headers": answer.headers, "body": content})

    def _write_body(self) -> tuple[str, bytes] | Failure:
        given = [name for name in ("json", "form", "text") if getattr(self, name) is not None]
        if len(given) > 1:
            return Failure(code=FailureCode.SETTING_INVALID, field=f"with.{given[1]}", detail="two_bodies")
        if self.form is not None:
            return "application/x-www-form-urlencoded", urlencode(_write_pairs(self.form)).encode()
        if self.text is not None:
            return "text/plain; charset=utf-8", self.text.encode("utf-8", "replace")
        if self.json is None:
            return "", b""
        body = write_json(self.json)
        return body if isinstance(body, Failure) else ("application/json", body)


def _write_pairs(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Write query or form fields: a list repeats its name, null leaves it out, true and false are words."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            pairs += [] if each is None else [(name, text)]
    return tuple(pairs)


def _read_body(answer: CallAnswer, how: str) -> Any | Failure:  # noqa: ANN401 - JSON
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if how == "json" or (how == "auto" and (kind == "application/json" or kind.endswith("+json"))):
        return read_json(answer)
    if how == "text" or kind.startswith("text/") or kind.endswith(("+xml", "/xml")) or not answer.body:
        return answer.body.decode("utf-8", "replace")
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(answer.body.decode("utf-8", "replace"), keep_blank_values=True))
    return base64.b64encode(answer.body).decode()


EXAMPLES = (
    Example(
        {"url": "https://api.example.com/a", "method": "POST", "json": {"a": 1}},
        Done({"status": 201, "headers": {"content-type": "application/json"}, "body": {"id": 7}}),
        replies=((201, {"id": 7}),),
        asks=("POST", "https://api.example.com/a"),
    ),
    Example({"url": "https://api.example.com/a"}, FailureCode.BUSY, replies=((429, {}),)),
    Example({"url": "https://api.example.com/a"}, FailureCode.ANSWER_UNREADABLE, replies=((200, "{not json"),)),
    Example(
        {"url": "https://api.example.com/a", "expect": "any"},
        Done({"status": 404, "headers": {"content-type": "application/json"}, "body": {}}),
        replies=((404, {}),),
    ),
    Example({"url": "https://api.example.com/a", "json": 1, "text": "a"}, FailureCode.SETTING_INVALID),
)
