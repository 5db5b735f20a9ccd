"""Servers of a document as base URLs, their variables as parameters of a connection. Used by openapi/reader.py."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from blubees.connectors.importers.names import to_name, to_text, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.refs import MAIN
from blubees.model.connector import Parameter

HOST: Final = "host"
HOST_PATTERN: Final = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?"
LABEL_PATTERN: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
PATH_PATTERN: Final = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
PORT_PATTERN: Final = r"[0-9]{1,5}"
CHOICES_MAX: Final = 200
_NAMED: Final = re.compile(r"\{([^{}]*)\}")
_GOOD: Final = re.compile(r"https?://[^/?#@\s\\]+(/[^?#\s\\]*)?")


class Server(NamedTuple):
    """A base URL with `{parameters}`, and these."""

    base_url: str
    parameters: dict[str, Parameter]


def read_servers(given: object, url: str, notes: Notes) -> Server:
    """Choose the first server that can be used, those with https before others.

    One that is relative lies where the document does; where that is not known either, the connection tells its host.
    """
    servers = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    read = [found for each in servers[:50] if (found := _read_server(each, url)) is not None]
    if not read:
        found = _read_server({"url": "/"}, url)
        read = [found] if found is not None else []
    best = min(read, key=lambda each: not each.base_url.startswith("https://"), default=Server("", {}))
    if len(servers) > 1:
        notes.tell("", f"The document has {len(servers)} servers; {best.base_url} is used. Another one: --base-url.")
    if best.base_url.startswith("http://"):
        best = best._replace(base_url=f"https://{best.base_url.removeprefix('http://')}")
        notes.tell("", "The document says http; calls go over https. A server of your own without it: --base-url.")
    return best


def write_swagger_servers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write Swagger 2.0's host, basePath and schemes as servers."""
    host, path = document.get("host"), document.get("basePath")
    base = path if isinstance(path, str) else ""
    if not isinstance(host, str) or not host:
        return [{"url": base or "/"}]
    schemes = document.get("schemes")
    known = [each for each in schemes if each in {"https", "http"}] if isinstance(schemes, list) else []
    return [{"url": f"{each}://{host}{base}"} for each in known or ["https"]]


def check_base_url(text: str) -> str:
    """Check a base URL that a person gave; gives it without a slash at its end. Raises ValueError with the sentence."""
    if not _GOOD.fullmatch(text) or "{" in text:
        raise ValueError("A base URL is https://host, perhaps with a port and a path; no query, no user.")
    return text.rstrip("/")


def _read_server(server: Mapping[str, Any], url: str) -> Server | None:
    text = server.get("url")
    if not isinstance(text, str) or not text.isprintable() or len(text) > 2_000:  # noqa: PLR2004 - no URL is longer
        return None
    given = server.get("variables")
    variables = {key: each for key, each in given.items() if isinstance(each, dict)} if isinstance(given, dict) else {}
    text = _fix_scheme(text, variables)
    parameters: dict[str, Parameter] = {}
    if text.startswith("//"):
        text = f"https:{text}"
    if not re.match(r"https?://", text):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
            return None
        if url and url != MAIN:
            text = urljoin(url, text)
        else:
            parameters[HOST] = Parameter(
                title="Host", description="Where your server is.", example="api.example.com", pattern=HOST_PATTERN
            )
            text = f"https://{{{HOST}}}/" + text.lstrip("/")
    text = text.partition("?")[0].partition("#")[0].rstrip("/")
    names: dict[str, str] = {}
    for match in _NAMED.finditer(text):
        if match[1] in parameters or match[1] in names:
            continue
        name = to_name(match[1]) or "value"
        while name in parameters:
            name = f"{name[:60]}_2"
        names[match[1]] = name
        parameters[name] = _read_variable(match[1], name, variables.get(match[1], {}), text, match.start())
    text = _NAMED.sub(lambda match: f"{{{names.get(match[1], match[1])}}}", text)
    return Server(text, parameters) if _GOOD.fullmatch(text) and ".." not in text else None


def _fix_scheme(text: str, variables: Mapping[str, Mapping[str, Any]]) -> str:
    """A variable that is the scheme, or the whole server, is no parameter: it says https, or its default."""
    match = re.match(r"\{([^{}]*)\}://", text)
    if match:
        return "https://" + text[match.end() :]
    match = re.match(r"\{([^{}]*)\}(?=/|$)", text)
    default = variables.get(match[1], {}).get("default") if match else None
    if match and isinstance(default, str) and re.match(r"https?://", default):
        return default.rstrip("/") + text[match.end() :]
    return text


def _read_variable(wire_name: str, name: str, variable: Mapping[str, Any], text: str, at: int) -> Parameter:
    """A variable of the host is a label, or the whole host; one of the path is a path. None leads to another place."""
    after = text.partition("://")[2]
    end_of_host = len(text) - len(after) + len(after.partition("/")[0])
    host = after.partition("/")[0]
    if at >= end_of_host:
        pattern = PATH_PATTERN
    elif host == f"{{{wire_name}}}" or host.startswith(f"{{{wire_name}}}:"):
        pattern = HOST_PATTERN
    else:
        pattern = PORT_PATTERN if text[:at].endswith(":") else r"[A-Za-z0-9]([A-Za-z0-9.-]{0,100}[A-Za-z0-9])?"
    matching = re.compile(pattern)
    listed = variable.get("enum")
    choices = (
        tuple(str(each) for each in listed if matching.fullmatch(str(each)))[:CHOICES_MAX] if isinstance(listed, list) else ()
    )
    default = str(variable.get("default", "")).strip("/")
    if not matching.fullmatch(default) or (choices and default not in choices):
        default = ""
    examples = {HOST_PATTERN: "api.example.com", PATH_PATTERN: "v1", PORT_PATTERN: "443"}
    return Parameter(
        title=to_title(wire_name.replace("_", " ").replace("-", " ").capitalize(), name),
        description=to_text(variable.get("description"), 300),
        example="" if default or choices else examples.get(pattern, "example"),
        pattern=pattern,
        choices=choices,
        default=default,
    )


def host_of(url: str) -> str:
    """The host and port of a URL; empty where it has none."""
    return urlsplit(url).netloc.lower()
