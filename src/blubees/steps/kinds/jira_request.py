"""Ask the tenant's own Jira by its REST API, for what no other kind does."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from blubees.model.call import Effect
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind

PATH: Final = re.compile(r"/rest/api/3(/[A-Za-z0-9_-]+|/\{[a-z_]+\})+")
_PART: Final = re.compile(r"\{([a-z_]+)\}")


@step_kind("jira.request")
@dataclass(frozen=True, slots=True)
class JiraRequest:
    """Call Jira's REST API, version 3, as the app, and give its JSON answer as `body`.

    `path` begins with /rest/api/3/ and holds no smart values: `{name}` stands for `parts.name`, which stays one part of the
    path whatever it holds. `effect` says what happens when the call is made twice, as in `http`; `auto` goes by the method.
    """

    path: str
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    parts: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    effect: Literal["auto", "read", "idempotent", "unsafe"] = "auto"

    async def perform(self, tools: Tools) -> Outcome:
        """Ask."""
        path = self._write_path()
        if isinstance(path, Failure):
            return path
        query = tuple((name, _write_value(value)) for name, value in self.query.items() if value is not None)
        effect = None if self.effect == "auto" else Effect(self.effect)
        answer = await ask_jira(tools, self.method, path, self.json, query, field="with.path", effect=effect)
        return answer if isinstance(answer, Failure) else Done({"body": answer})

    def _write_path(self) -> str | Failure:
        if not PATH.fullmatch(self.path):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.path", detail="no_jira_path")
        written = self.path
        for name in _PART.findall(self.path):
            value = self.parts.get(name)
            part = quote(str(value), safe="") if isinstance(value, str | int | float) else ""
            if not part or not part.strip("."):  # nothing, or a part that a server would climb by
                return Failure(code=FailureCode.SETTING_INVALID, field=f"with.parts.{name}", detail="no_path_part")
            written = written.replace(f"{{{name}}}", part)
        return written


def _write_value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


EXAMPLES = (
    Example(
        {"path": "/rest/api/3/issue/{issue}/watchers", "method": "POST", "parts": {"issue": "AB-1"}, "json": "5b10"},
        Done({"body": None}),
        replies=((204, None),),
        asks=("POST", "/rest/api/3/issue/AB-1/watchers"),
    ),
    Example(
        {"path": "/rest/api/3/issue/{issue}", "parts": {"issue": "AB-1/../x"}},
        FailureCode.NOT_FOUND,
        replies=((404, {}),),
        asks=("GET", "/rest/api/3/issue/AB-1%2F..%2Fx"),
    ),
    Example({"path": "/rest/api/3/issue/{issue}", "parts": {"issue": ".."}}, FailureCode.SETTING_INVALID),
    Example({"path": "/rest/api/3/issue/{issue}"}, FailureCode.SETTING_INVALID),
    Example({"path": "/rest/api/3/../latest/x"}, FailureCode.SETTING_INVALID),
    Example({"path": "/rest/atlassian-connect/1/app"}, FailureCode.SETTING_INVALID),
)
