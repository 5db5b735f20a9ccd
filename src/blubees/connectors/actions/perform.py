"""Compiles an action, and performs it. Called by steps/actions.py, which makes a step kind of it, and by trials."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from blubees.connectors.actions.answers import AnswerPlan, compile_answer
from blubees.connectors.actions.pages import NextPage, PagePlan, Send
from blubees.connectors.actions.piping import SourcePlan, pipe
from blubees.connectors.actions.request import RequestPlan, compile_request, compile_takers, take_inputs
from blubees.connectors.mcp.tool_call import ToolPlan, compile_tool
from blubees.model.action import PageKind
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connector import Connector, Speaks
from blubees.model.failures import Failure, FailureCode

CONNECTION: Final = "connection"
JIRA_APP: Final = "jira_app"
_SITE: Final = re.compile(r"https?://[^/]+(/ex/jira/[^/]+)?")
"""What stands before the path of a Jira site: the site's own address, or the gateway's."""


class CallTools(Protocol):
    """What performing an action needs: calls, and the time."""

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's own Jira as the app."""
        ...

    def now_milliseconds(self) -> int:
        """The time, UTC since 1970."""
        ...


Perform = Callable[[Mapping[str, Any], CallTools], Awaitable[Any | Failure]]
"""Performs an action: its inputs, and `connection`; gives what the action gives, or the failure."""


@dataclass(frozen=True, slots=True)
class CompiledAction:
    """An action ready to perform.

    Attributes:
        needs_connection: it can't be called without one.
        app_prefix: where it is the app itself that calls, unless a connection is given: what stands before the path of its
            tenant's Jira; None: it is not.
    """

    name: str
    effect: Effect
    request: RequestPlan
    answer: AnswerPlan
    pages: PagePlan | None
    needs_connection: bool
    app_prefix: str | None

    async def perform(self, given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
        """Perform it; a failure names the input or says what the third party's answer means."""
        connection = given.get(CONNECTION) or ""
        if self.needs_connection and not connection:
            return Failure(code=FailureCode.CONNECTION_MISSING, field=f"with.{CONNECTION}")
        send = tools.call if connection or self.app_prefix is None else _call_as_app(tools, len(self.app_prefix))
        if self.pages is not None:
            return await self.pages.perform(given, connection, send, tools.now_milliseconds)
        built = self.request.build_with_file(given, connection)
        if isinstance(built, Failure):
            return built
        call, body = built
        if body is not None and body.piped is not None:
            if self.app_prefix is not None and not connection:
                call = msgspec.structs.replace(call, url=call.url[len(self.app_prefix) :])
            return await pipe(body.piped, body.part, call, self.answer, tools, tools.now_milliseconds())
        answer = await send(call)
        if isinstance(answer, Failure):
            return answer
        found = self.answer.read(answer, tools.now_milliseconds())
        return found if isinstance(found, Failure) else self.answer.give(found)


@dataclass(frozen=True, slots=True)
class CompiledTool:
    """A tool of an MCP server, ready to be called: what its inputs make of a body are its arguments."""

    request: RequestPlan
    plan: ToolPlan
    needs_connection: bool

    async def perform(self, given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
        """Call it."""
        connection = given.get(CONNECTION) or ""
        if self.needs_connection and not connection:
            return Failure(code=FailureCode.CONNECTION_MISSING, field=f"with.{CONNECTION}")
        call = self.request.build(given, connection)
        if isinstance(call, Failure):
            return call
        return await self.plan.perform(tools.call, call, tools.now_milliseconds)


def compile_action(connector: Connector, name: str, hooks: Mapping[str, Callable[..., Any]]) -> Perform:
    """Compile an action; gives what performs it.

    Args:
        hooks: the functions of the connector's Python twin; none for a connector that was imported.

    Raises:
        KeyError: the connector has no such action, or its twin no such function.
    """
    action = connector.actions[name]
    if action.request.hook:
        return _compile_hooked(connector, name, hooks[action.request.hook])
    if connector.speaks is Speaks.MCP:
        plan = compile_tool(action, connector.source_version)
        return CompiledTool(compile_request(connector, action), plan, needs_connection(connector, name)).perform
    request, answer = compile_request(connector, action), compile_answer(connector, action)
    pages = None
    if action.pages is not None:
        next_page: NextPage | None = hooks[action.pages.hook] if action.pages.kind is PageKind.HOOK else None
        pages = PagePlan(action.pages, request, answer, next_page)
    return CompiledAction(
        name=f"{connector.name}.{name}",
        effect=action.effect,
        request=request,
        answer=answer,
        pages=pages,
        needs_connection=needs_connection(connector, name),
        app_prefix=_find_app_prefix(request.template.url) if is_called_as_app(connector, name) else None,
    ).perform


def _compile_hooked(connector: Connector, name: str, hook: Perform) -> Perform:
    """Compile an action that the Python twin performs: it is given its inputs as their forms ask for them."""
    takers = compile_takers(connector, connector.actions[name])
    needs = needs_connection(connector, name)

    async def perform(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
        connection = given.get(CONNECTION) or ""
        if needs and not connection:
            return Failure(code=FailureCode.CONNECTION_MISSING, field=f"with.{CONNECTION}")
        taken = take_inputs(takers, given)
        return taken if isinstance(taken, Failure) else await hook({**taken, CONNECTION: connection}, tools)

    return perform


def needs_connection(connector: Connector, name: str) -> bool:
    """Whether an action can't be called without a connection."""
    alternatives = connector.actions[name].auth or connector.default_auth or tuple((each,) for each in connector.auth)
    return bool(alternatives) and all(
        names and not all(connector.auth[each].kind == JIRA_APP for each in names) for names in alternatives
    )


def is_called_as_app(connector: Connector, name: str) -> bool:
    """Whether the app itself may call: one of the alternatives is the tenant's own Jira."""
    alternatives = connector.actions[name].auth or connector.default_auth or tuple((each,) for each in connector.auth)
    return any(names and all(connector.auth[each].kind == JIRA_APP for each in names) for names in alternatives)


def _find_app_prefix(base_url: str) -> str:
    found = _SITE.match(base_url)
    return found[0] if found is not None else ""


def _call_as_app(tools: CallTools, prefix_length: int) -> Send:
    async def send(call: Call) -> CallAnswer | Failure:
        return await tools.call_jira(msgspec.structs.replace(call, url=call.url[prefix_length:]))

    return send


def compile_source(connector: Connector, name: str) -> SourcePlan:
    """Compile an action that gives a file, as the source of another's. Raises KeyError: there is none that can be one."""
    action = connector.actions[name]
    if not action.answer.is_file or action.request.hook:
        raise KeyError(name)
    request = compile_request(connector, action)
    return SourcePlan(
        request=request,
        answer=compile_answer(connector, action),
        needs_connection=needs_connection(connector, name),
        app_prefix=_find_app_prefix(request.template.url) if is_called_as_app(connector, name) else None,
    )
