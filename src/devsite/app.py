"""The development Jira site as one ASGI application: REST, Forge side, demo third party, page, controls. Made by __main__.py."""

import asyncio
import contextlib
import hmac
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from devsite import attachments
from devsite.delivery import Delivery
from devsite.rest import Asked, RefusedError, Writes, answer, keep_property
from devsite.settings import SiteSettings
from devsite.state import APP_ACCOUNT, PEOPLE, Json, Site
from devsite.tokens import TokenMaker

PERSON = PEOPLE[0][0]
SHOWN = 200
RECEIVED = 2_000
HOUR_SECONDS = 3_600
NEAR_LIMIT = 0.2  # of the points of an hour: from here on the headers warn
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:",
    "Referrer-Policy": "no-referrer",
}


class DevSite:
    """All parts."""

    def __init__(self, settings: SiteSettings) -> None:
        self.settings = settings
        self.tokens = TokenMaker(settings)
        self.sites = {site.cloud_id: site for site in (Site(number, settings.port) for number in range(settings.sites))}
        self.writes = Writes()
        self.received: deque[Json] = deque(maxlen=RECEIVED)
        self.keys_seen: dict[str, Json] = {}
        self.shown: deque[Json] = deque(maxlen=SHOWN)
        self.watchers: set[asyncio.Queue[Json]] = set()
        self.faults: deque[tuple[str, int, float]] = deque()
        self.points = (0, 0)
        self.delivery = Delivery(settings, self.tokens, self.show)
        for site in self.sites.values():
            site.listeners.append(lambda kind, event, site=site: self.delivery.deliver(site, kind, event))  # type: ignore[misc]

    @property
    def first(self) -> Site:
        """The default site."""
        return next(iter(self.sites.values()))

    def show(self, line: Json) -> None:
        """Show something on the page."""
        line = {"at": time.strftime("%H:%M:%S"), **line}
        self.shown.append(line)
        for queue in self.watchers:
            queue.put_nowait(line)

    def spend(self, amount: int) -> tuple[bool, dict[str, str]]:
        """Spend points of this hour: whether there were enough, and the headers that tell of it."""
        now, limit = int(time.time()), self.settings.points_per_hour
        hour = now // HOUR_SECONDS
        used = (self.points[1] if self.points[0] == hour else 0) + amount
        self.points = (hour, used)
        left, ends = max(0, limit - used), (hour + 1) * HOUR_SECONDS
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(left),
            "RateLimit-Policy": f'"global-app-quota";q={limit};w={HOUR_SECONDS}',
        }
        if left < limit * NEAR_LIMIT:
            headers["X-RateLimit-NearLimit"] = "true"
            headers["RateLimit"] = f'"global-app-quota";r={left};t={ends - now}'
        if used > limit:
            headers["X-RateLimit-Reset"] = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%MZ")
            headers |= {"Retry-After": str(ends - now), "RateLimit-Reason": "jira-quota-global-based"}
        return used <= limit, headers

    # ------------------------------------------------------------ REST

    async def rest(self, request: Request) -> Response:
        """Jira's REST v3 and the app properties."""
        site = self.sites.get(request.path_params["cloud_id"])
        started = time.monotonic()
        path = "/" + request.path_params["path"]
        if site is None:
            return JSONResponse({"code": 404, "message": "Not Found"}, 404)
        status, body, headers = await self._answer(site, path, request)
        self.show(
            {
                "kind": "call" if self._who(request, site) != PERSON else "person",
                "method": request.method,
                "path": path,
                "status": status,
                "milliseconds": round((time.monotonic() - started) * 1000, 1),
            }
        )
        if isinstance(body, attachments.Content):
            return Response(body.data, status, body.headers | headers)
        content = b"" if body is None else orjson.dumps(body)
        return Response(content, status, {"Content-Type": "application/json;charset=UTF-8", **headers} if content else headers)

    async def _answer(self, site: Site, path: str, request: Request) -> tuple[int, Any, dict[str, str]]:
        is_within, headers = self.spend(1)
        fault = self._take_fault(path)
        if fault:
            await asyncio.sleep(fault[2])
            if fault[1]:
                return (
                    fault[1],
                    {"errorMessages": ["fault on demand"], "errors": {}},
                    headers | {"Retry-After": "1", "RateLimit-Reason": "jira-burst-based"},
                )
        actor = self._who(request, site)
        if actor is None and path != "/rest/api/3/serverInfo":
            return 401, {"code": 401, "message": "Unauthorized; scope does not match"}, headers
        raw = await request.body()
        if is_within and (file := attachments.CONTENT.fullmatch(path) or attachments.UPLOAD.fullmatch(path)):
            return *self._handle_file(site, actor or "", file, raw, request), headers
        try:
            body = orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            return (
                400,
                {"errorMessages": ["There was an error parsing JSON. Check that your request body is valid."], "errors": {}},
                headers,
            )
        if not is_within:
            return 429, {"errorMessages": ["Rate limit exceeded."], "errors": {}}, headers
        parts = path.split("/")
        if request.method != "GET" and "/issue/" in path and len(parts) > 5 and not self.writes.allow(parts[5]):  # noqa: PLR2004 - /rest/api/3/issue/KEY
            return (
                429,
                {"errorMessages": ["Too many writes to this issue."], "errors": {}},
                headers | {"Retry-After": "2", "RateLimit-Reason": "jira-per-issue-on-write"},
            )
        asked = Asked(site, actor or "", request.method, dict(request.query_params), body)
        try:
            if path.startswith("/rest/forge/1/app/properties/"):
                return *keep_property(asked, site.app_properties, parts[-1]), headers
            return *answer(path.removeprefix("/rest/api/3") if path.startswith("/rest/api/3/") else "?", asked), headers
        except RefusedError as refused:
            return refused.status, refused.body, headers
        except (TypeError, ValueError, AttributeError, KeyError):
            return 400, {"errorMessages": ["Invalid request payload."], "errors": {}}, headers

    def _handle_file(self, site: Site, actor: str, asked: re.Match[str], raw: bytes, request: Request) -> tuple[int, Any]:
        try:
            if asked.re is attachments.CONTENT:
                return 200, attachments.read(site, asked[1])
            return 200, attachments.attach(site, asked[1], actor, raw, dict(request.headers))
        except RefusedError as refused:
            return refused.status, refused.body

    def _who(self, request: Request, site: Site) -> str | None:
        """The app by its token; a person at the page by the header that only the page sends."""
        given = request.headers.get("authorization", "")
        if given.startswith("Bearer ") and self.tokens.is_app_token(given[7:], site.cloud_id):
            return APP_ACCOUNT
        return PERSON if request.headers.get("x-devsite-person") == "1" else None

    def _take_fault(self, path: str) -> tuple[str, int, float] | None:
        for fault in self.faults:
            if fault[0] in path:
                self.faults.remove(fault)
                return fault
        return None

    # ------------------------------------------------------------ Forge, controls

    async def jwks(self, _request: Request) -> Response:
        """The public keys of invocation tokens."""
        return JSONResponse(self.tokens.jwks())

    async def control(self, request: Request) -> Response:
        """Controls for tests and the curious: POST /_dev/{what}."""
        raw = await request.body()
        given = orjson.loads(raw) if raw else {}
        site = self.sites.get(given.get("cloudId", ""), self.first)
        what = request.path_params["what"]
        if what == "licence":
            self.tokens.licence = given["state"]
        elif what == "fault":
            for _ in range(int(given.get("times", 1))):
                self.faults.append((str(given.get("path", "")), int(given.get("status", 0)), float(given.get("seconds", 0))))
        elif what == "tick":
            self.delivery.tick(site)
        elif what == "upgrade":
            self.delivery.install(site, "avi:forge:upgraded:app")
        elif what == "uninstall":
            self.delivery.uninstall(site)
        elif what == "token":
            claims = self.tokens.claims(site.cloud_id, given.get("module", "jira-events"))
            claims.update(given.get("claims", {}))
            claims["app"].update(given.get("app", {}))
            return JSONResponse({"token": self.tokens.sign(claims, foreign=bool(given.get("foreign")))})
        elif what == "app-token":
            return JSONResponse({"token": self.tokens.app_token(site.cloud_id)})
        else:
            return JSONResponse({"error": "licence, fault, tick, upgrade, uninstall, token or app-token"}, 404)
        return JSONResponse({"done": what})

    async def tell(self, request: Request) -> Response:
        """GET /_dev/{what}: sites, deliveries."""
        if request.path_params["what"] == "sites":
            return JSONResponse([{"cloudId": each, "issues": len(site.issues)} for each, site in self.sites.items()])
        return JSONResponse(self.delivery.attempts)

    async def invoke(self, request: Request) -> Response:
        """A person's browser calls the app through Forge: POST /_forge/invoke {account, method, path, body}."""
        given = orjson.loads(await request.body())
        site = self.sites.get(given.get("cloudId", ""), self.first)
        if site.user(given["account"]) is None:
            return JSONResponse({"error": "nobody has this account"}, 403)
        return JSONResponse(
            await self.delivery.invoke(site, given["account"], given["method"], given["path"], given.get("body"))
        )

    async def stream(self, request: Request) -> Response:
        """What happens, live, as server-sent events."""
        queue: asyncio.Queue[Json] = asyncio.Queue()

        async def lines() -> AsyncIterator[bytes]:
            self.watchers.add(queue)
            try:
                for line in list(self.shown):
                    yield b"data: " + orjson.dumps(line) + b"\n\n"
                while not await request.is_disconnected():
                    with contextlib.suppress(TimeoutError):
                        line = await asyncio.wait_for(queue.get(), 0.5)
                        yield b"data: " + orjson.dumps(line) + b"\n\n"
            finally:
                self.watchers.discard(queue)

        return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    # ------------------------------------------------------------ demo third party

    async def thirdparty(self, request: Request) -> Response:
        """The demo third party: /thirdparty/notify keeps what it gets; others answer on demand."""
        what = request.path_params["what"]
        if what == "received":
            return JSONResponse(list(self.received))
        raw = await request.body()
        if what.startswith("status/"):
            return JSONResponse({"status": what}, int(what.removeprefix("status/")))
        if what.startswith("slow/"):
            await asyncio.sleep(int(what.removeprefix("slow/")) / 1000)
            return JSONResponse({"slow": True})
        if what == "redirect":
            return Response(status_code=302, headers={"Location": request.query_params.get("to", "/")})
        if what == "echo":
            return Response(raw, headers={"Content-Type": request.headers.get("content-type", "text/plain")})
        if what != "notify":
            return JSONResponse({"error": "unknown"}, 404)
        expected = f"Bearer {self.settings.thirdparty_token}"
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            return JSONResponse({"error": "unauthorized"}, 401)
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return JSONResponse({"error": "not JSON"}, 400)
        key = request.headers.get("idempotency-key", "")
        if key and key in self.keys_seen:  # as Stripe and others do: the same key is the same request
            return JSONResponse(self.keys_seen[key])
        self.received.append(document)
        self.show({"kind": "thirdparty", "document": document})
        answer = {"ok": True, "number": len(self.received)}
        if key:
            self.keys_seen[key] = answer
        return JSONResponse(answer)

    # ------------------------------------------------------------ page

    async def page(self, request: Request) -> Response:
        """The page, its script and style."""
        name = request.path_params.get("name", "index.html")
        kinds = {"index.html": "text/html", "site.js": "text/javascript", "site.css": "text/css"}
        if name not in kinds:
            return JSONResponse({"error": "unknown"}, 404)
        text = Path(__file__).with_name("page").joinpath(name).read_text()
        return Response(text.replace("CLOUD_ID", self.first.cloud_id), headers=PAGE_HEADERS, media_type=kinds[name])


