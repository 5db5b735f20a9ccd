"""Canaries through the doors that the step kinds alone don't open. Part of `make proof`, called by bench/proof.py.

Hostile answers, failures and their branches, retries, cancels, run modes, call backs, sign-offs, calls in doubt, secrets.
Each must come to the end that is expected of it: what did not happen proves nothing.
"""

import json
from collections.abc import Callable
from typing import Any

from product import call, wait_for

from proof_vendor import REFUSALS, Vendor

JSON = {"Content-Type": "application/json"}
MIA = "5b10a2844c20165700ede21g"
EMMA = "5b10ac8d82e05b22cc7d4ef5"
BUG = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}


class Doors:
    """Sends canaries through the doors of a product, and looks how the runs end."""

    def __init__(self, product: Any, vendor: Vendor, plant: Callable[[str], str]) -> None:
        self._product, self._vendor, self._plant = product, vendor, plant
        self._tenant = product.tenant()
        self.in_jira: list[bytes] = []  # what parked runs left there

    def exercise(self) -> list[str]:
        """Go through all of them; gives what was done, for the page."""
        return [
            self._hear_hostile_answers(),
            self._fail(),
            self._retry_and_cancel(),
            self._crowd(),
            self._call_back(),
            self._ask_people(),
            self._use_a_secret(),
        ]

    def declare(self, text: str) -> None:
        """The declared price: a third party's well-formed id of a refused request is kept. Waits until it is."""
        path = self._publish("declared", [self._send("declared-id")])
        call(path, json.dumps({"c": text}).encode(), JSON)
        self._await_outcome("declared", {"failed"})

    def doubt(self, kill: Callable[[], None]) -> str:
        """Conduits die during unsafe calls; a person answers. `kill`: ends all conduits, and returns when others are there."""
        path = self._publish("d-doubt", [self._send("slow", effect="auto"), {**self._send("ok"), "id": "after"}])
        for number in range(3):
            self._post(path, f"a call in doubt {number}")
        wait_for(lambda: len(self._list("d-doubt")) == 3, 30)
        kill()
        waiting = wait_for(lambda: (found := self._waiting("d-doubt", "doubt")) and len(found) == 3 and found, 90)
        for each, choice in zip(waiting, ("retry", "skip", "fail"), strict=True):
            body = {"choice": choice, "step": each["step"]}
            self._product.operator().post(f"/tenants/{self._tenant}/runs/{each['run']}/answer", body)
        self._await_outcome("d-doubt", {"finished", "failed"}, 3)
        return "calls in doubt, answered again, skip and fail"

    def _send(self, mode: str, *, effect: str = "keyed", **more: Any) -> dict[str, Any]:
        settings = {"method": "POST", "effect": effect, "url": f"{self._vendor.url}/{mode}/{{{{webhookData.c}}}}"}
        return {"id": "it", "kind": "http", "with": settings | {"json": "{{webhookData}}"} | more}

    def _publish(self, name: str, steps: list[dict[str, Any]], **more: Any) -> str:
        flow = {"id": name, "name": name, "trigger": {"on": "webhook"}, "steps": steps} | more
        return str(self._product.publish(json.dumps(flow)))

    def _post(self, path: str, place: str, **more: Any) -> None:
        body = {"c": self._plant(f"{place}: field"), self._plant(f"{place}: key"): 1} | more
        header = "X-" + self._plant(f"{place}: a header's name")
        headers = JSON | {
            header: "1",
            "Cookie": f"a={self._plant(f'{place}: cookie')}",
            "User-Agent": self._plant(f"{place}: agent"),
        }
        call(f"{path}?{self._plant(f'{place}: a parameter')}=1", json.dumps(body).encode(), headers)

    def _list(self, flow: str) -> list[Any]:
        return list(self._product.operator().get(f"/tenants/{self._tenant}/runs?flow={flow}&limit=100"))

    def _waiting(self, flow: str, kind: str) -> list[Any]:
        found = self._product.operator().get(f"/tenants/{self._tenant}/waiting?limit=1000")
        return [each for each in found if each["flow"] == flow and each["kind"] == kind]

    def _await_outcome(self, flow: str, outcomes: set[str], count: int = 1) -> list[Any]:
        def ask() -> list[Any] | None:
            runs = self._list(flow)
            return runs if len(runs) >= count and all(run["outcome"] in outcomes for run in runs) else None

        try:
            return list(wait_for(ask, 60))
        except AssertionError:
            raise AssertionError(f"{flow}: ended as {[run['outcome'] for run in self._list(flow)]}, not {outcomes}") from None

    def _hear_hostile_answers(self) -> str:
        for mode in REFUSALS:
            path = self._publish(f"d-{mode}", [self._send(mode, timeout_seconds=3)])
            self._post(path, f"a third party's answer: {mode}")
        for mode in REFUSALS:
            self._await_outcome(f"d-{mode}", {"failed", "finished"})
        return f"{len(REFUSALS)} kinds of hostile answers"

    def _fail(self) -> str:
        told = {"id": "told", "kind": "http", "with": {"method": "POST", "url": f"{self._vendor.url}/ok", "json": "{{inputs}}"}}
        self._product.publish(json.dumps({"id": "d-told", "name": "t", "trigger": {"on": "called"}, "steps": [told]}))
        self._post(
            self._publish("d-error-flow", [self._send("refuse")], error_flow="d-told"), "a failed run with an error flow"
        )
        seen = {**self._send("ok", json={"e": "{{error}}", "all": "{{webhookData}}"}), "id": "seen"}
        branch = {**self._send("refuse"), "on_error": "branch", "branches": [{"name": "error", "steps": [seen]}]}
        self._post(self._publish("d-branch", [branch]), "a failed step with a branch")
        goes_on = {**self._send("refuse"), "on_error": "continue"}
        self._post(
            self._publish("d-continue", [goes_on, seen | {"with": self._send("ok")["with"]}]), "a failed step that goes on"
        )
        tries = {**self._send("broken"), "retry": {"attempts": 3, "seconds": 0.1, "on": ["vendor_broken"]}}
        self._post(self._publish("d-tries", [tries]), "a step that is tried again")
        self._await_outcome("d-error-flow", {"failed"})
        self._await_outcome("d-told", {"finished"})
        self._await_outcome("d-branch", {"finished"})
        self._await_outcome("d-continue", {"finished"})
        self._await_outcome("d-tries", {"failed"})
        return "error flow, on_error branch and continue, tries"

    def _retry_and_cancel(self) -> str:
        operator = self._product.operator()
        self._post(self._publish("d-retry", [self._send("broken-once"), {**self._send("ok"), "id": "last"}]), "a retried run")
        run = self._await_outcome("d-retry", {"failed"})[0]["run"]
        self._vendor.mended.set()
        operator.post(f"/tenants/{self._tenant}/runs/{run}/retry", {"choice": ""})
        self._await_outcome("d-retry", {"finished"})
        for name, first in (("d-cancel", self._send("slow")), ("d-cancel-parked", self._wait("it"))):
            self._post(self._publish(name, [first, {**self._send("ok"), "id": "last"}]), f"a cancelled run ({name})")
            wanted = "accepted" if name == "d-cancel" else "parked"
            run = self._await_outcome(name, {wanted})[0]["run"]
            operator.post(f"/tenants/{self._tenant}/runs/{run}/cancel")
            self._await_outcome(name, {"cancelled"})
        return "retry from the failed step, cancel of a run under way and of a parked one"

    def _wait(self, name: str) -> dict[str, Any]:
        return {"id": name, "kind": "wait", "with": {"seconds": 3_600}}

    def _crowd(self) -> str:
        for mode in ("queued", "single", "restart"):
            runs = {"mode": mode, "key": "{{webhookData.group}}"}
            path = self._publish(f"d-{mode}", [self._send("ok"), {**self._send("ok"), "id": "b"}], runs=runs)
            group = self._plant(f"runs {mode}: key")
            for number in range(4):
                self._post(path, f"runs {mode} {number}", group=group)
            self._await_outcome(f"d-{mode}", {"finished", "stopped"}, 4)
        path = self._publish("d-delivery", [self._send("ok")])
        delivery = JSON | {"X-Delivery-Id": self._plant("a delivery's id"), "Idempotency-Key": self._plant("a delivery's key")}
        for _ in range(2):
            call(path, json.dumps({"c": self._plant("a delivery sent twice")}).encode(), delivery)
        return "run modes with keys, a delivery twice"

    def _call_back(self) -> str:
        told = self._send("keep", json={"address": "{{callBacks.reply}}"})
        reply = {"id": "reply", "kind": "wait_for", "with": {"hours": 1, "where": "{{event.body.ok}}"}}
        last = {**self._send("ok", json={"e": "{{steps.reply.event}}", "all": "{{webhookData}}"}), "id": "last"}
        self._post(self._publish("d-call-back", [told, reply, last]), "a run that waits for a call back")
        address = wait_for(lambda: self._vendor.kept, 30)[0]["address"]
        wait_for(lambda: self._waiting("d-call-back", "call_back") or self._list("d-call-back")[0]["outcome"] == "parked", 30)
        for is_right in (False, True):
            self._post(address, f"a call back ({'taken' if is_right else 'not wanted'})", ok=is_right)
        call(address + self._plant("a forged call-back address"), b"{}", JSON)
        self._await_outcome("d-call-back", {"finished"})
        return "call backs"

    def _ask_people(self) -> str:
        for name, choice in (("approved", "approve"), ("rejected", "reject"), ("expired", ""), ("escalated", "approve")):
            flow, word = f"d-{name}", self._plant(f"a question that is {name}")
            settings = {
                "question": "May {{issue.summary}} go out?",
                "approvers": [MIA],
                "minutes": 0.05 if name == "expired" else 60,
            }
            if name == "escalated":
                settings |= {"escalate_to": [EMMA], "escalate_hours": 0.0005, "remind_hours": 0.0002}
            say = {"kind": "jira.add_comment", "with": {"issue": "{{issue.key}}", "body": "{{issue.summary}} {{steps.ask}}"}}
            branches = [{"name": each, "steps": [{"id": each, **say}]} for each in ("approved", "rejected", "expired")]
            ask = {"id": "ask", "kind": "sign_off", "with": settings, "branches": branches}
            where = f'{{{{issue.labels.join(",").equals("{name}")}}}}'
            document = {"id": flow, "name": flow, "trigger": {"on": "jira.issue_created", "where": where}, "steps": [ask]}
            self._product.publish(json.dumps(document))
            key = self._product.jira("POST", "/issue", {"fields": BUG | {"summary": word, "labels": [name]}})["key"]
            run = wait_for(lambda flow=flow: self._list(flow), 30)[0]["run"]
            if choice:
                self._answer(flow, run, key, choice, EMMA if name == "escalated" else MIA)
            self._await_outcome(flow, {"finished"})
        return "sign-offs: approved, rejected, expired, escalated"

    def _answer(self, flow: str, run: str, issue: str, choice: str, account: str) -> None:
        wait_for(lambda: self._waiting(flow, "sign_off"), 30)
        for name in self._product.jira("GET", f"/issue/{issue}/properties")["keys"]:
            self.in_jira.append(json.dumps(self._product.jira("GET", f"/issue/{issue}/properties/{name['key']}")).encode())
        path = f"/forge/ui/sign-offs/{run}/ask"
        shown = wait_for(lambda: (found := self._invoke(account, "GET", path))[0] == 200 and found[1], 40)
        self._invoke(account, "POST", path, {"choice": choice, "question": self._plant("a forged question's hash")})
        self._invoke(account, "POST", path, {"choice": choice, "question": shown["question_hash"]})

    def _invoke(self, account: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        asked = {"account": account, "method": method, "path": path, "body": body}
        answer = call(f"{self._product.site_url}/_forge/invoke", json.dumps(asked).encode())[1]
        return answer["status"], answer["body"]

    def _use_a_secret(self) -> str:
        """A connection's secret goes out in a header, and comes back in an answer."""
        host = f"127.0.0.1:{self._vendor.port}"
        secret = {"kind": "bearer", "hosts": [host], "secret": self._plant("a connection's secret")}
        self._product.operator().put(f"/tenants/{self._tenant}/connections/hostile", secret)
        for mode in ("ok", "refuse"):
            path = self._publish(f"d-secret-{mode}", [self._send(mode, connection="hostile")])
            self._post(path, f"a call with a secret: {mode}")
            self._await_outcome(f"d-secret-{mode}", {"finished" if mode == "ok" else "failed"})
        return "secrets of connections"
