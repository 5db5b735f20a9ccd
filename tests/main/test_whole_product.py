"""The whole product as its users meet it: real processes, a real broker, a real database file, the development Jira site."""

import hashlib
import hmac
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from product import ROOT, Product, call, run_product, wait_for

from blubees.model.errors import InputError

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}
BURST = 500  # webhooks
SECRET_WORDS = "canary-Zq83hd02kfLmWx71"
ECHO = (ROOT / "examples" / "flows" / "echo.yaml").read_text()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("product"), sites=2) as running:
        yield running


def sink_flow(product: Product, name: str, more: str = "") -> str:
    """A webhook flow that sends what it got to the demo third party."""
    return f"""
id: {name}
name: Sink
trigger: {{on: webhook, delivery_id_header: X-Delivery}}
steps:
  - id: send
    kind: http
    with: {{method: POST, url: "{product.site_url}/thirdparty/notify", connection: sink, json: {{n: "{{{{webhookData.n}}}}", of: {name}}}}}
{more}
"""


def add_sink(product: Product, number: int = 0) -> None:
    body = {"kind": "bearer", "hosts": [f"127.0.0.1:{product.site_port}"], "secret": "demo-third-party-token"}
    product.operator().put(f"/tenants/{product.tenant(number)}/connections/sink", body)


def received(product: Product, name: str) -> list[Any]:
    return [each["n"] for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == name]


def test_a_new_bug_is_commented_labelled_and_told_and_the_ledger_knows_no_word_of_it(product: Product) -> None:
    tenant = product.tenant()
    host = f"127.0.0.1:{product.site_port}"
    connection = {"kind": "bearer", "hosts": [host], "secret": "demo-third-party-token"}
    product.operator().put(f"/tenants/{tenant}/connections/demo-third-party", connection)
    text = (ROOT / "examples" / "flows" / "greet-bug.yaml").read_text()
    product.publish(text.replace("http://127.0.0.1:8790", product.site_url))
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": f"urgent {SECRET_WORDS}"}
    key = product.jira("POST", "/issue", {"fields": fields})["key"]
    product.jira("POST", "/issue", {"fields": fields | {"issuetype": {"name": "Task"}}})
    issue = wait_for(lambda: (found := product.jira("GET", f"/issue/{key}"))["fields"]["labels"] and found, 5)
    assert issue["fields"]["labels"] == ["blubees", "urgent"]
    assert SECRET_WORDS in json.dumps(issue["fields"]["comment"])
    runs = product.ended("flow=greet-bug")
    assert len(runs) == 1, "the task must start none, and the flow's own comment no other"
    shown = product.operator().get(f"/tenants/{tenant}/runs/{runs[0]['run']}")
    assert [step["step"] for step in shown["run"]["steps"]] == ["words", "comment", "triage", "label_urgent", "notify"]
    assert runs[0]["outcome"] == "finished"
    assert SECRET_WORDS not in json.dumps(shown)
    assert any(SECRET_WORDS in each.get("summary", "") for each in call(f"{product.site_url}/thirdparty/received")[1])
    for path in product.data.rglob("*"):
        assert not path.is_file() or SECRET_WORDS.encode() not in path.read_bytes(), path


def test_fields_are_found_and_set_by_the_names_that_people_know(product: Product) -> None:
    product.publish("""\
id: by-name
name: By name
trigger: {on: jira.issue_created, where: '{{issue.Severity.value.equals("Critical")}}'}
steps:
  - {id: told, kind: jira.add_comment, with: {issue: "{{issue.key}}", body: "{{issue.Customer name}} by {{issue.Go-live date}}"}}
  - id: made
    kind: jira.create_issue
    with:
      project: DEMO
      type: Task
      summary: "Call {{issue.Customer name}}"
      fields: {"Go-live date": "{{issue.Go-live date}}", Affected regions: [{value: Asia}], labels: [made]}
  - {id: found, kind: jira.search_issues, with: {jql: 'key = {{steps.made.key}}', fields: ["Go-live date", "Affected regions"]}}
  - {id: last, kind: jira.add_comment, with: {issue: "{{createdIssue.key}}", body: "{{lookupIssues.Affected regions.value}}"}}
""")
    fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Task"}, "summary": "s", "customfield_10042": "Acme"}
    product.jira("POST", "/issue", {"fields": fields | {"customfield_10041": {"value": "Low"}}})
    more = {"customfield_10041": {"value": "Critical"}, "customfield_10043": "2026-12-01"}
    key = product.jira("POST", "/issue", {"fields": fields | more})["key"]
    (run,) = product.ended("flow=by-name")
    assert run["outcome"] == "finished"
    assert "Acme by 2026-12-01" in json.dumps(product.jira("GET", f"/issue/{key}")["fields"]["comment"])
    made = product.jira("POST", "/search/jql", {"jql": "labels = made", "fields": ["*all"]})["issues"][0]["fields"]
    assert (made["summary"], made["customfield_10043"], made["customfield_10044"][0]["value"]) == (
        "Call Acme",
        "2026-12-01",
        "Asia",
    )
    assert "Asia" in json.dumps(made["comment"])


