"""The tools of an MCP server, made into a connector: each tool is an action. Called by the import machinery.

Everything that a server says of its tools is a stranger's text: it is cleaned, bounded, and believed only where an
administrator says so. How a server is asked: mcp_ask.py.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.names import choose_input_name, choose_names, to_name, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.stranger_forms import StrangeFormError, StrangeForms
from blubees.connectors.importers.untrusted import clean_line, clean_text, has_unseen
from blubees.connectors.mcp.definition import hash_tool
from blubees.connectors.mcp.wire import find_mirrors
from blubees.model.action import Action, ActionInput, Answer, Content, Limits, Place, Request, Schema
from blubees.model.call import Effect
from blubees.model.connector import AuthScheme, Connector, Speaks
from blubees.model.errors import InputError

DOCUMENT_MAX_BYTES: Final = 16_777_216  # docs/decisions/0050
TOOL: Final = "tool"
TOOLS_MAX: Final = 2_000  # docs/decisions/0050
INPUTS_MAX: Final = 200
TOOL_NAME_MAX_CHARACTERS: Final = 200
TIMEOUT_SECONDS: Final = 120.0  # tools may think
NO_TRIAL: Final = "The protocol has no call that only tests a credential; listing the tools at import does it."
_CONTENT: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "text, image, audio, resource or resource_link"},
            "text": {"type": "string"},
            "data": {"type": "string", "contentEncoding": "base64"},
            "mimeType": {"type": "string"},
            "uri": {"type": "string"},
            "name": {"type": "string"},
        },
    },
}
ANYONE: Final = {"token": AuthScheme(kind="bearer"), "key": AuthScheme(kind="api_key_header")}


def read_mcp(
    document: bytes | str,
    name: str,
    *,
    url: str,
    title: str = "",
    trusts_hints: bool = False,
    is_open: bool = False,
    auth: Mapping[str, AuthScheme] = ANYONE,
    earlier: Connector | None = None,
) -> Imported:
    """Make a connector of a server's tools.

    Args:
        document: JSON: `tools`, and perhaps `serverInfo`, `instructions`, `protocolVersion` (as mcp_ask.py writes it), or the
            answer to tools/list; 16,777,216 bytes at most.
        url: the server's endpoint.
        trusts_hints: whether an administrator believes what the server says of its tools' effects (`readOnlyHint`,
            `idempotentHint`). Else every tool is unsafe.
        is_open: whether it can be called without a connection, too: it told its tools to one who showed no credential.
        auth: how it is authorised, where that was found out (mcp/discovery.py).
        earlier: what an earlier import made: its names of actions stay.

    Raises:
        InputError: it is no list of tools, or larger than allowed (2,000 tools).

    Source: docs/decisions/0050.
    """
    told = _read_document(document)
    server = told.get("serverInfo")
    said: Mapping[str, Any] = server if isinstance(server, dict) else {}
    notes = Notes()
    base, path = (url[:-1], "/") if url.endswith("/") else (url, "")
    actions, schemas = _make_actions(told["tools"], notes, earlier, path, trusts_hints=trusts_hints)
    connector = Connector(
        name=name,
        title=clean_line(title) or clean_line(said.get("title")) or clean_line(said.get("name")) or to_title(None, name),
        description=clean_text(told.get("instructions")) or clean_text(said.get("description")),
        base_url=base,
        speaks=Speaks.MCP,
        auth=dict(auth),
        default_auth=((), *((each,) for each in auth)) if is_open else (),
        limits=Limits(timeout_seconds=TIMEOUT_SECONDS),
        actions=actions,
        schemas=schemas,
        exemptions={"trial": NO_TRIAL},
        source="mcp",
        source_version=clean_line(told.get("protocolVersion"), 20),
    )
    return Imported(connector=connector, notes=notes.list(), left_out=len(told["tools"]) - len(actions))


def _make_actions(
    tools: list[Any], notes: Notes, earlier: Connector | None, path: str, *, trusts_hints: bool
) -> tuple[dict[str, Action], dict[str, Schema]]:
    actions: dict[str, Action] = {}
    schemas: dict[str, Schema] = {}
    known = {(TOOL, each.request.tool): key for key, each in (earlier.actions if earlier is not None else {}).items()}
    named = {str(tool.get("name", "")): tool for tool in tools if isinstance(tool, dict)}
    wanted = [((TOOL, name), to_name(name) or TOOL) for name in named]
    for (_, name), key in choose_names(wanted, known).items():
        own: dict[str, Schema] = {}
        try:
            actions[key] = _make_action(named[name], key, own, path, trusts_hints=trusts_hints)
        except StrangeFormError as error:
            notes.tell(f"tool {name}", f"It is left out: {error.reason}.")
            continue
        schemas |= own
        for warning in _list_warnings(named[name], trusts_hints=trusts_hints):
            notes.tell(key, warning)
    return actions, schemas


def _read_document(document: bytes | str) -> dict[str, Any]:
    data = document.encode("utf-8", "replace") if isinstance(document, str) else document
    if len(data) > DOCUMENT_MAX_BYTES:
        raise InputError(f"mcp: the document has {len(data):,} bytes, allowed {DOCUMENT_MAX_BYTES:,}.")
    try:
        told: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InputError("mcp: the document is no JSON. Give the answer to tools/list, or the server's URL.") from None
    if isinstance(told, dict) and isinstance(told.get("result"), dict):
        told = told["result"]
    if isinstance(told, list):
        told = {"tools": told}
    if not isinstance(told, dict) or not isinstance(told.get("tools"), list):
        raise InputError("mcp: the JSON holds no list `tools`. Give the answer to tools/list, or the server's URL.")
    if len(told["tools"]) > TOOLS_MAX:
        raise InputError(f"mcp: the server has {len(told['tools']):,} tools, allowed {TOOLS_MAX:,}.")
    return told


def _make_action(tool: Mapping[str, Any], key: str, schemas: dict[str, Schema], path: str, *, trusts_hints: bool) -> Action:
    name, form = tool.get("name"), tool.get("inputSchema", {})
    if not isinstance(name, str) or not 0 < len(name) <= TOOL_NAME_MAX_CHARACTERS or has_unseen(name):
        raise StrangeFormError("its name is missing, too long, or holds what people can't see")
    if not isinstance(form, dict):
        raise StrangeFormError("its inputSchema is no object")
    execution = tool.get("execution")
    if isinstance(execution, dict) and execution.get("taskSupport") == "required":
        raise StrangeFormError("it can only be called as a task (2025-11-25), which is not spoken here")
    if find_mirrors(form) is None:
        raise StrangeFormError("its inputSchema marks arguments for headers against the rules of the protocol")
    hints = tool.get("annotations") if isinstance(tool.get("annotations"), dict) else {}
    forms = StrangeForms(key, schemas)
    given = tool.get("outputSchema")
    return Action(
        title=clean_line(tool.get("title")) or clean_line((hints or {}).get("title")) or to_title(None, to_name(name)),
        description=clean_text(tool.get("description")),
        inputs=_read_inputs(forms.read(form)),
        request=Request(method="POST", path=path, content=Content.JSON, tool=name, tool_hash=hash_tool(tool)),
        answer=Answer(content=Content.JSON, schema=_write_result(forms.read(given) if isinstance(given, dict) else {})),
        effect=_choose_effect(hints or {}) if trusts_hints else Effect.UNSAFE,
    )


def _read_inputs(form: Schema) -> dict[str, ActionInput]:
    properties, required = form.get("properties", {}), form.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise StrangeFormError("its inputSchema has `properties` or `required` of another form than JSON Schema's")
    if len(properties) > INPUTS_MAX:
        raise StrangeFormError(f"it has {len(properties):,} arguments, allowed {INPUTS_MAX}")
    inputs: dict[str, ActionInput] = {}
    for wire_name, one in properties.items():
        schema = one if isinstance(one, dict) else {}
        inputs[choose_input_name("input", wire_name, inputs)] = ActionInput(
            schema=schema,
            place=Place.BODY,
            at=(wire_name,),
            is_required=wire_name in required,
            title=clean_line(schema.get("title")) or to_title(None, to_name(wire_name)),
            description=clean_text(schema.get("description")),
            is_deprecated=schema.get("deprecated") is True,
        )
    return inputs


def _write_result(structured: Schema) -> Schema:
    text = {"type": "string", "description": "All texts of the result"}
    return {"type": "object", "properties": {"text": text, "structured": structured, "content": _CONTENT}}


def _choose_effect(hints: Mapping[str, Any]) -> Effect:
    if hints.get("readOnlyHint") is True:
        return Effect.READ
    return Effect.IDEMPOTENT if hints.get("idempotentHint") is True else Effect.UNSAFE


def _list_warnings(tool: Mapping[str, Any], *, trusts_hints: bool) -> list[str]:
    warnings = []
    if any(has_unseen(tool.get(what)) for what in ("title", "description")):
        warnings.append("Its description holds what people can't see; that was taken out. Look at this server twice.")
    hints = tool.get("annotations")
    if not trusts_hints and isinstance(hints, dict) and _choose_effect(hints) is not Effect.UNSAFE:
        told = "only reads" if hints.get("readOnlyHint") is True else "may be repeated"
        warnings.append(f"The server says that it {told}. It counts as unsafe until an administrator believes that.")
    return warnings
