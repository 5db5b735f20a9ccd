"""Tools of a real MCP server (the protocol's own SDK, over HTTP on loopback), in the version of today and in those before."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
import orjson
import pytest
from mcp.server.mcpserver import Image, MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.contract.check import check_connector
from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.mcp import read_mcp
from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.connectors.mcp.conversation import Conversation
from blubees.connectors.mcp.tool_call import KEPT_MILLISECONDS, list_tools
from blubees.connectors.mcp.wire import HANDSHAKES, MODERN
from blubees.model.call import Call, CallAnswer, Effect, WouldCallError
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode
from fakes.third_parties import CallingTools, Way, find_way, serve


class Weather(BaseModel):
    degrees: float
    words: str


def make_server() -> MCPServer:
    server = MCPServer("Weather house", instructions="Ask it about the weather.", version="3")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True), description="Tells the weather.\u202e reversed")
    def weather(town: str, days: int = 1) -> Weather:
        return Weather(degrees=3.5 * days, words=f"fog in {town}")

    @server.tool(structured_output=False)
    def break_it() -> str:
        raise ValueError("secret reason")

    @server.tool(structured_output=False)
    def picture() -> list[object]:
        return ["Look:", Image(data=b"\x89PNG", format="png")]

    return server


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve(lambda _: make_server().streamable_http_app()) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture
async def way(url: str) -> AsyncIterator[Way]:
    async with find_way(urlsplit(url).port or 0) as found:
        yield found


async def take(way: Way, url: str, *, trusts_hints: bool = False, version: str = "") -> Imported:
    document = await ask_tools(way, url)
    assert isinstance(document, bytes), document
    found = read_mcp(document, "house", url=url, trusts_hints=trusts_hints, is_open=True)
    assert check_connector(found.connector) == ()
    way.calls.clear()
    if not version:
        return found
    return msgspec.structs.replace(found, connector=msgspec.structs.replace(found.connector, source_version=version))


def change_tool(connector: Connector, **change: str) -> Connector:
    """Give the connector of one tool whose pin is another."""
    action = connector.actions["weather"]
    changed = msgspec.structs.replace(action, request=msgspec.structs.replace(action.request, **change))
    return msgspec.structs.replace(connector, actions={"weather": changed})


async def test_tools_become_actions(way: Way, url: str) -> None:
    document = await ask_tools(way, url)
    assert isinstance(document, bytes)
    assert way.lines == ["POST server/discover", "POST tools/list"]
    found = await take(way, url)
    connector = found.connector
    told = (connector.title, connector.description, connector.source_version)
    assert told == ("Weather house", "Ask it about the weather.", MODERN)
    weather = connector.actions["weather"]
    assert weather.description == "Tells the weather. reversed"
    assert {name: (one.schema["type"], one.is_required) for name, one in weather.inputs.items()} == {
        "town": ("string", True),
        "days": ("integer", False),
    }
    assert weather.answer.schema["properties"]["structured"]["properties"]["degrees"]["type"] == "number"
    assert found.notes == (
        "weather: Its description holds what people can't see; that was taken out. Look at this server twice.",
        "weather: The server says that it only reads. It counts as unsafe until an administrator believes that.",
    )


async def test_a_tools_effect_is_believed_only_where_an_administrator_does(way: Way, url: str) -> None:
    doubting, trusting = await take(way, url), await take(way, url, trusts_hints=True)
    assert doubting.connector.actions["weather"].effect is Effect.UNSAFE
    assert trusting.connector.actions["weather"].effect is Effect.READ
    assert trusting.connector.actions["break_it"].effect is Effect.UNSAFE


@pytest.mark.parametrize("version", [MODERN, *HANDSHAKES])
async def test_a_tool_is_called_in_every_version(way: Way, url: str, version: str) -> None:
    connector = (await take(way, url, version=version)).connector
    found = await compile_action(connector, "weather", {})({"town": "Kyiv", "days": "2"}, CallingTools(way))
    assert found == {
        "text": '{\n  "degrees": 7.0,\n  "words": "fog in Kyiv"\n}',
        "structured": {"degrees": 7.0, "words": "fog in Kyiv"},
        "content": [{"type": "text", "text": '{\n  "degrees": 7.0,\n  "words": "fog in Kyiv"\n}'}],
    }
    asked = ["POST tools/list", "POST tools/call"]
    handshake = ["POST initialize", "POST notifications/initialized", *asked, "DELETE"]
    assert way.lines == (asked if version == MODERN else handshake)
    assert [each.body for each in way.calls if each.method == "DELETE"] == ([] if version == MODERN else [b""])
    assert way.calls[-1 if version == MODERN else -2].effect is Effect.UNSAFE


async def test_what_a_tool_says_of_its_failure_is_a_failure_without_words(way: Way, url: str) -> None:
    connector = (await take(way, url)).connector
    found = await compile_action(connector, "break_it", {})({}, CallingTools(way))
    assert found == Failure(code=FailureCode.REQUEST_REFUSED, detail="tool_error")


async def test_pictures_come_as_blocks(way: Way, url: str) -> None:
    connector = (await take(way, url)).connector
    found = await compile_action(connector, "picture", {})({}, CallingTools(way))
    assert isinstance(found, dict)
    assert found["text"] == "Look:"
    assert found["content"][1] == {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}


async def test_the_list_of_tools_is_asked_for_once_in_five_minutes(way: Way, url: str) -> None:
    perform = compile_action((await take(way, url)).connector, "weather", {})
    tools = CallingTools(way)
    for _ in range(3):
        assert isinstance(await perform({"town": "Kyiv"}, tools), dict)
    assert way.lines == ["POST tools/list", *["POST tools/call"] * 3]
    way.calls.clear()
    tools.milliseconds += KEPT_MILLISECONDS
    await perform({"town": "Kyiv"}, tools)
    assert way.lines == ["POST tools/list", "POST tools/call"]


async def test_a_tool_that_is_not_the_one_of_the_import_is_not_called(way: Way, url: str) -> None:
    connector = (await take(way, url)).connector
    tools = CallingTools(way)
    perform = compile_action(change_tool(connector, tool_hash="0" * 32), "weather", {})
    for _ in range(2):
        found = await perform({"town": "Kyiv"}, tools)
        assert found == Failure(code=FailureCode.REQUEST_REFUSED, detail="tool_changed")
    found = await compile_action(change_tool(connector, tool="storm"), "weather", {})({"town": "Kyiv"}, tools)
    assert found == Failure(code=FailureCode.NOT_FOUND, detail="tool_gone")
    assert way.lines == ["POST tools/list"] * 3  # a mismatch is looked up anew: an import mends it at once


async def test_arguments_that_the_tool_does_not_take_are_refused(way: Way, url: str) -> None:
    connector = (await take(way, url)).connector
    found = await compile_action(connector, "weather", {})({}, CallingTools(way))
    assert found == Failure(code=FailureCode.INPUT_INVALID, field="with.town", detail="missing")
    bare = msgspec.structs.replace(connector.actions["weather"], inputs={})
    connector = msgspec.structs.replace(connector, actions={"weather": bare})
    found = await compile_action(connector, "weather", {})({}, CallingTools(way))
    assert isinstance(found, Failure)
    assert found.code is FailureCode.REQUEST_REFUSED


async def test_a_connection_is_needed_where_the_server_wants_one(way: Way, url: str) -> None:
    connector = msgspec.structs.replace((await take(way, url)).connector, default_auth=())
    found = await compile_action(connector, "weather", {})({"town": "Kyiv"}, CallingTools(way))
    assert found == Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection")


async def test_a_dry_run_comes_to_the_call_and_makes_it_not(way: Way, url: str) -> None:
    perform = compile_action((await take(way, url)).connector, "weather", {})

    async def send(call: Call) -> CallAnswer | Failure:
        if call.effect is not Effect.READ:
            raise WouldCallError(call)
        return await way(call)

    with pytest.raises(WouldCallError) as raised:
        await perform({"town": "Kyiv"}, CallingTools(send))
    assert orjson.loads(raised.value.call.body)["params"]["arguments"] == {"town": "Kyiv"}


async def test_a_session_that_the_server_forgot_is_opened_anew(way: Way, url: str) -> None:
    conversation = Conversation(way, Call(method="POST", url=url, effect=Effect.READ), "2025-11-25")
    assert await conversation.open() is None
    conversation._session = "forgotten"
    assert isinstance(await list_tools(conversation), list)
    assert way.lines[2:] == ["POST tools/list", "POST initialize", "POST notifications/initialized", "POST tools/list"]
    await conversation.close()
