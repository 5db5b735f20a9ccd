"""The development Jira site's answers, and the product's requests, against Atlassian's own OpenAPI document and ADF schema."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator
from product import call, free_port, wait_for

from blubees.connectors.adf_text import to_adf
from blubees.connectors.rich_text.samples import SAMPLES
from blubees.model.failures import FailureCode
from blubees.steps.book import KindEntry, list_kinds
from blubees.steps.contract import Example
from devsite.adf import is_document
from devsite.app import DevSite
from devsite.settings import SiteSettings
from fakes.tools import FakeTools

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "jira"
MANIFEST = Path(__file__).resolve().parents[2] / "forge" / "manifest.yml"
PERSON = {"X-Devsite-Person": "1"}


class Site:
    """A development site in a process of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.base = f"{self.url}/ex/jira/{call(f'{self.url}/_dev/sites')[1][0]['cloudId']}/rest/api/3"

    def ask(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, person: bool = True
    ) -> tuple[int, Any]:
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        status, answer = call(self.base + path, content, PERSON if person else {}, method.upper())
        return status, answer


@pytest.fixture
def site() -> Iterator[Site]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "devsite",
        "--port",
        str(port),
        "--manifest",
        str(MANIFEST),
        "--app-url",
        "http://127.0.0.1:9",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: call(f"http://127.0.0.1:{port}/_dev/sites")[0] == 200)
        yield Site(port)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    path = SHARED / "jira-swagger-v3.2025-12.json"
    if not path.exists():
        pytest.skip("../shared/data/jira is not here")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def open_schema(api: dict[str, Any], schema: Any) -> Any:
    """Turn OpenAPI 3.0's schema into JSON Schema: nullable, and references kept."""
    if isinstance(schema, list):
        return [open_schema(api, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    opened = {
        name: open_schema(api, value) for name, value in schema.items() if name not in {"example", "readOnly", "xml", "format"}
    }
    if schema.get("nullable") and "type" in opened:
        opened["type"] = [opened["type"], "null"]
    return opened


def complaints(api: dict[str, Any], method: str, path: str, status: int, answer: Any, request: Any = None) -> list[str]:
    operation = api["paths"][path][method]
    root = {"components": open_schema(api, api["components"])}
    found = []
    content = operation["responses"][str(status)].get("content", {}).get("application/json", {})
    for schema, document in ((content.get("schema"), answer), (_request_schema(operation), request)):
        if schema is not None and document is not None:
            validator = Draft4Validator({**open_schema(api, schema), **root})
            found += [f"{'/'.join(map(str, each.path))}: {each.message[:150]}" for each in validator.iter_errors(document)]
    return found


def _request_schema(operation: dict[str, Any]) -> Any:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")


def test_answers_and_requests_fit_atlassians_document(api: dict[str, Any], site: Site) -> None:
    issue = {
        "fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": "S", "description": to_adf("a\nb\n\nc")}
    }
    exchanges: list[tuple[str, str, str, Any, int]] = [
        ("post", "/rest/api/3/issue", "/issue", issue, 201),
        ("post", "/rest/api/3/issue", "/issue", {"fields": {}}, 400),
        ("get", "/rest/api/3/issue/{issueIdOrKey}", "/issue/DEMO-1", None, 200),
        ("get", "/rest/api/3/issue/{issueIdOrKey}", "/issue/DEMO-9", None, 404),
        ("put", "/rest/api/3/issue/{issueIdOrKey}", "/issue/DEMO-1", {"update": {"labels": [{"add": "x"}]}}, 204),
        ("post", "/rest/api/3/issue/{issueIdOrKey}/comment", "/issue/DEMO-1/comment", {"body": to_adf("hi")}, 201),
        ("get", "/rest/api/3/issue/{issueIdOrKey}/comment", "/issue/DEMO-1/comment", None, 200),
        ("get", "/rest/api/3/issue/{issueIdOrKey}/transitions", "/issue/DEMO-1/transitions", None, 200),
        (
            "post",
            "/rest/api/3/issue/{issueIdOrKey}/transitions",
            "/issue/DEMO-1/transitions",
            {"transition": {"id": "31"}},
            204,
        ),
        (
            "put",
            "/rest/api/3/issue/{issueIdOrKey}/assignee",
            "/issue/DEMO-1/assignee",
            {"accountId": "5b10a2844c20165700ede21g"},
            204,
        ),
        ("get", "/rest/api/3/issue/{issueIdOrKey}/changelog", "/issue/DEMO-1/changelog", None, 200),
        (
            "post",
            "/rest/api/3/search/jql",
            "/search/jql",
            {"jql": "project = DEMO", "fields": ["summary"], "maxResults": 5},
            200,
        ),
        ("post", "/rest/api/3/search/approximate-count", "/search/approximate-count", {"jql": "project = DEMO"}, 200),
        ("post", "/rest/api/3/issue/bulkfetch", "/issue/bulkfetch", {"issueIdsOrKeys": ["DEMO-1"]}, 200),
        ("get", "/rest/api/3/field", "/field", None, 200),
        ("get", "/rest/api/3/myself", "/myself", None, 200),
        ("get", "/rest/api/3/users/search", "/users/search", None, 200),
        ("get", "/rest/api/3/project/search", "/project/search", None, 200),
        ("get", "/rest/api/3/project/{projectIdOrKey}", "/project/DEMO", None, 200),
        ("get", "/rest/api/3/issuetype", "/issuetype", None, 200),
        ("get", "/rest/api/3/priority", "/priority", None, 200),
        ("get", "/rest/api/3/status", "/status", None, 200),
        ("get", "/rest/api/3/serverInfo", "/serverInfo", None, 200),
        ("get", "/rest/api/3/issueLinkType", "/issueLinkType", None, 200),
    ]
    found: dict[str, list[str]] = {}
    for method, path, asked, body, status in exchanges:
        given, answer = site.ask(method, asked, body)
        assert given == status, (asked, answer)
        problems = complaints(api, method, path, status, answer or None, body)
        if problems:
            found[f"{method} {asked}"] = problems
    assert found == {}


REQUESTS = [
    pytest.param(entry, example, id=f"{entry.name}-{number}")
    for entry in list_kinds()
    for number, example in enumerate(entry.examples)
    if entry.name.startswith("jira.") and example.asks
]


@pytest.mark.parametrize(("entry", "example"), REQUESTS)
async def test_what_the_steps_ask_of_jira_fits_atlassians_document(
    api: dict[str, Any], entry: KindEntry, example: Example
) -> None:
    tools = FakeTools(example)
    await entry.perform(msgspec.convert(example.settings, entry.settings, strict=False), tools)
    for asked in tools.calls:
        path = next(
            (each for each in api["paths"] if _fits(each, asked.url) and asked.method.lower() in api["paths"][each]), None
        )
        assert path is not None, asked.url
        operation = api["paths"][path][asked.method.lower()]
        known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        assert {name for name, _ in asked.query} <= known
        if asked.body:
            status = next(iter(operation["responses"]))
            assert complaints(api, asked.method.lower(), path, int(status), None, json.loads(asked.body)) == []


def _fits(path: str, url: str) -> bool:
    """Whether a URL is of a path such as /issue/{issueIdOrKey}; the one without a placeholder wins by its place."""
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), url.partition("?")[0]) is not None


