"""What step kinds share: reading answers, naming failures. Kinds may not import each other."""

from typing import Any, Final
from urllib.parse import quote

import orjson

from blubees.connectors.meanings import find_meaning, read_retry_after
from blubees.model.call import Call, CallAnswer, Effect, effect_of_method
from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import Tools

JSON_HEADERS: Final = (("Content-Type", "application/json"), ("Accept", "application/json"))


def is_success(answer: CallAnswer) -> bool:
    """Whether the status is 2xx."""
    return 200 <= answer.status < 300  # noqa: PLR2004 - RFC 9110


def fail_by_status(answer: CallAnswer, field: str = "") -> Failure:
    """Name the failure that an answer's status means."""
    return Failure(
        code=find_meaning(answer.status, answer.headers),
        field=field,
        http_status=answer.status,
        retry_after_seconds=read_retry_after(answer.headers),
    )


def read_json(answer: CallAnswer) -> Any | Failure:  # noqa: ANN401 - JSON
    """Read a JSON body; an empty one is None."""
    if not answer.body:
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=answer.status)


def write_json(document: object) -> bytes | Failure:
    """Write JSON; what JSON can't hold (a huge number, odd text) is a setting's fault."""
    try:
        return orjson.dumps(document, option=orjson.OPT_UTC_Z)
    except TypeError:
        return Failure(code=FailureCode.SETTING_INVALID, field="with", detail="not_json")


async def ask_jira(
    tools: Tools,
    method: str,
    path: str,
    body: object = None,
    query: tuple[tuple[str, str], ...] = (),
    *,
    field: str = "",
    effect: Effect | None = None,
) -> Any | Failure:  # noqa: ANN401 - JSON
    """Ask the tenant's Jira and give its JSON answer, or the failure its status means. `effect` None: the method's own."""
    content = b"" if body is None else write_json(body)
    if isinstance(content, Failure):
        return content
    answer = await tools.call_jira(
        Call(
            method=method,
            url=path,
            effect=effect or effect_of_method(method),
            query=query,
            headers=JSON_HEADERS,
            body=content,
        )
    )
    if isinstance(answer, Failure):
        return answer
    return read_json(answer) if is_success(answer) else fail_by_status(answer, field)


def path_to_issue(issue: str, rest: str = "") -> str:
    """Write the path of an issue: whatever stands in `issue`, it stays one part of the path."""
    part = quote(issue, safe="")
    return f"/rest/api/3/issue/{'%2E%2E' if part == '..' else '%2E' if part == '.' else part}{rest}"