def test_a_flow_answers_its_caller_and_goes_on_after_it(product: Product) -> None:
    body = {"issue": {"key": "A-1", "fields": {"summary": "hi", "issuetype": {"name": "Bug"}, "labels": ["x", "y"]}}}
    status, answer = call(product.publish(ECHO), json.dumps(body).encode(), JSON)
    assert (status, answer) == (200, {"key": "A-1", "summary": "HI", "type": "Bug", "priority": "none", "labels": "x, y"})
    add_sink(product)
    text = sink_flow(product, "answers-first").replace("steps:\n", "steps:\n  - {id: say, kind: respond, with: {json: ok}}\n")
    assert call(product.publish(text), b'{"n": 5}', JSON) == (200, "ok")
    wait_for(lambda: received(product, "answers-first") == [5])


def test_a_file_goes_from_a_third_party_to_an_issue_and_from_there_on(product: Product) -> None:
    issue = product.jira(
        "POST", "/issue", {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": "F"}}
    )
    site = product.site_url
    steps = [
        {"from_url": f"{site}/_dev/sites", "to_issue": "{{webhookData.key}}", "file_name": "sites.json"},
        {"from_attachment": "{{steps.in.body.first.id}}", "to_url": f"{site}/thirdparty/echo", "form_field": "file"},
    ]
    flow = {
        "id": "files",
        "name": "Files",
        "trigger": {"on": "webhook"},
        "steps": [
            *({"id": name, "kind": "transfer_file", "with": each} for name, each in zip(("in", "out"), steps, strict=True)),
            {
                "id": "say",
                "kind": "respond",
                "with": {"json": ["{{steps.in.size}}", "{{steps.out.size}}", "{{steps.out.body}}"]},
            },
        ],
    }
    status, answer = call(product.publish(json.dumps(flow)), json.dumps({"key": issue["key"]}).encode(), JSON)
    assert status == 200, answer
    sites = json.dumps(call(f"{site}/_dev/sites")[1])
    kept = product.jira("GET", f"/issue/{issue['key']}")["fields"]["attachment"]
    assert [(each["filename"], each["mimeType"], each["size"]) for each in kept] == [
        ("sites.json", "application/json", answer[0])
    ]
    assert answer[0] == answer[1]
    assert 'filename="sites.json"' in answer[2]
    assert json.loads(sites)[0]["cloudId"] in answer[2]


def test_a_delivery_counts_once_and_another_tenants_token_is_unknown(product: Product) -> None:
    add_sink(product)
    path = product.publish(sink_flow(product, "once"))
    answers = [call(path, b'{"n": 1}', JSON | {"X-Delivery": "d-1"}) for _ in range(3)]
    assert [status for status, _ in answers] == [202, 202, 202]
    assert [answer["status"] for _, answer in answers] == ["queued", "duplicate", "duplicate"]
    wait_for(lambda: received(product, "once"))
    time.sleep(0.5)
    assert received(product, "once") == [1]
    foreign = path.replace(product.tenant(0), product.tenant(1))
    unknown = path[:-4] + "AAAA"
    assert call(foreign, b"{}", JSON) == call(unknown, b"{}", JSON)
    assert call(foreign, b"{}", JSON)[0] == 404


def test_a_failure_says_what_where_and_what_to_do(product: Product) -> None:
    add_sink(product)
    url = f"{product.site_url}/thirdparty/status/404"
    path = product.publish(sink_flow(product, "fails").replace(f"{product.site_url}/thirdparty/notify", url))
    call(path, json.dumps({"n": SECRET_WORDS}).encode(), JSON)
    tenant = product.tenant()
    runs = product.ended("flow=fails")
    shown = product.operator().get(f"/tenants/{tenant}/runs/{runs[0]['run']}")
    assert shown["explanations"][0]["where"] == "step send, with.url"
    assert (shown["explanations"][0]["code"], shown["explanations"][0]["http_status"]) == ("not_found", 404)
    assert "Check" in shown["explanations"][0]["what_to_do"]
    assert SECRET_WORDS not in json.dumps(shown)


def test_a_secret_goes_to_its_own_host_only_and_is_in_no_file(product: Product) -> None:
    secret = "tok-9f83hfkwpq0zmalx"
    tenant = product.tenant()
    body = {"kind": "bearer", "hosts": ["api.example.com"], "secret": secret}
    assert secret not in json.dumps(product.operator().put(f"/tenants/{tenant}/connections/elsewhere", body))
    text = sink_flow(product, "stray").replace("connection: sink", "connection: elsewhere")
    with pytest.raises(InputError) as caught:
        product.publish(text)
    assert "elsewhere may not go to this step's host, but to api.example.com" in caught.value.problems[0]
    path = product.publish(text.replace(product.site_url, "http://{{webhookData.host}}"))
    call(path, json.dumps({"n": 1, "host": product.site_url.removeprefix("http://")}).encode(), JSON)
    runs = product.ended("flow=stray")
    assert runs[0]["failure"]["code"] == "connection_missing"
    assert received(product, "stray") == []
    assert secret not in json.dumps(product.operator().get(f"/tenants/{tenant}/connections"))
    for file in product.data.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_the_locks_hold_and_are_told(product: Product) -> None:
    facts = call(f"{product.url}/readyz")[1]
    assert facts["broker"]["storage"] == "memory"
    assert facts["egress_allowed_loopback_ports"] == [product.site_port]
    limits = [
        Path(f"/proc/{pid}/limits").read_text() for pid in product.find("blubees.main.conduit") + product.find("nats-server")
    ]
    assert len(limits) == 3
    for each in limits:
        line = next(row for row in each.splitlines() if row.startswith("Max file size"))
        assert line.split()[3:5] == ["0", "0"]


BAD_REQUESTS: dict[str, tuple[bytes, dict[str, str], int]] = {
    "malformed": (b"{", JSON, 400),
    "10,000 levels": (b"[" * 10_000, JSON, 400),
    "lone surrogate": (b'"\\ud800"', JSON, 400),
    "huge number": (b"[1e400]", JSON, 400),
    "not UTF-8": (b'"\xff"', JSON, 400),
    "multipart": (b"--x", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "xml": (b"<a/>", {"Content-Type": "application/xml"}, 415),
    "10 MB": (b"[" + b"1," * 5_000_000 + b"1]", JSON, 413),
}


@pytest.fixture(scope="module")
def echo_path(product: Product) -> str:
    return product.publish(ECHO.replace("id: echo", "id: echo-bad"))


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_input_gets_its_status_and_nobody_dies(product: Product, echo_path: str, name: str) -> None:
    body, headers, expected = BAD_REQUESTS[name]
    path = echo_path
    before = product.find("blubees.main.conduit")
    assert call(path, body, headers)[0] in ({expected, 0} if expected == 413 else {expected})
    assert product.find("blubees.main.conduit") == before
    assert call(path, b'{"issue": {"key": "A"}}', JSON)[0] == 200


def send_slowly(port: int, start: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(start)
        return connection.recv(1_000)


def test_slow_clients_and_smugglers_are_shown_out(product: Product) -> None:
    path = product.publish(ECHO.replace("id: echo", "id: echo-slow"))
    answers: dict[str, bytes] = {}
    target = path.removeprefix(product.url).encode()
    starts = {
        "header": b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "body": b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        "both": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "long": b"POST / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n",
    }

    def send(name: str) -> None:
        answers[name] = send_slowly(product.port, starts[name])

    threads = [threading.Thread(target=send, args=(name,)) for name in starts]
    for thread in threads:
        thread.start()
    assert call(path, b'{"issue": {"key": "A"}}', JSON)[0] == 200, "others are served meanwhile"
    for thread in threads:
        thread.join()
    assert b" 408 " in answers["header"]
    assert b" 408 " in answers["body"]
    assert b" 400 " in answers["both"]
    assert b" 431 " in answers["long"]


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "x"}, {"iss": "x"}])
def test_a_forged_invocation_is_refused(product: Product, claims: dict[str, Any]) -> None:
    good = call(f"{product.site_url}/_dev/token", b"{}")[1]["token"]
    event = json.dumps({"eventType": "avi:jira:viewed:issue"}).encode()
    headers = JSON | {"Authorization": f"Bearer {good}"}
    assert call(f"{product.url}/forge/events/jira", event, headers)[0] == 202
    assert call(f"{product.url}/forge/events/lifecycle", event, headers)[0] == 401
    bad = call(f"{product.site_url}/_dev/token", json.dumps({"claims": claims}).encode())[1]["token"]
    status, answer = call(f"{product.url}/forge/events/jira", event, JSON | {"Authorization": f"Bearer {bad}"})
    assert status == 401
    assert answer["message"] == "The invocation token was not accepted."


