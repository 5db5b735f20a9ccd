"""GitHub as its documentation tells it: links to the next page, two sorts of rate limits, a version in every call, webhooks."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blubees.adapters.database import open_database
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.catalogue import load_connector
from blubees.model.failures import Failure, FailureCode
from fakes.engine import TENANT
from fakes.registering import FLOW, Registering
from fakes.third_parties import serve
from fakes.vendors import NOW_SECONDS, move_connector, visit

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "webhooks" / "github"


class GitHub:
    """One repository. Source: docs.github.com/rest: using-pagination, rate-limits, getting-started, issues, webhooks."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = [{"number": number, "title": f"Issue {number}"} for number in range(250, 0, -1)]
        self.hooks: dict[int, dict[str, Any]] = {}
        self.calls_left = 5_000
        self.is_too_quick = False

    def routes(self) -> list[Route]:
        return [
            Route("/repos/octo-org/shop/issues", self.list_issues, methods=["GET"]),
            Route("/repositories/77/issues", self.list_issues, methods=["GET"]),
            Route("/repos/octo-org/shop/hooks", self.create_hook, methods=["POST"]),
            Route("/repos/octo-org/shop/hooks/{number:int}", self.delete_hook, methods=["DELETE"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        if "user-agent" not in request.headers or request.headers.get("x-github-api-version") != "2022-11-28":
            return JSONResponse({"message": "Request forbidden by administrative rules."}, 403)
        if request.headers.get("authorization") != "Bearer right":
            return JSONResponse({"message": "Bad credentials"}, 401)
        if self.is_too_quick:
            return JSONResponse({"message": "You have exceeded a secondary rate limit."}, 403, {"Retry-After": "60"})
        self.calls_left -= 1
        told = {"x-ratelimit-remaining": str(max(self.calls_left, 0)), "x-ratelimit-reset": str(NOW_SECONDS + 120)}
        return JSONResponse({"message": "API rate limit exceeded"}, 403, told) if self.calls_left < 0 else None

    async def list_issues(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        size, page = min(int(request.query_params.get("per_page", "30")), 100), int(request.query_params.get("page", "1"))
        found = self.issues[(page - 1) * size : page * size]
        after = f"http://{request.headers['host']}/repositories/77/issues?per_page={size}&page={page + 1}"
        links = [f'<{after}>; rel="next"'] if page * size < len(self.issues) else []
        links += [f'<{after}>; rel="last"'] if links else ['<http://x.invalid/>; rel="prev"']
        return JSONResponse(found, headers={"Link": ", ".join(links)})

    async def create_hook(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        told = await request.json()
        if told["name"] != "web" or told["config"]["content_type"] != "json" or not told["config"]["url"]:
            return JSONResponse({"message": "Validation Failed"}, 422)
        self.hooks[8001] = told
        return JSONResponse({"id": 8001, "events": told["events"]}, 201)

    async def delete_hook(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        is_there = self.hooks.pop(request.path_params["number"], None) is not None
        return Response(status_code=204) if is_there else JSONResponse({"message": "Not Found"}, 404)


async def test_issues_come_over_pages_that_links_lead_to() -> None:
    github = GitHub()
    async with visit("github", github.routes()) as (perform, _):
        assert await perform("list_issues", owner="octo-org", repo="shop") == github.issues
        assert github.calls_left == 4_997


async def test_both_sorts_of_limits_tell_how_long_to_wait() -> None:
    github = GitHub()
    async with visit("github", github.routes()) as (perform, _):
        github.calls_left = 1
        used_up = await perform("list_issues", owner="octo-org", repo="shop")
        github.is_too_quick = True
        too_quick = await perform("list_issues", owner="octo-org", repo="shop")
    assert isinstance(used_up, Failure)
    assert isinstance(too_quick, Failure)
    assert (used_up.code, used_up.retry_after_seconds) == (FailureCode.BUSY, 120.0)
    assert (too_quick.code, too_quick.retry_after_seconds) == (FailureCode.BUSY, 60.0)


async def test_a_webhook_is_registered_and_taken_back() -> None:
    github = GitHub()
    hook = {"url": "https://hooks.example.com/h/1", "secret": "example", "events": ["issues", "push"]}
    async with visit("github", github.routes()) as (perform, _):
        made = await perform("create_webhook", owner="octo-org", repo="shop", **hook)
        assert github.hooks[8001]["config"] == {"content_type": "json", "url": hook["url"], "secret": "example"}
        assert await perform("delete_webhook", owner="octo-org", repo="shop", **made) is None
        gone = await perform("delete_webhook", owner="octo-org", repo="shop", **made)
    assert isinstance(gone, Failure)
    assert gone.code is FailureCode.NOT_FOUND


async def test_a_flow_registers_its_webhook_and_takes_it_back_also_when_github_was_away(tmp_path: Path) -> None:
    github = GitHub()
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    async with serve(lambda _: Starlette(routes=github.routes())) as port:
        web = GuardedWebClient(frozenset({port}))
        control = Registering(database, tmp_path, web, move_connector("github", port))
        await control.connect("right")
        done = await control.publish("issue", {"owner": "octo-org", "repo": "shop"})
        assert done.registration is None
        kept = github.hooks[8001]
        assert kept["events"] == ["issues"]
        assert kept["config"]["url"].startswith("https://bees.example/hooks/")
        assert len(kept["config"]["secret"]) == 64
        github.is_too_quick = True
        assert await control.flows.withdraw(TENANT, FLOW) == "busy"
        assert github.hooks
        github.is_too_quick = False
        control.clock.advance(60)
        await control.registrations.removals.see_to_due()
        assert github.hooks == {}
        assert await control.registrations.list(TENANT) == []
        await web.close()
    await database.close()


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded webhooks are not there: ../shared/data/webhooks/github")
@pytest.mark.parametrize("event", ["push", "pull_request", "issue_comment", "deployment_status"])
def test_samples_have_the_form_of_recorded_webhooks(event: str) -> None:
    recorded = [json.loads(path.read_text()) for path in sorted((RECORDED / event).glob("*payload.json"))]
    connector = load_connector("github")
    assert connector is not None
    sample = next(each.sample for each in connector.triggers.values() if each.events == (event,))
    assert recorded
    unlike = [list(_differ(sample, each, "")) for each in recorded]
    assert min(unlike, key=len) == []


def _differ(sample: Any, recorded: Any, path: str) -> Any:
    """Tell what a sample has that a recorded one has not, or as another type; null stands for any."""
    if isinstance(sample, dict) and isinstance(recorded, dict):
        for name, value in sample.items():
            yield from _differ(value, recorded[name], f"{path}.{name}") if name in recorded else [f"{path}.{name}"]
    elif isinstance(sample, list) and isinstance(recorded, list):
        if sample and recorded:
            yield from _differ(sample[0], recorded[0], f"{path}[]")
    elif sample is not None and recorded is not None and type(sample) is not type(recorded):
        yield path
