"""Calling one tool of an MCP server: is it still the one that the flow was published with, then the call, then its result.

Compiled once for a published flow by connectors/actions; performed by each run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from blubees.connectors.mcp.conversation import Conversation, Send
from blubees.connectors.mcp.definition import hash_tool
from blubees.connectors.mcp.wire import Mirrors, find_mirrors, write_mirrors
from blubees.model.action import Action
from blubees.model.call import Call
from blubees.model.failures import Failure, FailureCode

PAGES_MAX: Final = 100  # of a list of tools
KEPT_MILLISECONDS: Final = 300_000  # how long it is believed that a server's tools are as they were: docs/decisions/0050
CONNECTIONS_MAX: Final = 100
TOOL_CHANGED: Final = "tool_changed"
TOOL_GONE: Final = "tool_gone"
TOOL_ERROR: Final = "tool_error"
INPUT_REQUIRED: Final = "input_required"
_BLOCK_KEYS: Final = ("type", "text", "data", "mimeType", "uri", "name", "title", "description")


class ToolMemory:
    """Remembers for some minutes what a connection was told of a server's tools: their hashes, no values.

    Part of one compiled action, so of one tenant.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Mapping[str, str]]] = {}

    def recall(self, connection: str, now_milliseconds: int) -> Mapping[str, str] | None:
        """Give the tools' hashes by name; None: they must be asked for."""
        until, hashes = self._known.get(connection, (0, {}))
        return hashes if now_milliseconds < until else None

    def keep(self, connection: str, hashes: Mapping[str, str], now_milliseconds: int) -> None:
        """Remember them."""
        if len(self._known) >= CONNECTIONS_MAX:
            self._known.clear()
        self._known[connection] = (now_milliseconds + KEPT_MILLISECONDS, hashes)


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """A tool's call, compiled.

    Attributes:
        tool: the server's name of it.
        tool_hash: of its definition when it was imported; empty: it is not looked at again.
        version: what the server spoke then.
        mirrors: which arguments go into headers, too.
    """

    tool: str
    tool_hash: str
    version: str
    mirrors: Mirrors
    memory: ToolMemory

    async def perform(self, send: Send, call: Call, now: Callable[[], int]) -> Any | Failure:  # noqa: ANN401 - JSON
        """Call the tool.

        Args:
            send: makes a call with its credential.
            call: the action's call; its body is the arguments as a JSON object.
            now: UTC milliseconds since 1970.
        """
        conversation = Conversation(send, call, self.version)
        failure = await conversation.open()
        if failure is not None:
            return failure
        found = await self._check(conversation, call, now())
        if found is None:
            found = await self._call(conversation, call)
        await conversation.close()
        return found

    async def _check(self, conversation: Conversation, call: Call, now_milliseconds: int) -> Failure | None:
        """See that the tool is the one that the flow was published with."""
        if not self.tool_hash:
            return None
        known = self.memory.recall(call.connection, now_milliseconds)
        if known is None or known.get(self.tool) != self.tool_hash:
            listed = await list_tools(conversation)
            if isinstance(listed, Failure):
                return listed
            known = {str(each.get("name")): hash_tool(each) for each in listed}
            self.memory.keep(call.connection, known, now_milliseconds)
        if self.tool not in known:
            return Failure(code=FailureCode.NOT_FOUND, detail=TOOL_GONE)
        return None if known[self.tool] == self.tool_hash else Failure(code=FailureCode.REQUEST_REFUSED, detail=TOOL_CHANGED)

    async def _call(self, conversation: Conversation, call: Call) -> Any | Failure:  # noqa: ANN401 - JSON
        arguments = orjson.loads(call.body) if call.body else {}
        more = write_mirrors(self.mirrors, arguments)
        params = {"name": self.tool, "arguments": arguments}
        found = await conversation.ask("tools/call", params, effect=call.effect, name=self.tool, more=more)
        return found if isinstance(found, Failure) else read_result(found)


def compile_tool(action: Action, version: str) -> ToolPlan:
    """Compile a tool's call.

    Args:
        version: what the server spoke when it was imported: the connector's `source_version`.
    """
    request = action.request
    schema = {"properties": {each.at[0]: each.schema for each in action.inputs.values() if len(each.at) == 1}}
    return ToolPlan(
        tool=request.tool, tool_hash=request.tool_hash, version=version, mirrors=find_mirrors(schema) or (), memory=ToolMemory()
    )


async def list_tools(conversation: Conversation) -> list[dict[str, Any]] | Failure:
    """Ask for all tools, page by page."""
    tools: list[dict[str, Any]] = []
    cursor = ""
    seen = {""}
    for _ in range(PAGES_MAX):
        found = await conversation.ask("tools/list", {"cursor": cursor} if cursor else {})
        if isinstance(found, Failure):
            return found
        page = found.get("tools")
        if not isinstance(page, list):
            return Failure(code=FailureCode.ANSWER_UNREADABLE)
        tools += [each for each in page if isinstance(each, dict)]
        following = found.get("nextCursor")
        if not isinstance(following, str) or not following:
            return tools
        if following in seen:
            break  # it leads round in a circle
        seen.add(following)
        cursor = following
    return Failure(code=FailureCode.ANSWER_TOO_LARGE, detail="pages")


def read_result(result: Mapping[str, Any]) -> Any | Failure:  # noqa: ANN401 - JSON
    """Read a tool's result: `text` (all its texts), `structured`, and `content` block by block."""
    if result.get("resultType") == INPUT_REQUIRED:
        return Failure(code=FailureCode.REQUEST_REFUSED, detail=INPUT_REQUIRED)
    if result.get("isError") is True:
        return Failure(code=FailureCode.REQUEST_REFUSED, detail=TOOL_ERROR)
    content = result.get("content", [])
    if not isinstance(content, list):
        return Failure(code=FailureCode.ANSWER_UNREADABLE)
    blocks = [_read_block(each) for each in content if isinstance(each, dict)]
    texts = [each["text"] for each in blocks if each.get("type") == "text" and isinstance(each.get("text"), str)]
    return {"text": "\n".join(texts), "structured": result.get("structuredContent"), "content": blocks}


def _read_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Read one block; of an embedded resource what is in it stands beside its type."""
    inner = block.get("resource")
    told = {**inner, "type": "resource"} if isinstance(inner, dict) else block
    read = {key: told[key] for key in _BLOCK_KEYS if key in told}
    return {**read, "data": told["blob"]} if "blob" in told else read