@pytest.mark.parametrize("effect", ["keyed", "unsafe"])
def test_a_killed_conduit_loses_no_run_and_no_finished_effect_happens_twice(tmp_path: Path, effect: str) -> None:
    with run_product(tmp_path) as product:
        add_sink(product)
        path = product.publish(sink_flow(product, "burst").replace("method: POST", f"method: POST, effect: {effect}"))
        accepted: list[int] = []

        def send(numbers: range) -> None:
            for number in numbers:
                for _ in range(20):  # a sender tries again until it has a 2xx; its delivery id makes that harmless
                    if call(path, json.dumps({"n": number}).encode(), JSON | {"X-Delivery": str(number)})[0] == 202:
                        accepted.append(number)
                        break
                    time.sleep(0.05)

        threads = [threading.Thread(target=send, args=(range(start, BURST, 4),)) for start in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.15)
        os.kill(product.find("blubees.main.conduit")[0], signal.SIGKILL)
        for thread in threads:
            thread.join()
        assert len(accepted) == BURST
        waiting = f"/tenants/{product.tenant()}/waiting?limit=1000"

        wait_for(lambda: len(product.ended("flow=burst&limit=1000")) == BURST, 40)
        doubtful: list[dict[str, Any]] = []
        outcomes: list[str] = []

        def agree() -> bool:  # a receipt that comes late answers the question of whoever took the run over
            doubtful[:] = product.operator().get(waiting)
            outcomes[:] = [run["outcome"] for run in product.ended("flow=burst&limit=1000")]
            return outcomes.count("parked") == len(doubtful)

        wait_for(agree, 40)
        done = received(product, "burst")
        assert len(done) == len(set(done)), "no effect twice"
        assert BURST - len(done) <= len(doubtful) < 100, "what did not happen asks what shall be done"
        assert len(doubtful) == 0 or effect == "unsafe"
        assert all(each["kind"] == "doubt" for each in doubtful)
        assert (outcomes.count("finished"), outcomes.count("parked")) == (BURST - len(doubtful), len(doubtful))
        for each in doubtful:
            body = {"choice": "skip", "step": "send"}
            product.operator().post(f"/tenants/{product.tenant()}/runs/{each['run']}/answer", body)
        wait_for(lambda: all(run["outcome"] == "finished" for run in product.ended("flow=burst&limit=1000")), 40)
        assert len(received(product, "burst")) == len(done)
        wait_for(lambda: len(product.find("blubees.main.conduit")) == 2)