def create_app(settings: SiteSettings) -> Starlette:
    """Make the application."""
    site = DevSite(settings)

    @contextlib.asynccontextmanager
    async def live(_app: Starlette) -> AsyncIterator[None]:
        site.delivery.start()
        if settings.announce:
            for each in site.sites.values():
                site.delivery.install(each)
        ticking = asyncio.create_task(_tick_hourly(site))
        yield
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await site.delivery.stop()

    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    app = Starlette(
        routes=[
            Route("/", site.page),
            Route("/page/{name}", site.page),
            Route("/.well-known/jwks.json", site.jwks),
            Route("/ex/jira/{cloud_id}/{path:path}", site.rest, methods=methods),
            Route("/_forge/invoke", site.invoke, methods=["POST"]),
            Route("/_dev/stream", site.stream),
            Route("/_dev/{what}", site.tell, methods=["GET"]),
            Route("/_dev/{what}", site.control, methods=["POST"]),
            Route("/thirdparty/{what:path}", site.thirdparty, methods=methods),
        ],
        lifespan=live,
    )
    app.state.site = site
    return app


async def _tick_hourly(site: DevSite) -> None:
    while True:
        await asyncio.sleep(HOUR_SECONDS)
        for each in site.sites.values():
            site.delivery.tick(each)
