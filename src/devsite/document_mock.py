"""A mock of any OpenAPI 3 document: `python -m devsite.document_mock FILE --port 8791`. Knows nothing of blubees.

Every request is checked against the document by openapi-core, a reader of its own: path, parameters in their styles, body and
security. A good one is answered by the document's own example, or by a value made of its schema; a bad one with 400 and what is
wrong. Each is told on standard output.
"""

import argparse
import json
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

try:
    from openapi_core import OpenAPI
    from openapi_core.datatypes import RequestParameters
    from openapi_core.exceptions import OpenAPIError
except ImportError:  # a development tool: not part of the product's own dependencies
    sys.exit("The mock needs openapi-core, which `make setup` installs.")
from werkzeug.datastructures import Headers, ImmutableMultiDict

DEPTH_MAX: Final = 6
BODY_MAX_BYTES: Final = 10_485_760
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_TEXTS: Final = {
    "date": "2026-11-24",
    "date-time": "2026-11-24T10:00:00Z",
    "uuid": "6f1c1f0e-5b9a-4c7d-9a39-3d3f0f5c8a11",
    "uri": "https://example.com/",
    "email": "ada@example.com",
}


class MockRequest:
    """One request as openapi-core wants it."""

    def __init__(self, url: str, method: str, headers: Headers, body: bytes) -> None:
        parts = urlsplit(url)
        self.host_url = f"{parts.scheme}://{parts.netloc}"
        self.path = unquote(parts.path)
        self.path_pattern: str | None = None
        self.method = method.lower()
        self.body = body or None
        self.content_type = headers.get("Content-Type", "")
        cookies = dict(pair.strip().split("=", 1) for pair in headers.get("Cookie", "").split(";") if "=" in pair)
        query = ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=headers, cookie=ImmutableMultiDict(cookies))