def test_a_signed_webhook_starts_its_flow_and_a_forged_or_old_one_does_not(product: Product) -> None:
    tenant = product.tenant()
    secret = "whsec-0193kdlqpwmz"
    product.operator().put(f"/tenants/{tenant}/connections/hook-secret", {"kind": "signing_secret", "secret": secret})
    signed = "trigger: {on: webhook, signature: {scheme: slack, connection: hook-secret}}"
    path = product.publish(ECHO.replace("id: echo", "id: signed").replace("trigger: {on: webhook}", signed), probe=False)
    body = b'{"issue": {"key": "A-1", "fields": {"summary": "hi"}}}'

    def sign(at: float, key: str = secret) -> dict[str, str]:
        base = b"v0:%d:" % int(at) + body
        digest = hmac.new(key.encode(), base, hashlib.sha256).hexdigest()
        return JSON | {"X-Slack-Request-Timestamp": str(int(at)), "X-Slack-Signature": f"v0={digest}"}

    wait_for(lambda: call(path, body, sign(time.time()))[0] == 200)
    unknown = call(path[:-4] + "AAAA", body, JSON)
    for headers in (JSON, sign(time.time(), "another"), sign(time.time() - 3_600), sign(time.time() + 3_600)):
        assert call(path, body, headers) == unknown
    assert call(path, body + b" ", sign(time.time())) == unknown