def test_the_headers_tell_of_the_rate_limit_before_it_is_reached(site: Site) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{site.base}/myself", headers=PERSON), timeout=5) as response:
        assert response.headers["X-RateLimit-Limit"] == "65000"
        assert response.headers["X-RateLimit-NearLimit"] is None
        assert response.headers["RateLimit-Policy"] == '"global-app-quota";q=65000;w=3600'


def test_points_run_out_as_jira_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    points = DevSite(SiteSettings(app_url="", manifest=MANIFEST, points_per_hour=10))
    told = [points.spend(1) for _ in range(11)]
    assert [good for good, _ in told] == [True] * 10 + [False]
    assert ["X-RateLimit-NearLimit" in headers for _, headers in told] == [False] * 8 + [True] * 3
    assert told[-1][1]["RateLimit-Reason"] == "jira-quota-global-based"
    assert 0 < int(told[-1][1]["Retry-After"]) <= 3_600
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3_600)
    assert points.spend(1)[0]


GOOD = [
    *({"version": 1, "type": "doc", "content": content} for content in SAMPLES.values()),
    to_adf("a\nb\n\nc"),
    to_adf(""),
    {"version": 1, "type": "doc", "content": [{"type": "rule"}]},
]
BAD = [
    {"version": 1, "type": "doc"},
    {"version": 2, "type": "doc", "content": []},
    {"version": 1, "type": "doc", "content": [{"type": "text", "text": "loose"}]},
    {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": ""}]}]},
    {"version": 1, "type": "doc", "content": [{"type": "bulletList", "content": []}]},
    {"version": 1, "type": "doc", "content": [{"type": "heading", "attrs": {"level": 9}, "content": []}]},
    {"version": 1, "type": "doc", "content": [{"type": "nonsense"}]},
    {"version": 1, "type": "doc", "content": [{"type": "nestedExpand", "attrs": {}, "content": [{"type": "rule"}]}]},
    {"version": 1, "type": "doc", "content": [{"type": "extension", "attrs": {}}]},
    {"type": "paragraph"},
    "text",
]


def test_documents_are_judged_as_atlassians_schema_judges_them() -> None:
    path = SHARED / "adf-full.schema.json"
    if not path.exists():
        pytest.skip("../shared/data/jira is not here")
    validator = Draft4Validator(json.loads(path.read_text()))
    for document in GOOD + BAD:
        assert is_document(document) is validator.is_valid(document) is (document in GOOD), document


def test_what_is_not_allowed_gets_jiras_own_answers(site: Site) -> None:
    assert site.ask("get", "/myself", person=False)[0] == 401
    assert site.ask("post", "/search/jql", {"jql": "order by key"})[0] == 400
    assert site.ask("post", "/search/jql", {"jql": "project = "})[0] == 400
    assert site.ask("post", "/issue", raw=b"{")[0] == 400
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": "S"}
    key = site.ask("post", "/issue", {"fields": fields})[1]["key"]
    assert site.ask("put", f"/issue/{key}/properties/p", "x" * 32_767)[0] == 400
    assert site.ask("put", f"/issue/{key}/properties/p", "x" * 32_766)[0] == 201
    statuses = [site.ask("put", f"/issue/{key}", {"fields": {"summary": str(number)}})[0] for number in range(25)]
    assert statuses.count(429) >= 4
    call(f"{site.url}/_dev/fault", json.dumps({"path": "/myself", "status": 429}).encode())
    assert site.ask("get", "/myself")[0] == 429
    assert site.ask("get", "/myself")[0] == 200


@pytest.mark.parametrize(
    ("jql", "count"),
    [
        ("project = DEMO", 3),
        ("type = Bug AND summary ~ fire", 1),
        ("type in (Bug, Task) AND NOT labels = hot", 2),
        ("labels is empty ORDER BY key DESC", 2),
        ("(type = Bug OR type = Task) AND created > -1d", 3),
        ("reporter = currentUser() AND created < -1d", 0),
        ("status != Done", 3),
        ("key = DEMO-2", 1),
    ],
)
def test_jql_finds(site: Site, jql: str, count: int) -> None:
    for kind, summary, labels in (("Bug", "fire", ["hot"]), ("Bug", "water", []), ("Task", "earth", [])):
        fields = {"project": {"key": "DEMO"}, "issuetype": {"name": kind}, "summary": summary, "labels": labels}
        assert site.ask("post", "/issue", {"fields": fields})[0] == 201
    status, page = site.ask("post", "/search/jql", {"jql": jql, "maxResults": 2, "fields": ["summary"]})
    assert status == 200, page
    issues = list(page["issues"])
    while not page["isLast"]:
        page = site.ask("post", "/search/jql", {"jql": jql, "maxResults": 2, "nextPageToken": page["nextPageToken"]})[1]
        issues += page["issues"]
    assert len(issues) == count


async def test_what_is_linked_as_inward_shows_the_outward_words(site: Site) -> None:
    """Jira's issue linking model: the one sent as inwardIssue blocks, and names the other as its outwardIssue."""
    entry = next(each for each in list_kinds() if each.name == "jira.link_issues")
    blocker, blocked = (
        site.ask("post", "/issue", {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": name}})[1][
            "key"
        ]
        for name in ("blocks", "is blocked")
    )
    settings = {"type": "Blocks", "inward": blocker, "outward": blocked}
    tools = FakeTools(Example(settings, FailureCode.NOT_FOUND, replies=((201, None),)))
    await entry.perform(msgspec.convert(settings, entry.settings), tools)
    assert site.ask("post", "/issueLink", json.loads(tools.calls[0].body))[0] == 201
    (link,) = site.ask("get", f"/issue/{blocker}")[1]["fields"]["issuelinks"]
    assert (link["outwardIssue"]["key"], link["type"]["outward"]) == (blocked, "blocks")
