"""The operator API of the control plane: flows, connections, tenants, runs. Loopback only, one bearer token; used by the CLI.

Payload never comes near it; a secret goes in and never out. An unknown tenant and a foreign id look alike.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.doors.body import BODY_MAX_BYTES
from blubees.doors.operator_connectors import IMPORT_BODY_MAX_BYTES, IMPORT_PATH, connector_routes
from blubees.doors.operator_control import control_routes
from blubees.doors.operator_grants import CALLBACK_PATH, START_PATH, callback_route, grant_routes, start_routes
from blubees.doors.operator_schedules import schedule_routes
from blubees.doors.operator_settings import settings_routes
from blubees.doors.operator_tickets import ticket_routes
from blubees.doors.operator_vault import vault_routes
from blubees.doors.operator_webhooks import webhook_routes
from blubees.doors.replies import SECURITY_HEADERS, status_of
from blubees.flows.versions import FlowService, describe_problem
from blubees.model.connection import ConnectionKind
from blubees.model.errors import BluBeesError, InputError, MissingError
from blubees.model.ids import (
    CONNECTION_PATTERN,
    FLOW_PATTERN,
    RUN_PATTERN,
    TENANT_PATTERN,
    ConnectionName,
    FlowId,
    RunId,
    TenantId,
)
from blubees.operations.connection_tests import ConnectionTests
from blubees.operations.connections import ConnectionService
from blubees.operations.connector_trials import ActionTrials
from blubees.operations.connectors import ConnectorService
from blubees.operations.grants import GrantDesk
from blubees.operations.ledger import Ledger, explain
from blubees.operations.parking import ParkingService
from blubees.operations.registrations import Registrations
from blubees.operations.run_control import RunControl
from blubees.operations.schedules import Scheduler
from blubees.operations.settings import SettingsService
from blubees.operations.shapes import read_shapes
from blubees.operations.sign_offs import SignOffService
from blubees.operations.tenants import TenantService
from blubees.operations.tickets import TicketDesk
from blubees.operations.vault_keys import VaultKeys

TenantPath = Annotated[str, Path(pattern=TENANT_PATTERN)]
FlowPath = Annotated[str, Path(pattern=FLOW_PATTERN)]
NamePath = Annotated[str, Path(pattern=CONNECTION_PATTERN)]
RunPath = Annotated[str, Path(pattern=RUN_PATTERN)]


@dataclass(frozen=True, slots=True)
class OperatorServices:
    """What the API gives access to."""

    flows: FlowService
    connections: ConnectionService
    grants: GrantDesk
    connectors: ConnectorService
    action_trials: ActionTrials
    connection_tests: ConnectionTests
    ledger: Ledger
    tenants: TenantService
    settings: SettingsService
    scheduler: Scheduler
    tickets: TicketDesk
    parking: ParkingService
    control: RunControl
    sign_offs: SignOffService
    vault_keys: VaultKeys
    webhooks: Registrations
    readiness: Callable[[], Awaitable[Mapping[str, object]]]


class ConnectionBody(BaseModel):
    """A connection with its secrets, on its way in: `secrets` by field, or `secret` alone for the kind's main one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: ConnectionKind | None = None
    hosts: list[str] = Field(default_factory=list, max_length=20)
    user_name: str = Field("", max_length=200)
    parameter: str = Field("", max_length=100)
    secret: str | None = Field(None, max_length=16_384)
    secrets: dict[str, Annotated[str, Field(max_length=16_384)]] = Field(default_factory=dict, max_length=16)
    settings: dict[str, Annotated[str, Field(max_length=4_000)]] = Field(default_factory=dict, max_length=40)
    flows: list[str] = Field(default_factory=list, max_length=100)
    source: Literal["", "env", "aws-secrets-manager"] = ""
    mcp: str = Field("", max_length=2_048)


class PermitBody(BaseModel):
    """Which flows may use a connection; none: all."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    flows: list[str] = Field(default_factory=list, max_length=100)


class VersionBody(BaseModel):
    """Which version."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = Field(ge=1)


