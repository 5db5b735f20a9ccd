"""A conversation with servers that are old, forgetful, slow or hostile: every answer comes to a result or to a failure without words."""

import asyncio
import json
from typing import Any

import pytest

from blubees.connectors.mcp.conversation import Conversation
from blubees.connectors.mcp.tool_call import list_tools, read_result
from blubees.connectors.mcp.wire import MODERN, encode_header, find_mirrors, read_stream, write_mirrors
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode

TEMPLATE = Call(method="POST", url="https://mcp.example/mcp", effect=Effect.READ)
INITIALIZED = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "Old"}}


class Script:
    """Answers call after call. An answer's `result` and `error` get the number of the request."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Failure | CallAnswer):
            return answer
        if isinstance(answer, bytes):
            return CallAnswer(status=200, headers={"content-type": "text/event-stream"}, body=answer)
        status, told = answer if isinstance(answer, tuple) else (200, answer)
        if told is None:
            return CallAnswer(status=status)
        number = json.loads(call.body)["id"]
        body = json.dumps({"jsonrpc": "2.0", "id": number, **told}).encode()
        return CallAnswer(status=status, headers={"content-type": "application/json"}, body=body)

    @property
    def methods(self) -> list[str]:
        return [json.loads(each.body)["method"] if each.body else each.method for each in self.calls]


def error(code: int, **data: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": "words of the server", **({"data": data} if data else {})}}


async def open_conversation(*answers: Any, version: str = "") -> tuple[Conversation, Script, Failure | None]:
    script = Script(*answers)
    conversation = Conversation(script, TEMPLATE, version)
    return conversation, script, await conversation.open()


@pytest.mark.parametrize(
    "refusal",
    [
        (200, error(-32601)),
        (400, error(-32600)),
        (400, error(-32000)),
        (404, None),
        (405, None),
        (200, error(-32022, supported=["2025-11-25"])),
        (200, {"result": {"supportedVersions": ["2025-11-25"]}}),
        CallAnswer(status=200, headers={"content-type": "text/html"}, body=b"<html>"),
    ],
)
async def test_a_server_of_before_is_greeted(refusal: Any) -> None:
    conversation, script, failure = await open_conversation(refusal, {"result": INITIALIZED}, (202, None))
    assert failure is None
    assert (conversation.version, conversation.server) == ("2025-06-18", {"name": "Old"})
    assert script.methods == ["server/discover", "initialize", "notifications/initialized"]
    assert dict(script.calls[2].headers)["MCP-Protocol-Version"] == "2025-06-18"
    assert "MCP-Protocol-Version" not in dict(script.calls[1].headers)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ((401, None), FailureCode.CREDENTIAL_REFUSED),
        ((429, None), FailureCode.BUSY),
        ((500, None), FailureCode.VENDOR_BROKEN),
        (Failure(code=FailureCode.UNREACHABLE), FailureCode.UNREACHABLE),
        ((400, error(-32022, supported=["2099-01-01"])), FailureCode.REQUEST_REFUSED),
    ],
)
async def test_what_says_nothing_of_a_servers_age_is_no_reason_to_greet_it(refusal: Any, code: FailureCode) -> None:
    _, script, failure = await open_conversation(refusal)
    assert failure is not None
    assert failure.code is code
    assert script.methods == ["server/discover"]


async def test_a_version_that_nobody_knows_is_refused() -> None:
    _, _, failure = await open_conversation({"result": {"protocolVersion": "2024-11-05"}}, version="2025-11-25")
    assert failure == Failure(code=FailureCode.REQUEST_REFUSED, detail="protocol_version")


async def test_a_server_that_went_back_in_time_is_greeted_and_asked_again() -> None:
    conversation, script, _ = await open_conversation(
        (400, error(-32000)), {"result": INITIALIZED}, (202, None), {"result": {"content": []}}, version=MODERN
    )
    found = await conversation.ask("tools/call", {"name": "a"}, effect=Effect.UNSAFE, name="a")
    assert found == {"content": []}
    assert script.methods == ["tools/call", "initialize", "notifications/initialized", "tools/call"]


async def test_a_server_that_went_on_in_time_is_asked_in_its_new_version() -> None:
    conversation, script, _ = await open_conversation(
        {"result": INITIALIZED}, (202, None), (400, error(-32022, supported=[MODERN])), {"result": {}}, version="2025-06-18"
    )
    assert await conversation.ask("tools/list", {}) == {}
    assert conversation.version == MODERN
    assert dict(script.calls[-1].headers)["Mcp-Method"] == "tools/list"
    assert "io.modelcontextprotocol/protocolVersion" in json.loads(script.calls[-1].body)["params"]["_meta"]


async def test_a_session_that_is_forgotten_each_time_ends_in_a_failure() -> None:
    greeted = CallAnswer(
        status=200,
        headers={"content-type": "application/json", "mcp-session-id": "s1"},
        body=json.dumps({"id": 1, "result": INITIALIZED}).encode(),
    )
    again = CallAnswer(status=200, headers=greeted.headers, body=json.dumps({"id": 3, "result": INITIALIZED}).encode())
    conversation, script, failure = await open_conversation(
        greeted, (202, None), (404, None), again, (202, None), (404, None), version="2025-11-25"
    )
    assert failure is None
    found = await conversation.ask("tools/call", {}, effect=Effect.UNSAFE)
    assert found == Failure(code=FailureCode.NOT_FOUND, http_status=404)
    assert script.methods.count("tools/call") == 2


async def test_a_stream_that_was_closed_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    conversation, script, _ = await open_conversation(
        {"result": INITIALIZED},
        (202, None),
        b"id: e1\nretry: 250\ndata:\n\n",
        b'id: e2\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n',
        b'id: e3\ndata: {"jsonrpc":"2.0","id":2,"result":{"content":[]}}\n\n',
        version="2025-11-25",
    )
    assert await conversation.ask("tools/call", {}, effect=Effect.UNSAFE) == {"content": []}
    assert script.methods[2:] == ["tools/call", "GET", "GET"]
    assert [dict(each.headers).get("Last-Event-ID") for each in script.calls[3:]] == ["e1", "e2"]
    assert [each.effect for each in script.calls[2:]] == [Effect.UNSAFE, Effect.READ, Effect.READ]
    assert waits == [0.25, 1.0]


async def test_a_stream_without_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        assert seconds <= 10

    monkeypatch.setattr(asyncio, "sleep", sleep)
    endless = [b"id: e1\nretry: 9999999\ndata:\n\n"] * 4
    conversation, script, _ = await open_conversation({"result": INITIALIZED}, (202, None), *endless, version="2025-11-25")
    assert await conversation.ask("tools/call", {}) == Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=200)
    assert script.answers == []


async def test_who_does_not_wait_any_more_says_so_where_there_is_a_session() -> None:
    greeted = CallAnswer(
        status=200,
        headers={"content-type": "application/json", "mcp-session-id": "s1"},
        body=json.dumps({"id": 1, "result": INITIALIZED}).encode(),
    )
    timeout = Failure(code=FailureCode.TIMEOUT)
    conversation, script, _ = await open_conversation(greeted, (202, None), timeout, (202, None), version="2025-11-25")
    assert await conversation.ask("tools/call", {}, effect=Effect.UNSAFE) == timeout
    assert json.loads(script.calls[-1].body) == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 2, "reason": "timeout"},
    }


@pytest.mark.parametrize(
    ("answer", "code", "detail"),
    [
        ((400, error(-32602)), FailureCode.REQUEST_REFUSED, "invalid_params"),
        ((200, error(-32603)), FailureCode.VENDOR_BROKEN, "internal_error"),
        ((200, error(12345)), FailureCode.REQUEST_REFUSED, "protocol_error"),
        ((200, {"error": "no object"}), FailureCode.REQUEST_REFUSED, "protocol_error"),
        ((200, {"result": [1]}), FailureCode.ANSWER_UNREADABLE, ""),
        ((400, error(-32020)), FailureCode.REQUEST_REFUSED, ""),
        (b"data: {not json\n\n", FailureCode.ANSWER_UNREADABLE, ""),
        (CallAnswer(status=200, headers={"content-type": "application/json"}, body=b"[[[["), FailureCode.ANSWER_UNREADABLE, ""),
        (
            CallAnswer(status=403, headers={"www-authenticate": 'Bearer error="insufficient_scope"'}),
            FailureCode.CREDENTIAL_REFUSED,
            "insufficient_scope",
        ),
    ],
)
async def test_every_answer_has_a_meaning(answer: Any, code: FailureCode, detail: str) -> None:
    conversation, _, _ = await open_conversation(answer, version=MODERN)
    found = await conversation.ask("tools/call", {})
    assert isinstance(found, Failure)
    assert (found.code, found.detail) == (code, detail)
    assert "words of the server" not in repr(found)


async def test_a_list_of_tools_that_leads_round_in_a_circle_ends() -> None:
    pages = [{"result": {"tools": [{"name": "a"}], "nextCursor": cursor}} for cursor in ("x", "y", "x")]
    conversation, _, _ = await open_conversation(*pages, version=MODERN)
    assert await list_tools(conversation) == Failure(code=FailureCode.ANSWER_TOO_LARGE, detail="pages")


def test_events_are_read_as_the_standard_has_it() -> None:
    body = b'\xef\xbb\xbf: hello\r\nevent: message\r\nid: 7\r\ndata: {"id": 1,\r\ndata:"result": {}}\r\n\r\nevent: other\rdata: {"id":2}\r\rdata: {"id": 3'
    found = read_stream(CallAnswer(status=200, headers={"content-type": "text/event-stream; charset=utf-8"}, body=body))
    assert found is not None
    assert (found.messages, found.last_id) == ([{"id": 1, "result": {}}], "7")


@pytest.mark.parametrize("identity", [b"a\r\nX-Evil: 1", b"a\x00b", "ü".encode(), b"x" * 2_000])
def test_an_event_id_that_can_be_no_header_is_none(identity: bytes) -> None:
    found = read_stream(
        CallAnswer(status=200, headers={"content-type": "text/event-stream"}, body=b"id: " + identity + b"\ndata: {}\n\n")
    )
    assert found is not None
    assert found.last_id in {"", "a"}


def test_arguments_are_mirrored_into_headers_where_the_tool_says_so() -> None:
    schema = {
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}},
            "plain": {"type": "string"},
        }
    }
    mirrors = find_mirrors(schema)
    assert mirrors is not None
    assert dict(write_mirrors(mirrors, {"region": "Grüße\r\n", "deep": {"count": 3}, "plain": "x"})) == {
        "Mcp-Param-Region": "=?base64?R3LDvMOfZQ0K?=",
        "Mcp-Param-Count": "3",
    }
    assert encode_header("=?base64?AA==?=") == "=?base64?PT9iYXNlNjQ/QUE9PT89?="
    for bad in (
        {"x-mcp-header": "A"},
        {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A: b"}}},
        {"properties": {"a": {"items": {"type": "string", "x-mcp-header": "A"}}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}},
    ):
        assert find_mirrors(bad) is None


def test_a_result_is_read_block_by_block() -> None:
    found = read_result(
        {
            "content": [
                {"type": "text", "text": "one", "annotations": {}},
                {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "in it"}},
                {"type": "resource", "resource": {"uri": "file:///b", "blob": "AA=="}},
                {"type": "resource_link", "uri": "https://a.example", "name": "a"},
                {"type": "text", "text": "two"},
                "no block",
            ],
            "structuredContent": [1],
        }
    )
    assert isinstance(found, dict)
    assert found["text"] == "one\ntwo"
    assert found["structured"] == [1]
    assert found["content"][1] == {"type": "resource", "text": "in it", "mimeType": "text/plain", "uri": "file:///a"}
    assert found["content"][2] == {"type": "resource", "uri": "file:///b", "data": "AA=="}
    assert read_result({"resultType": "input_required", "inputRequests": {}}) == Failure(
        code=FailureCode.REQUEST_REFUSED, detail="input_required"
    )
    assert read_result({"content": "text"}) == Failure(code=FailureCode.ANSWER_UNREADABLE)
