"""Tells what a document is, and has its importer read it. Called by main/import_worker.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blubees.connectors.importers.documents import read_document
from blubees.connectors.importers.graphql import read_graphql
from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.mcp import ANYONE, read_mcp
from blubees.connectors.importers.openapi.reader import is_openapi, read_openapi
from blubees.model.connector import AuthScheme, Connector
from blubees.model.errors import InputError

_SDL_WORDS: Final = (
    b"type",
    b"schema",
    b"scalar",
    b"interface",
    b"union",
    b"enum",
    b"input",
    b"directive",
    b"extend",
    b'"""',
    b"#",
)
_LOOKED_AT: Final = 65_536
MCP: Final = "mcp"


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a document besides what it says: as ImportOrder has it (ports/connectors.py)."""

    sort: str = ""
    is_open: bool = False
    trusts_hints: bool = False
    auth: Mapping[str, AuthScheme] = field(default_factory=dict)


NOTHING_TOLD: Final = Told()


def import_document(
    content: bytes,
    name: str,
    *,
    url: str = "",
    files: Mapping[str, bytes] | None = None,
    base_url: str = "",
    title: str = "",
    told: Told = NOTHING_TOLD,
    earlier: Connector | None = None,
) -> Imported:
    """Make a connector of a document.

    Args:
        name: the connector's.
        url: where it comes from; files: those that it refers to, by URL.
        base_url: instead of what the document says; a GraphQL schema needs it: it names no endpoint.
        title: instead of the document's.
        told: what is known of it besides.
        earlier: what an earlier import made.

    Raises:
        InputError: nothing that we read, or past a limit. NeedsFilesError: it refers to files that are not given.
    """
    if told.sort == MCP:
        return _import_mcp(content, name, base_url or url, title, told, earlier)
    if _looks_like_sdl(content):
        return _import_graphql(content, name, base_url, title, told, earlier)
    document: Any = read_document(content)
    if isinstance(document, dict) and (
        "__schema" in document or (isinstance(document.get("data"), dict) and "__schema" in document["data"])
    ):
        del document
        return _import_graphql(content, name, base_url, title, told, earlier)
    if _looks_like_tools(document):
        del document
        return _import_mcp(content, name, base_url, title, told, earlier)
    if not is_openapi(document):
        raise InputError("The document is none of OpenAPI, Swagger 2.0, GraphQL or a list of MCP tools. Give one of these.")
    return read_openapi(document, name, url=url, files=files, base_url=base_url, earlier=earlier)


def _import_graphql(content: bytes, name: str, endpoint: str, title: str, told: Told, earlier: Connector | None) -> Imported:
    if not endpoint:
        raise InputError("A GraphQL schema names no endpoint. Say where queries go: --base-url https://…")
    return read_graphql(content, name, endpoint=endpoint, title=title, is_open=told.is_open, earlier=earlier)


def _import_mcp(content: bytes, name: str, url: str, title: str, told: Told, earlier: Connector | None) -> Imported:
    if not url:
        raise InputError("A list of tools names no server. Say where it is: --base-url https://…")
    return read_mcp(
        content,
        name,
        url=url,
        title=title,
        trusts_hints=told.trusts_hints,
        is_open=told.is_open,
        auth=told.auth or ANYONE,
        earlier=earlier,
    )


def _looks_like_tools(document: object) -> bool:
    """The answer to MCP's tools/list, with or without the message around it."""
    held = document.get("result", document) if isinstance(document, dict) else None
    tools = held.get("tools") if isinstance(held, dict) and "openapi" not in held and "swagger" not in held else None
    return isinstance(tools, list) and all(isinstance(each, dict) and "inputSchema" in each for each in tools[:3])


def _looks_like_sdl(content: bytes) -> bool:
    """A schema of GraphQL has a definition at the beginning of a line; YAML has a colon after such a word."""
    for line in content[:_LOOKED_AT].splitlines():
        words = line.split(None, 2)
        if not words or words[0].startswith((b"#", b'"')):
            continue
        return len(words) > 1 and words[0] in _SDL_WORDS and not words[1].startswith(b":")
    return False