class AnswerBody(BaseModel):
    """What shall be done with a call in doubt."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    choice: str = Field(max_length=20)
    step: str = Field("", max_length=63)


def create_operator_api(services: OperatorServices, token_hash: str) -> FastAPI:
    """Make the application.

    Args:
        token_hash: hex SHA-256 of the operator token.
    """
    api = FastAPI(title="BluBees operator API", docs_url=None, redoc_url=None, openapi_url="/operator/v1/openapi.json")

    @api.middleware("http")
    async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path not in {"/healthz", "/readyz", CALLBACK_PATH, START_PATH}:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(hashlib.sha256(given.encode()).hexdigest(), token_hash):
                return _fail(401, "The operator token was not accepted.")
        length = request.headers.get("content-length", "0" if request.method in {"GET", "DELETE"} else "")
        if request.method in {"PUT", "POST", "PATCH"} and not length.isdecimal():
            return _fail(411, "Send the body's length.")
        limit = IMPORT_BODY_MAX_BYTES if request.url.path.endswith(IMPORT_PATH) else BODY_MAX_BYTES
        if int(length or 0) > limit:
            return _fail(413, f"The body is larger than {limit} bytes.")
        response = await proceed(request)
        for name, value in SECURITY_HEADERS:
            response.headers[name.decode()] = value.decode()
        return response

    @api.exception_handler(BluBeesError)
    async def tell_error(_request: Request, error: BluBeesError) -> Response:
        problems = list(error.problems) if isinstance(error, InputError) else []
        return _fail(status_of(error), error.for_user, problems)

    @api.exception_handler(RequestValidationError)
    async def tell_invalid(_request: Request, error: RequestValidationError) -> Response:
        fields = [".".join(str(part) for part in each["loc"]) + ": " + str(each["type"]) for each in error.errors()]
        return _fail(422, "The request is not what is expected here.", fields)

    @api.get("/healthz")
    async def tell_health() -> Mapping[str, str]:
        return {"status": "live"}

    @api.get("/readyz")
    async def tell_readiness() -> Response:
        facts = await services.readiness()
        return JSONResponse(dict(facts), status_code=200 if facts["ready"] else 503)

    api.include_router(_flow_routes(services), prefix="/operator/v1")
    api.include_router(_connection_routes(services), prefix="/operator/v1")
    api.include_router(grant_routes(services.grants, _expect_tenant(services)), prefix="/operator/v1")
    api.include_router(callback_route(services.grants))
    api.include_router(start_routes(services.grants))
    api.include_router(
        connector_routes(services.connectors, services.action_trials, _expect_tenant(services)), prefix="/operator/v1"
    )
    api.include_router(_run_routes(services), prefix="/operator/v1")
    api.include_router(schedule_routes(services.scheduler, _expect_tenant(services)), prefix="/operator/v1")
    api.include_router(ticket_routes(services.tickets, _expect_tenant(services)), prefix="/operator/v1")
    api.include_router(
        settings_routes(
            services.settings, _expect_tenant(services), services.flows.list_carrying, services.flows.list_unreachable
        ),
        prefix="/operator/v1",
    )
    api.include_router(_parking_routes(services), prefix="/operator/v1")
    api.include_router(vault_routes(services.vault_keys, services.tenants, _expect_tenant(services)), prefix="/operator/v1")
    api.include_router(webhook_routes(services.webhooks, _expect_tenant(services)), prefix="/operator/v1")
    api.include_router(control_routes(services.control, _expect_tenant(services)), prefix="/operator/v1")
    return api


def _fail(status: int, message: str, problems: list[str] | None = None) -> Response:
    return JSONResponse({"error": message, "problems": problems or []}, status_code=status)


def _tell(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _expect_tenant(services: OperatorServices) -> Callable[[TenantPath], Awaitable[TenantId]]:
    async def expect(tenant: TenantPath) -> TenantId:
        if await services.tenants.load(TenantId(tenant)) is None:
            raise MissingError("There is no such tenant. `tenants list` shows them.")
        return TenantId(tenant)

    return expect


def _flow_routes(services: OperatorServices) -> APIRouter:
    router = APIRouter()
    flows = services.flows
    tenant_of = _expect_tenant(services)

    @router.get("/tenants/{tenant}/flows")
    async def list_flows(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return _tell(await flows.list(tenant))

    @router.put("/tenants/{tenant}/flows")
    async def save_draft(tenant: Annotated[TenantId, Depends(tenant_of)], request: Request) -> Response:
        checked = await flows.save_draft(tenant, (await request.body()).decode("utf-8", "replace"))
        if checked.flow is None:
            raise InputError("The flow has errors; nothing was kept.", tuple(map(describe_problem, checked.errors)))
        return _tell({"flow": checked.flow.id, "warnings": [describe_problem(each) for each in checked.problems]})

    @router.get("/tenants/{tenant}/flows/{flow}")
    async def show_flow(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath) -> Response:
        head = await flows.load(tenant, FlowId(flow))
        versions = await flows.list_versions(tenant, FlowId(flow))
        dates = [{"version": each.version, "published_at": each.published_at_milliseconds} for each in versions]
        return _tell({"flow": head, "versions": dates})

    @router.get("/tenants/{tenant}/flows/{flow}/versions/{version}")
    async def show_version(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath, version: int) -> Response:
        return _tell(await flows.load_version(tenant, FlowId(flow), version))

    @router.post("/tenants/{tenant}/flows/{flow}/publish")
    async def publish(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath) -> Response:
        return _tell(await flows.publish(tenant, FlowId(flow)))

    @router.post("/tenants/{tenant}/flows/{flow}/rollback")
    async def rollback(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath, body: VersionBody) -> Response:
        failure = await flows.rollback(tenant, FlowId(flow), body.version)
        return _tell({"live_version": body.version, "registration": failure})

    @router.post("/tenants/{tenant}/flows/{flow}/withdraw")
    async def withdraw(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath) -> Response:
        return _tell({"webhook": await flows.withdraw(tenant, FlowId(flow)) or "", "live_version": 0})

    @router.post("/tenants/{tenant}/flows/{flow}/rotate-hook")
    async def rotate_hook(tenant: Annotated[TenantId, Depends(tenant_of)], flow: FlowPath) -> Response:
        return _tell({"hook_token": await flows.rotate_hook(tenant, FlowId(flow))})

    @router.get("/tenants/{tenant}/flows/{flow}/diff")
    async def diff(
        tenant: Annotated[TenantId, Depends(tenant_of)],
        flow: FlowPath,
        old: Annotated[int, Query(alias="from", ge=0)],
        new: Annotated[int, Query(alias="to", ge=0)] = 0,
    ) -> Response:
        return _tell(await flows.diff(tenant, FlowId(flow), old, new))

    return router


def _connection_routes(services: OperatorServices) -> APIRouter:
    router = APIRouter()
    tenant_of = _expect_tenant(services)

    @router.get("/tenants/{tenant}/connections")
    async def list_connections(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return _tell(await services.connections.list(tenant))

    @router.put("/tenants/{tenant}/connections/{name}")
    async def save_connection(
        tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath, body: ConnectionBody
    ) -> Response:
        saved = await services.connections.save(
            tenant,
            name=name,
            kind=body.kind,
            hosts=tuple(body.hosts),
            user_name=body.user_name,
            parameter=body.parameter,
            secret=body.secret,
            secrets=body.secrets,
            settings=body.settings,
            flows=tuple(body.flows),
            source=body.source,
            mcp=body.mcp,
        )
        return _tell(saved)

    @router.post("/tenants/{tenant}/connections/{name}/permit")
    async def permit(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath, body: PermitBody) -> Response:
        return _tell(await services.connections.permit(tenant, ConnectionName(name), tuple(body.flows)))

    @router.post("/tenants/{tenant}/connections/{name}/test")
    async def test_connection(
        tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath, connector: Annotated[str, Query(max_length=63)] = ""
    ) -> Response:
        return _tell(await services.connection_tests.test(tenant, ConnectionName(name), connector))

    @router.delete("/tenants/{tenant}/connections/{name}")
    async def delete_connection(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath) -> Response:
        ended = await services.connections.delete(tenant, ConnectionName(name))
        return _tell({"deleted": name} | msgspec.to_builtins(ended))

    return router


def _run_routes(services: OperatorServices) -> APIRouter:
    router = APIRouter()
    ledger = services.ledger
    tenant_of = _expect_tenant(services)

    @router.get("/tenants")
    async def list_tenants() -> Response:
        rows = await services.tenants.list()
        return _tell([msgspec.to_builtins(each.seen) | {"first_seen_at": each.first_seen_at_milliseconds} for each in rows])

    @router.get("/runs")
    async def list_all_runs(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50, before: Annotated[str | None, Query(pattern=RUN_PATTERN)] = None
    ) -> Response:
        return _tell(await ledger.list(None, limit=limit, before=RunId(before) if before else None))

    @router.get("/tenants/{tenant}/runs")
    async def list_runs(
        tenant: Annotated[TenantId, Depends(tenant_of)],
        flow: Annotated[str | None, Query(pattern=FLOW_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        before: Annotated[str | None, Query(pattern=RUN_PATTERN)] = None,
    ) -> Response:
        page: Any = await ledger.list(
            tenant, flow=FlowId(flow) if flow else None, limit=limit, before=RunId(before) if before else None
        )
        return _tell(page)

    @router.get("/tenants/{tenant}/runs/{run}")
    async def show_run(tenant: Annotated[TenantId, Depends(tenant_of)], run: RunPath) -> Response:
        receipt = await ledger.load(tenant, RunId(run))
        if receipt is None:
            raise MissingError("There is no such run. `runs list` shows the newest.")
        return _tell(
            {
                "run": receipt,
                "explanations": explain(receipt),
                "shapes": await read_shapes(services.flows, receipt),
                "retry": await services.control.tell_ways(receipt),
                "retried_as": await ledger.list_retries(tenant, RunId(run)),
            }
        )

    return router


def _parking_routes(services: OperatorServices) -> APIRouter:
    router = APIRouter()
    tenant_of = _expect_tenant(services)

    @router.get("/tenants/{tenant}/waiting")
    async def list_waiting(
        tenant: Annotated[TenantId, Depends(tenant_of)], limit: Annotated[int, Query(ge=1, le=1000)] = 200
    ) -> Response:
        waiting = await services.parking.list_waiting(tenant, limit=limit)
        return _tell(await services.sign_offs.add_progress(tenant, waiting))

    @router.post("/tenants/{tenant}/runs/{run}/answer")
    async def answer(tenant: Annotated[TenantId, Depends(tenant_of)], run: RunPath, body: AnswerBody) -> Response:
        await services.parking.answer_doubt(tenant, RunId(run), body.choice, body.step)
        return _tell({"answered": body.choice})

    return router