class DocumentMock:
    """Answers requests as a document says."""

    def __init__(self, document: dict[str, Any], origin: str) -> None:
        base = urlsplit(_first_server(document)).path.rstrip("/")
        document = _loosen(document)
        self._document = {**document, "servers": [{"url": origin + base}, {"url": origin}]}
        self._document["paths"] = {path: _without_servers(item) for path, item in document.get("paths", {}).items()}
        self._origin = origin
        self._reader = OpenAPI.from_dict(self._document)
        self.seen: list[tuple[str, str, int]] = []

    def answer(self, method: str, target: str, headers: Headers, body: bytes) -> tuple[int, str, bytes]:
        """Answer one request: status, content type, body."""
        request = MockRequest(self._origin + target, method, headers, body)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about security schemes that it does not check
                self._reader.unmarshal_request(request).raise_for_errors()
            status, kind, content = self._find_answer(request)
        except OpenAPIError as error:
            status, kind = 400, "application/json"
            content = json.dumps({"error": type(error).__name__, "reasons": _list_reasons(error)}).encode()
        self.seen.append((method, target, status))
        return status, kind, content

    def _find_answer(self, request: MockRequest) -> tuple[int, str, bytes]:
        from openapi_core.templating.paths.finders import APICallPathFinder  # noqa: PLC0415 - where it finds operations

        finder = APICallPathFinder(self._reader.spec, base_url=None)
        operation = finder.find(request.method, request.host_url + request.path).operation.read_value()
        responses = operation.get("responses", {})
        status, response = min(
            responses.items(), key=lambda each: (not str(each[0]).startswith("2"), str(each[0])), default=("204", {})
        )
        response = self._resolve(response)
        number = int(status) if str(status).isdecimal() else 200
        content = response.get("content") or {}
        if not content:
            return number, "", b""
        kind = next((each for each in content if "json" in each), next(iter(content)))
        media = self._resolve(content[kind])
        value = self._example_of(media)
        return number, kind, json.dumps(value).encode() if "json" in kind else str(value).encode()

    def _example_of(self, media: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        if "example" in media:
            return media["example"]
        for each in (media.get("examples") or {}).values():
            return self._resolve(each).get("value")
        return self._make(media.get("schema", {}), 0)

    def _make(self, schema: Any, depth: int) -> Any:  # noqa: ANN401 - JSON; a case a word of JSON Schema
        schema = self._resolve(schema)
        for key in ("example", "const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("examples"):
            return schema["examples"][0]
        if schema.get("enum"):
            return schema["enum"][0]
        made: dict[str, Any] = {}
        for part in schema.get("allOf", ()):
            value = self._make(part, depth)
            if not isinstance(value, dict):
                return value
            made |= value
        for key in ("oneOf", "anyOf"):
            if schema.get(key):
                value = self._make(schema[key][0], depth)
                return made | value if isinstance(value, dict) else value
        kinds = schema.get("type")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if kind == "array":
            return [self._make(schema.get("items", {}), depth + 1)] if depth < DEPTH_MAX else []
        if kind in {None, "object"} or "properties" in schema:
            if depth < DEPTH_MAX:
                made |= {name: self._make(each, depth + 1) for name, each in schema.get("properties", {}).items()}
            return made
        low = schema.get("minimum", 1)
        text = _TEXTS.get(schema.get("format", ""), "text".ljust(schema.get("minLength", 0), "x"))
        return {"string": text, "integer": int(low), "number": float(low), "boolean": True, "null": None}.get(kind, text)

    def _resolve(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        for _ in range(32):
            if not isinstance(value, dict) or "$ref" not in value:
                break
            found: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            value = found
        return value if isinstance(value, dict) else {}


def read_document(path: Path) -> dict[str, Any]:
    """Read a document, JSON or YAML."""
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - safe but for what dates are
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        sys.exit("The mock reads OpenAPI 3.")
    return document


class _Loader(yaml.CSafeLoader):
    """YAML without dates: examples are texts."""


_Loader.yaml_implicit_resolvers = {
    letter: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for letter, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def make_server(document: dict[str, Any], port: int) -> tuple[ThreadingHTTPServer, DocumentMock]:
    """Make a server on loopback; port 0 takes a free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
    mock = DocumentMock(document, f"http://127.0.0.1:{server.server_address[1]}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), BODY_MAX_BYTES)
            body = self.rfile.read(length) if length else b""
            headers = Headers(list(self.headers.items()))
            status, kind, content = mock.answer(self.command, self.path, headers, body)
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, _format: str, *_values: object) -> None:
            method, target, status = mock.seen[-1] if mock.seen else ("", "", 0)
            sys.stdout.write(f"{method} {target} {status}\n")
            sys.stdout.flush()

    for method in METHODS:
        setattr(Handler, f"do_{method.upper()}", Handler.handle_any)
    server.RequestHandlerClass = Handler
    return server, mock


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="devsite.document_mock")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=8791)
    arguments = parser.parse_args()
    server, _ = make_server(read_document(arguments.file), arguments.port)
    sys.stdout.write(f"The mock is at http://127.0.0.1:{server.server_address[1]}; Ctrl-C stops it.\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _loosen(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What is read only is not asked for in a request, whatever `required` says (OpenAPI 3.0, "Schema Object")."""
    if isinstance(value, list):
        return [_loosen(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _loosen(each) for key, each in value.items()}
    properties, required = kept.get("properties"), kept.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        kept["required"] = [name for name in required if not (properties.get(name) or {}).get("readOnly")]
        if not kept["required"]:
            del kept["required"]
    return kept


def _first_server(document: dict[str, Any]) -> str:
    servers = document.get("servers") or [{"url": "/"}]
    url = str(servers[0].get("url", "/"))
    for name, variable in (servers[0].get("variables") or {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    return url


def _without_servers(item: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(item, dict):
        return item
    kept = {key: value for key, value in item.items() if key != "servers"}
    for method in METHODS:
        if isinstance(kept.get(method), dict):
            kept[method] = {key: value for key, value in kept[method].items() if key != "servers"}
    return kept


def _list_reasons(error: BaseException) -> list[str]:
    """What is wrong, with the validator's own reasons: a mock's caller wants to know."""
    reasons = [str(error)]
    causes = [each for each in (error.__cause__, *getattr(error.__cause__, "schema_errors", ())) if each is not None]
    reasons += [getattr(each, "message", "") or str(each) for each in causes]
    return [each[:500] for each in reasons]


if __name__ == "__main__":
    main()
