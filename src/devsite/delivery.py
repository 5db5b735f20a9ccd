"""Delivers events to the app's endpoints as Forge does: 5 s to answer, only 2xx counts, up to 4 retries. Used by app.py."""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import yaml
import yarl

from devsite.settings import SiteSettings
from devsite.state import Json, Site
from devsite.tokens import TokenMaker

ANSWER_SECONDS = 5.0
INVOKE_SECONDS = 25.0
RETRIES = 4
STARTUP_TRIES = 240
STARTUP_GAP_SECONDS = 0.25
KEPT = 500


@dataclass(frozen=True, slots=True)
class Target:
    """Where an event goes: the endpoint's key and path, and the trigger's filter."""

    module_key: str
    path: str
    ignore_self: bool = False
    licensed_only: bool = False


def read_manifest(text: str) -> tuple[dict[str, list[Target]], list[Target], list[Target]]:
    """Give (targets by event, scheduled targets, pre-uninstall targets) of a manifest."""
    modules = yaml.safe_load(text)["modules"]
    paths = {each["key"]: each["route"]["path"] for each in modules.get("endpoint", []) if "route" in each}
    by_event: dict[str, list[Target]] = {}
    for trigger in modules.get("trigger", []):
        chosen = trigger.get("filter", {})
        target = Target(
            trigger["endpoint"], paths[trigger["endpoint"]], bool(chosen.get("ignoreSelf")), bool(chosen.get("appIsLicensed"))
        )
        for event in trigger["events"]:
            by_event.setdefault(event, []).append(target)
    scheduled = [Target(each["endpoint"], paths[each["endpoint"]]) for each in modules.get("scheduledTrigger", [])]
    goodbye = [Target(each["endpoint"], paths[each["endpoint"]]) for each in modules.get("preUninstall", [])]
    return by_event, scheduled, goodbye


@dataclass(slots=True)
class Delivery:
    """Delivers, retries, remembers."""

    settings: SiteSettings
    tokens: TokenMaker
    show: Any
    attempts: list[Json] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _session: aiohttp.ClientSession | None = None
    by_event: dict[str, list[Target]] = field(default_factory=dict)
    scheduled: list[Target] = field(default_factory=list)
    goodbye: list[Target] = field(default_factory=list)

    def start(self) -> None:
        """Read the manifest and open the client."""
        self.by_event, self.scheduled, self.goodbye = read_manifest(self.settings.manifest.read_text())
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def deliver(self, site: Site, event_type: str, event: Json) -> None:
        """Deliver an event to whoever subscribed to it."""
        for target in self.by_event.get(event_type, []):
            if target.ignore_self and event.get("selfGenerated"):
                continue
            if target.licensed_only and self.tokens.licence == "inactive":
                continue
            self._run(self._try(site, target, event_type, event))

    def install(self, site: Site, event_type: str = "avi:forge:installed:app") -> None:
        """Tell the app that it is installed (or upgraded), again and again until it is up."""
        event = {
            "id": secrets.token_hex(8),
            "eventType": event_type,
            "context": f"ari:cloud:jira::site/{site.cloud_id}",
            "app": {"id": "5a3b7a52", "version": "1.0.0"},
        }
        for target in self.by_event.get(event_type, []):
            self._run(self._try(site, target, event_type, event, tries=STARTUP_TRIES, gap_seconds=STARTUP_GAP_SECONDS))

    def tick(self, site: Site) -> None:
        """Send the scheduled trigger."""
        for target in self.scheduled:
            self._run(self._try(site, target, "scheduled", {"context": {"cloudId": site.cloud_id}}, tries=1))

    def uninstall(self, site: Site) -> None:
        """Send the goodbye; not retried, as Forge does."""
        for target in self.goodbye:
            self._run(self._try(site, target, "preUninstall", {"context": f"ari:cloud:jira::site/{site.cloud_id}"}, tries=1))

    async def invoke(self, site: Site, account: str, method: str, path: str, body: Any) -> Json:  # noqa: ANN401 - JSON
        """Call the app for a person, as `invokeRemote` of Forge's bridge does: 25 s to answer, no retries."""
        headers = {
            "Authorization": f"Bearer {self.tokens.sign(self.tokens.person_claims(site.cloud_id, account))}",
            "x-forge-oauth-system": self.tokens.app_token(site.cloud_id),
            "x-b3-traceid": secrets.token_hex(16),
            "x-b3-spanid": secrets.token_hex(8),
            "Content-Type": "application/json",
        }
        data = None if body is None else orjson.dumps(body)
        limit = aiohttp.ClientTimeout(total=INVOKE_SECONDS)
        if self._session is None:
            return {"status": 0, "body": None}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            url = yarl.URL(self.settings.app_url + path, encoded=True)
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False, timeout=limit
            ) as response:
                raw = await response.read()
                return {"status": response.status, "body": orjson.loads(raw) if raw else None}
        return {"status": 0, "body": None}

    def _run(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(
        self,
        site: Site,
        target: Target,
        event_type: str,
        event: Json,
        *,
        tries: int = RETRIES + 1,
        gap_seconds: float | None = None,
    ) -> None:
        gap = self.settings.retry_gap_seconds if gap_seconds is None else gap_seconds
        reason = ""
        for number in range(tries):
            if number:
                await asyncio.sleep(gap)
            body = event
            if number and gap_seconds is None:
                body = {"payload": {**event, "retryContext": {"retryCount": number, "retryReason": reason, "retryData": None}}}
            elif self.settings.wrap_first:
                body = {"payload": event}
            started = time.monotonic()
            status = await self._post(site, target, body)
            self._note(site, target, event_type, number, status, started)
            if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
                return
            reason = "TIMEOUT_ERROR" if status == 0 else "INVALID_REMOTE_INVOCATION_ERROR"

    async def _post(self, site: Site, target: Target, body: Json) -> int:
        headers = {
            "Authorization": f"Bearer {self.tokens.sign(self.tokens.claims(site.cloud_id, target.module_key))}",
            "x-forge-oauth-system": self.tokens.app_token(site.cloud_id),
            "x-b3-traceid": secrets.token_hex(16),
            "x-b3-spanid": secrets.token_hex(8),
            "Content-Type": "application/json",
        }
        if self._session is None:
            return 0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            url = self.settings.app_url + target.path
            async with self._session.post(url, data=orjson.dumps(body), headers=headers, allow_redirects=False) as response:
                return response.status
        return 0

    def _note(self, site: Site, target: Target, event_type: str, number: int, status: int, started: float) -> None:
        if number and status == 0 and event_type.startswith("avi:forge"):
            return  # the app is not up yet: said once
        attempt = {
            "kind": "delivery",
            "event": event_type,
            "path": target.path,
            "attempt": number + 1,
            "status": status,
            "milliseconds": round((time.monotonic() - started) * 1000, 1),
            "site": site.cloud_id,
        }
        self.attempts = [*self.attempts[-KEPT:], attempt]
        self.show(attempt)
