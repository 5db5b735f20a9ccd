"""ServiceNow as its documentation tells it: pages thinned by rights, links to the next one, rules of rate limits, records by fields."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blubees.model.failures import Failure, FailureCode
from fakes.vendors import NOW_SECONDS, visit


class ServiceNow:
    """One instance. Source: servicenow.com/docs, REST Table API; inbound REST API rate limiting."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = [{"sys_id": f"s{n}", "number": f"INC{n:07}", "state": "1"} for n in range(450)]
        self.hidden = {f"s{n}" for n in range(0, 450, 3)}
        self.is_limited = False
        self.asked: list[str] = []

    def routes(self) -> list[Route]:
        return [
            Route("/api/now/table/incident", self.list_rows, methods=["GET"]),
            Route("/api/now/table/incident/{sys_id}", self.patch, methods=["PATCH"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != "Bearer right":
            return _fail(401, "User Not Authenticated")
        if self.is_limited:
            told = {"Retry-After": "17", "X-RateLimit-Limit": "500", "X-RateLimit-Reset": str(NOW_SECONDS + 17)}
            return JSONResponse({"error": {"message": "Rate limit exceeded"}, "status": "failure"}, 429, told)
        return None

    async def list_rows(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        size, first = int(request.query_params["sysparm_limit"]), int(request.query_params.get("sysparm_offset", "0"))
        self.asked.append(request.url.query)
        page = [each for each in self.rows[first : first + size] if each["sys_id"] not in self.hidden]
        at = f"http://{request.headers['host']}/api/now/table/incident?sysparm_limit={size}&sysparm_offset="
        links = [f'<{at}0>;rel="first"', f'<{at}{len(self.rows) - 50}>;rel="last"']
        links += [f'<{at}{first + size}>;rel="next"'] if first + size < len(self.rows) else []
        return JSONResponse({"result": page}, headers={"Link": ",".join(links), "X-Total-Count": str(len(self.rows))})

    async def patch(self, request: Request) -> Response:
        row = next((each for each in self.rows if each["sys_id"] == request.path_params["sys_id"]), None)
        if row is None:
            return _fail(404, "No Record found")
        told = await request.json()
        if told.get("state") == "6" and not told.get("close_notes"):
            return _fail(403, "Operation Failed")
        row |= told
        return JSONResponse({"result": row})


def _fail(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "detail": ""}, "status": "failure"}, status)


async def test_a_page_that_is_not_full_is_not_the_last() -> None:
    vendor = ServiceNow()
    async with visit("servicenow", vendor.routes()) as (perform, _):
        found = await perform("list_incidents")
        assert [each["number"] for each in found] == [
            each["number"] for each in vendor.rows if each["sys_id"] not in vendor.hidden
        ]
        assert len(vendor.asked) == 3


async def test_the_instances_rate_limit_tells_how_long_to_wait() -> None:
    vendor = ServiceNow()
    vendor.is_limited = True
    async with visit("servicenow", vendor.routes()) as (perform, _):
        found = await perform("list_incidents", query="active=true")
    assert isinstance(found, Failure)
    assert (found.code, found.retry_after_seconds) == (FailureCode.BUSY, 17.0)


async def test_an_incident_is_resolved_by_its_fields() -> None:
    vendor = ServiceNow()
    async with visit("servicenow", vendor.routes()) as (perform, _):
        found = await perform("resolve_incident", incident="s7", code="Solution provided", notes="See OPS-7")
        assert found == {"sys_id": "s7", "number": "INC0000007", "state": "6"}
        assert vendor.rows[7]["close_notes"] == "See OPS-7"
        refused = await perform("resolve_incident", incident="s8", code="Solution provided", notes="")
        gone = await perform("add_comment", incident="nothing", comment="hello")
    assert isinstance(refused, Failure)
    assert isinstance(gone, Failure)
    assert (refused.code, gone.code) == (FailureCode.REQUEST_REFUSED, FailureCode.NOT_FOUND)
