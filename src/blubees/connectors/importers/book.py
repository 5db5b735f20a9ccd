"""Tells what a document is, and has its importer read it. Called by main/import_worker.py."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.connectors.importers.documents import read_document
from blubees.connectors.importers.graphql import import_graphql
from blubees.connectors.importers.imported import Imported
from blubees.connectors.importers.openapi.reader import is_openapi, read_openapi
from blubees.model.connector import Connector
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


def import_document(
    content: bytes,
    name: str,
    *,
    url: str = "",
    files: Mapping[str, bytes] | None = None,
    base_url: str = "",
    title: str = "",
    earlier: Connector | None = None,
) -> Imported:
    """Make a connector of a document.

    Args:
        name: the connector's.
        url: where it comes from; files: those that it refers to, by URL.
        base_url: instead of what the document says; a GraphQL schema needs it: it names no endpoint.
        title: instead of the document's.
        earlier: what an earlier import made.

    Raises:
        InputError: nothing that we read, or past a limit. NeedsFilesError: it refers to files that are not given.
    """
    if _looks_like_sdl(content):
        return _import_graphql(content, name, base_url, title)
    document: Any = read_document(content)
    if isinstance(document, dict) and (
        "__schema" in document or (isinstance(document.get("data"), dict) and "__schema" in document["data"])
    ):
        del document
        return _import_graphql(content, name, base_url, title)
    if not is_openapi(document):
        raise InputError("The document is none of OpenAPI, Swagger 2.0 or GraphQL. Give one of these.")
    return read_openapi(document, name, url=url, files=files, base_url=base_url, earlier=earlier)


def _import_graphql(content: bytes, name: str, endpoint: str, title: str) -> Imported:
    if not endpoint:
        raise InputError("A GraphQL schema names no endpoint. Say where queries go: --base-url https://…")
    return Imported(connector=import_graphql(content, name=name, title=title, endpoint=endpoint))


def _looks_like_sdl(content: bytes) -> bool:
    """A schema of GraphQL has a definition at the beginning of a line; YAML has a colon after such a word."""
    for line in content[:_LOOKED_AT].splitlines():
        words = line.split(None, 2)
        if not words or words[0].startswith((b"#", b'"')):
            continue
        return len(words) > 1 and words[0] in _SDL_WORDS and not words[1].startswith(b":")
    return False
