"""A flow asks a person; everything is restarted; the person answers in Jira, and the run goes on. The question is nowhere here."""

import json
from pathlib import Path
from typing import Any

import pytest
from product import Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
SECRET_WORDS = "canary-90xkwPq3Ls"
MIA, EMMA = "5b10a2844c20165700ede21g", "5b10ac8d82e05b22cc7d4ef5"
FLOW = f"""
id: asks
name: Ask Mia
trigger: {{on: jira.issue_created}}
steps:
  - id: ask
    kind: sign_off
    with: {{question: "May {{{{issue.summary}}}} go out?", approvers: ["{MIA}"], hours: 1}}
    branches:
      - name: approved
        steps:
          - {{id: say, kind: jira.add_comment, with: {{issue: "{{{{issue.key}}}}", body: "by {{{{steps.ask.approved_by}}}}"}}}}
"""
TYPES = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}


def ask_app(product: Product, account: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """As Forge's invokeRemote does for a person in the browser."""
    asked = {"account": account, "method": method, "path": path, "body": body}
    status, answer = call(f"{product.site_url}/_forge/invoke", json.dumps(asked).encode())
    assert status == 200
    return answer["status"], answer["body"]


def test_a_person_answers_after_a_restart_of_everything(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        tenant = product.tenant()
        product.publish(FLOW)
        key = product.jira("POST", "/issue", {"fields": TYPES | {"summary": SECRET_WORDS}})["key"]
        waiting = wait_for(lambda: product.operator().get(f"/tenants/{tenant}/waiting"))[0]
        assert (waiting["kind"], waiting["approvers"], waiting["needed"], waiting["approved"]) == ("sign_off", [MIA], 1, 0)
        assert waiting["choices"] == [], "an operator can't answer for a person"

        def comments() -> list[str]:
            return [json.dumps(each["body"]) for each in product.jira("GET", f"/issue/{key}/comment")["comments"]]

        told = wait_for(comments)
        assert f"May {SECRET_WORDS} go out?" in told[0]
        assert MIA in told[0]
        product.restart()
        path = f"/forge/ui/sign-offs/{waiting['run']}/ask"
        assert ask_app(product, EMMA, "GET", "/forge/ui/sign-offs") == (200, {"sign_offs": []})
        mine = ask_app(product, MIA, "GET", "/forge/ui/sign-offs")[1]["sign_offs"]
        assert [(each["run"], each["step"], each["needed"]) for each in mine] == [(waiting["run"], "ask", 1)]
        status, shown = wait_for(lambda: (found := ask_app(product, MIA, "GET", path))[0] == 200 and found)
        assert (status, shown["question"]) == (200, f"May {SECRET_WORDS} go out?")
        good = {"choice": "approve", "question": shown["question_hash"]}
        assert ask_app(product, EMMA, "GET", path)[0] == 404
        assert ask_app(product, EMMA, "POST", path, good)[0] == 404
        assert ask_app(product, MIA, "POST", path, good | {"question": "0" * 64})[0] == 409
        assert ask_app(product, MIA, "POST", path, good | {"account": MIA})[0] == 400
        assert ask_app(product, MIA, "POST", path, good) == (200, {"status": "counted", "ended": "approved"})
        wait_for(lambda: any(MIA in each and "by " in each for each in comments()), 40)
        assert len(comments()) == 2
        assert ask_app(product, MIA, "POST", path, good)[0] in {404, 410}
        run = wait_for(lambda: [run for run in product.ended("flow=asks") if run["outcome"] == "finished"])[0]
        assert run["run"] == waiting["run"]
        for file in product.data.rglob("*"):
            assert not file.is_file() or SECRET_WORDS.encode() not in file.read_bytes(), file


def test_only_a_person_gets_in_and_only_as_themselves(tmp_path: Path) -> None:
    with run_product(tmp_path) as product:
        product.tenant()
        url = f"{product.url}/forge/ui/sign-offs"

        def token(**asked: Any) -> dict[str, str]:
            given = call(f"{product.site_url}/_dev/token", json.dumps(asked).encode())[1]["token"]
            return {"Authorization": f"Bearer {given}"}

        assert call(url)[0] == 401
        assert call(url, headers=token(module="jira-events"))[0] == 401, "an event's token names nobody"
        assert call(url, headers=token(claims={"principal": "a b"}))[0] == 401
        assert call(url, headers=token(claims={"principal": MIA}, foreign=True))[0] == 401
        assert call(url, headers=token(claims={"principal": MIA}))[0] == 200
        assert call(url, method="DELETE", headers=token(claims={"principal": MIA}))[0] == 405
