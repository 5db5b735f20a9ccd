"""What an operator does on the command line and over the operator API, against the real service with two tenants."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from product import ROOT, Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
JSON = {"Content-Type": "application/json"}
ECHO = (ROOT / "examples" / "flows" / "echo.yaml").read_text()
SECRET = "tok-0qmzP81kslapwe73"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with run_product(tmp_path_factory.mktemp("operator"), sites=2, conduits=1) as running:
        running.tenant(0)
        running.tenant(1)
        yield running


def blubees(product: Product, *arguments: str, secret: str = "") -> tuple[int, str]:
    """Run the command line: (exit code, all that it printed)."""
    command = [sys.executable, "-c", "from blubees.main.cli import main; main()", *arguments]
    if arguments[:2] not in {("flow", "check"), ("flow", "schema"), ("flow", "kinds")}:
        command += ["--data", str(product.data)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, input=secret, env={"COLUMNS": "160", "PATH": "/bin"}
    )
    return done.returncode, done.stdout + done.stderr


def test_a_flows_life_on_the_command_line(product: Product, tmp_path: Path) -> None:
    tenant = product.tenant(0)
    file = tmp_path / "flow.yaml"
    file.write_text(ECHO.replace("id: echo", "id: life"))
    assert blubees(product, "flow", "check", str(file)) == (0, f"{file}: good\n")
    code, said = blubees(product, "flow", "publish", str(file))
    assert code == 1
    assert "2 tenants are known; name one: --tenant T" in said
    code, said = blubees(product, "flow", "publish", str(file), "--tenant", tenant)
    assert code == 0
    assert "life: published version 1" in said
    path = product.url + said.rpartition("shown once): ")[2].strip()
    body = b'{"issue": {"key": "A-1", "fields": {"summary": "hi"}}}'
    assert wait_for(lambda: call(path, body, JSON)[0] == 200)
    file.write_text(file.read_text().replace("toUpperCase", "toLowerCase"))
    assert "published version 2" in blubees(product, "flow", "publish", str(file), "--tenant", tenant)[1]
    assert "live is version 2" in blubees(product, "flow", "publish", str(file), "--tenant", tenant)[1]
    wait_for(lambda: call(path, b'{"issue": {"key": "A-1", "fields": {"summary": "HI"}}}', JSON)[1]["summary"] == "hi")
    said = blubees(product, "flow", "diff", "life", "1", "2", "--tenant", tenant)[1]
    assert "toUpperCase" in said
    assert "toLowerCase" in said
    assert blubees(product, "flow", "rollback", "life", "1", "--tenant", tenant)[0] == 0
    wait_for(lambda: call(path, body, JSON)[1]["summary"] == "HI")
    said = blubees(product, "flow", "rotate-hook", "life", "--tenant", tenant)[1]
    fresh = product.url + said.rpartition("shown once): ")[2].strip()
    wait_for(lambda: call(path, body, JSON)[0] == 404)
    assert call(fresh, body, JSON)[0] == 200
    assert "life" in blubees(product, "flow", "list", "--tenant", tenant)[1]
    assert "toUpperCase" in blubees(product, "flow", "show", "life", "--version", "1", "--tenant", tenant)[1]
    assert blubees(product, "flow", "withdraw", "life", "--tenant", tenant)[0] == 0
    wait_for(lambda: call(fresh, body, JSON)[0] == 404)
    code, said = blubees(product, "flow", "rollback", "life", "9", "--tenant", tenant)
    assert code == 1
    assert "9" in said or "no such version" in said.lower()


def test_a_schedules_life_on_the_command_line(product: Product, tmp_path: Path) -> None:
    of = ("--tenant", product.tenant(0))
    file = tmp_path / "flow.yaml"
    file.write_text("{id: timed, name: T, trigger: {on: schedule, cron: 0 3 1 1 *}, steps: [{id: a, kind: stop}]}")
    assert blubees(product, "flow", "publish", str(file), *of)[0] == 0
    assert "01-01 03:00:00" in blubees(product, "flow", "list", *of)[1]
    assert blubees(product, "flow", "fire", "timed", *of) == (0, "timed: due now\n")
    said = wait_for(lambda: "1 runs started" in (said := blubees(product, "flow", "show", "timed", *of)[1]) and said)
    assert "schedule: due next 01-01 03:00:00 UTC (version 1)" in said
    url = f"http://127.0.0.1:{product.site_port}/thirdparty/status/503"
    poll = f"{{url: '{url}', items: '{{{{response.body}}}}', id: '{{{{item}}}}', cursor: '{{{{response.status}}}}'}}"
    file.write_text(
        f"{{id: timed, name: T, trigger: {{on: poll, every_seconds: 60, poll: {poll}}}, steps: [{{id: a, kind: stop}}]}}"
    )
    assert "kept in the database" in blubees(product, "flow", "publish", str(file), *of)[1]
    said = wait_for(lambda: "failed" in (said := blubees(product, "flow", "show", "timed", *of)[1]) and said)
    assert "vendor_broken, HTTP 503. The third party answered with an error of its own" in said
    assert "vendor_broken" in blubees(product, "flow", "list", *of)[1]
    assert blubees(product, "flow", "withdraw", "timed", *of)[0] == 0
    code, said = blubees(product, "flow", "fire", "timed", *of)
    assert code == 1
    assert "no schedule and no poll" in said


def test_a_broken_flow_file_gets_every_problem_with_its_place(product: Product, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("id: a\nname: A\ntrigger: {on: webhok}\nsteps:\n  - {id: x, kind: htp}\n  - {id: x, kind: stop, more: 1}\n")
    code, said = blubees(product, "flow", "check", str(file))
    assert code == 1
    for part in ("line 3, column 15", "webhook", "line 5", "http", "line 6, column 31", "more"):
        assert part in said, part
    found = json.loads(blubees(product, "flow", "check", str(file), "--json")[1])
    assert len(found[str(file)]) >= 4
    assert blubees(product, "flow", "check", str(tmp_path / "missing.yaml"))[0] == 1
    schema = json.loads(blubees(product, "flow", "schema")[1])
    assert "steps" in schema["properties"]
    assert "jira.add_comment" in blubees(product, "flow", "kinds")[1]


def test_runs_and_connections_on_the_command_line(product: Product, tmp_path: Path) -> None:
    tenant = product.tenant(1)
    file = tmp_path / "flow.yaml"
    file.write_text(ECHO.replace("id: echo", "id: shown"))
    said = blubees(product, "flow", "publish", str(file), "--tenant", tenant)[1]
    path = product.url + said.rpartition("shown once): ")[2].strip()
    wait_for(lambda: call(path, b'{"issue": {"key": "A-1"}}', JSON)[0] == 200)
    said = wait_for(lambda: "shown v1" in (out := blubees(product, "runs", "list", "--tenant", tenant)[1]) and out)
    run = next(line.split()[0] for line in said.splitlines() if "shown v1" in line)
    assert "respond" in blubees(product, "runs", "show", run, "--tenant", tenant)[1]
    assert blubees(product, "runs", "show", run, "--tenant", product.tenant(0))[0] == 1
    assert json.loads(blubees(product, "runs", "list", "--json")[1])[0]["run"] == run
    arguments = ("connection", "add", "crm", "--kind", "bearer", "--host", "api.example.com", "--tenant", tenant)
    code, said = blubees(product, *arguments, secret=SECRET + "\n")
    assert code == 0
    assert SECRET not in said
    assert "crm" in blubees(product, "connection", "list", "--tenant", tenant)[1]
    assert "crm" not in blubees(product, "connection", "list", "--tenant", product.tenant(0))[1]
    assert blubees(product, "connection", "remove", "crm", "--tenant", tenant)[0] == 0
    assert blubees(product, "connection", "remove", "crm", "--tenant", tenant)[0] == 1
    assert product.tenant(0) in blubees(product, "tenants", "list")[1]


def test_settings_change_one_by_one_and_have_bounds(product: Product) -> None:
    chosen = ("tenants", "settings", "--tenant", product.tenant(0), "--json")
    assert json.loads(blubees(product, *chosen)[1]) == {
        "tenant": product.tenant(0),
        "parking": "allow",
        "replay_hours": 1.0,
        "shapes": "failed",
        "egress_allow": [],
        "egress_deny": [],
    }
    assert blubees(product, *chosen, "--replay-hours", "25")[0] == 1
    assert json.loads(blubees(product, *chosen, "--replay-hours", "2.5")[1])["replay_hours"] == 2.5
    assert json.loads(blubees(product, *chosen, "--shapes", "all")[1])["shapes"] == "all"
    assert blubees(product, *chosen, "--egress-deny", "https://evil.example")[0] == 1
    found = json.loads(blubees(product, *chosen, "--egress-deny", "Evil.example., *.evil.example")[1])
    assert (found["egress_deny"], found["unreachable"]) == (["evil.example", "*.evil.example"], [])
    assert json.loads(blubees(product, *chosen, "--egress-deny", "")[1])["egress_deny"] == []
    steps = "  - {id: pause, kind: wait, with: {days: 1}}\n  - {id: last, kind: set, with: {values: {k: '{{issue.key}}'}}}\n"
    product.publish(f"id: carries\nname: C\ntrigger: {{on: jira.issue_created}}\nsteps:\n{steps}")
    found = json.loads(blubees(product, *chosen, "--parking", "refuse")[1])
    assert (found["parking"], found["replay_hours"]) == ("refuse", 2.5)
    assert [line.partition(" over ")[0] for line in found["carrying"]] == ["flow carries: step pause: would keep issue.key"]
    assert "flow carries: step pause" in blubees(product, *chosen[:-1])[1]
    other = ("tenants", "settings", "--tenant", product.tenant(1))
    assert "allow" in blubees(product, *other)[1]


def test_without_a_service_the_command_line_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from blubees.main.cli import main; main()", "runs", "list", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Start it (blubees serve)" in done.stderr
    assert "Traceback" not in done.stderr


def routes(product: Product) -> list[tuple[str, str]]:
    document = ask(product, "GET", "/operator/v1/openapi.json")[1]
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def ask(product: Product, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
    facts = json.loads((product.data / "operator.json").read_text())
    headers = JSON | {"Authorization": f"Bearer {facts['token'] if token is None else token}"}
    content = json.dumps(body).encode() if body is not None else b"" if method in {"PUT", "POST"} else None
    return call(facts["url"] + path, content, headers, method)


def fill(path: str, tenant: str) -> str:
    values = {"tenant": tenant, "flow": "echo", "name": "crm", "run": "r" + "0" * 26, "version": "1"}
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_every_route_needs_the_token_and_knows_no_tenant_that_is_not_there(product: Product) -> None:
    bodies: dict[str, Any] = {
        "permit": {"flows": []},
        "connections": {"kind": "bearer", "hosts": ["a.example.com"], "secret": SECRET},
        "rollback": {"version": 1},
        "vault/rotate": {"level": "kms", "before": 0},
        "shred": {"confirm": "x"},
    }
    found = routes(product)
    assert len([path for _, path in found if "{tenant}" in path]) >= 13
    for method, path in found:
        if not path.startswith("/operator/"):
            continue
        body = next((each for word, each in bodies.items() if word in path and method in {"PUT", "POST"}), None)
        for token in ("", "wrong", SECRET):
            assert ask(product, method, fill(path, product.tenant(0)), body, token)[0] == 401, path
        if "{tenant}" in path:
            query = "?from=1" if path.endswith("/diff") else ""
            status, answer = ask(product, method, fill(path, "t" + "0" * 24) + query, body)
            assert (status, "tenant" in answer["error"]) == (404, True), (method, path, answer)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"kind": "bearer", "hosts": ["a.example.com"], "secret": SECRET, "more": 1}, "more"),
        ({"kind": "password", "hosts": ["a.example.com"], "secret": SECRET}, "kind"),
        ({"kind": "bearer", "hosts": ["a.example.com"] * 30, "secret": SECRET}, "hosts"),
        ({"kind": "bearer", "hosts": "a.example.com", "secret": SECRET}, "hosts"),
        ({"kind": "bearer", "hosts": ["a.example.com"], "secret": [SECRET]}, "secret"),
        ({"kind": "bearer", "hosts": ["api.atlassian.com"], "secret": "ATATT3xFfGF0" + SECRET}, "Atlassian"),
    ],
)
def test_a_bad_connection_is_refused_and_its_secret_not_repeated(product: Product, body: Any, part: str) -> None:
    status, answer = ask(product, "PUT", f"/operator/v1/tenants/{product.tenant(0)}/connections/bad", body)
    assert status == 422
    assert part in json.dumps(answer)
    assert SECRET not in json.dumps(answer)
    assert "bad" not in json.dumps(ask(product, "GET", f"/operator/v1/tenants/{product.tenant(0)}/connections")[1])
