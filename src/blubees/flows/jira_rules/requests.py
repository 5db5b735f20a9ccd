"""Web requests of a rule as http steps: what was secret in them becomes a connection. Called by table.py's entries."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError, host_name
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.fields import read_reference
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.report import NeededConnection
from blubees.flows.jira_rules.secrets import HARMLESS_HEADERS, REPLACE, clean_text, clean_tree, clean_url, is_only_smart

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
URL_MAX: Final = 8_192
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_SECRET_ADDRESS: Final = "Its address is itself a secret, and a connection can't keep an address."  # noqa: S105 - a sentence


def send_request(build: Build, component: Component, note: Note) -> list[Step]:
    """Call a third party."""
    settings = component.settings
    prepare: list[Step] = []
    address = settings.get("url", settings.get("webhookUrl"))
    given = read_reference(address)[1].strip()
    cleaned = clean_url(given if len(given) <= URL_MAX else "")
    if not cleaned.url or REPLACE in cleaned.url:
        host = cleaned.host if re.fullmatch(r"[\w.:-]{1,100}", cleaned.host) else "the third party"
        raise UntranslatableError(
            _SECRET_ADDRESS if cleaned.url else f"It has no address of at most {URL_MAX} characters.",
            f"Call {host} by an http step with a connection, at an address that is no secret.",
        )
    method = read_text(settings.get("method", settings.get("httpMethod")), 20).upper() or "POST"
    made: dict[str, Any] = {"url": build.text(cleaned.url, note, prepare), "method": method if method in METHODS else "POST"}
    headers, secret_headers = _read_headers(build, settings.get("headers"), note, prepare)
    body = _read_body(build, settings, note, prepare)
    if body.get("text", "").lstrip()[:1] in {"{", "["} and "content-type" not in map(str.casefold, headers):
        headers["Content-Type"] = "application/json"  # JSON once its smart values are worked out
    made |= ({"headers": headers} if headers else {}) | body
    connection = _connect(build, cleaned.host, note, secret_headers, cleaned.parameters, has_user=cleaned.has_user)
    made |= {"connection": connection} if connection else {}
    if settings.get("continueOnErrorEnabled") is True:
        made["expect"] = "any"
    step = build.step("http", made, note, wanted="web_request")
    build.aliases["webhookResponse"] = f"steps.{step['id']}"
    if not settings.get("responseEnabled"):
        note.approximate("The run waits for the answer, and an answer other than 2xx fails it.")
    return [*prepare, step]


def _read_headers(build: Build, given: object, note: Note, prepare: list[Step]) -> tuple[dict[str, str], list[str]]:
    """The headers that are no secret, and the names of those that are."""
    kept: dict[str, str] = {}
    secret: list[str] = []
    rows = [{"name": name, "value": value} for name, value in given.items()] if isinstance(given, dict) else given
    for row in rows if isinstance(rows, list) else ():
        name = read_text(row.get("name"), 100).strip() if isinstance(row, dict) else ""
        if not _HEADER.fullmatch(name) or clean_text(name) != name:
            continue
        value = row.get("value")
        is_marked = any(row.get(mark) is True for mark in ("headerSecure", "secret", "secure", "hidden"))
        if isinstance(value, dict):
            is_marked = is_marked or value.get("secret") is True
            value = value.get("keyOrValue", value.get("value"))
        text = read_text(value, URL_MAX)
        if not is_marked and (is_only_smart(text) or name.casefold() in HARMLESS_HEADERS):
            kept[name] = build.text(text, note, prepare)
        else:
            secret.append(name)
    return kept, secret


def _connect(build: Build, host: str, note: Note, headers: list[str], parameters: list[str], *, has_user: bool) -> str:
    """List the connection that brings what was stripped; gives its name, empty for none."""
    found: list[tuple[str, str, str]] = [("basic", "", "A user name and a password")] if has_user else []
    for name in headers:
        if name.casefold() in {"authorization", "proxy-authorization"}:
            found.append(("bearer", "", "The token of the header Authorization (or a user and a password: kind basic)"))
        else:
            found.append(("api_key_header", name, f"The value of the header {name}"))
    found += [("api_key_query", name, f"The value of the query parameter {name}") for name in parameters]
    if not found:
        return ""
    if len(found) > 1:
        raise UntranslatableError(
            f"It brings {len(found)} secrets with it, and a connection brings one.",
            "Ask the address's owner for a way that needs one.",
        )
    hosts = (host.removesuffix(":443"),) if re.fullmatch(r"[\w.-]+(:\d+)?", host) else ()
    if not hosts:
        note.ask("Say which host the connection is for: the address is made of smart values.")
    kind, parameter, needs = found[0]
    return build.connect(
        NeededConnection(name=host_name(host), kind=kind, hosts=hosts, parameter=parameter, needs=f"{needs}."), note
    )


def _read_body(build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step]) -> dict[str, Any]:
    kind = read_text(settings.get("contentType", settings.get("bodyType")), 40).casefold()
    if kind in {"issue", "issue_data", "default"} or settings.get("sendIssue") is True:
        note.approximate("The issue is sent as the flow has it, which is not letter for letter what Jira sends.")
        return {"json": {"issue": "{{" + build.path("issue") + "}}"}}
    given = settings.get("customBody", settings.get("body"))
    if kind == "empty" or given in (None, ""):
        return {}
    if isinstance(given, dict | list):
        return {"json": _rename_tree(build, clean_tree(given), note, prepare)}
    text = read_text(given)
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"text": build.text(text, note, prepare)}
    cleaned = clean_tree(document)
    if cleaned != document:
        note.approximate("What looked like a secret was removed from the body.", "Give it back by a connection.")
    return (
        {"json": _rename_tree(build, cleaned, note, prepare)}
        if isinstance(cleaned, dict | list)
        else {"text": build.text(text, note, prepare)}
    )


def _rename_tree(build: Build, document: Any, note: Note, prepare: list[Step]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(document, dict):
        return {key: _rename_tree(build, value, note, prepare) for key, value in document.items()}
    if isinstance(document, list):
        return [_rename_tree(build, each, note, prepare) for each in document]
    if not isinstance(document, str):
        return document
    written = build.text(document, note, prepare)
    # in Jira the body is text first: what stands between quotes stays a text, whatever its type
    return '{{"".concat(' + written.strip()[2:-2].strip() + ")}}" if _is_one_value(written) else written


def _is_one_value(text: str) -> bool:
    return bool(re.fullmatch(r"\{\{[^{}|#^\"]*\}\}", text.strip())) and text == text.strip()
