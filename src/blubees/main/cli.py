"""`blubees`: the command line. Each command imports what it needs when it runs, so that `flow check` starts quickly.

Exit codes: 0 done, 1 problems were found, 2 wrong use, 3 the service is not reachable.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import cyclopts
from rich.console import Console

from blubees.main.cli_connectors import connector_app
from blubees.main.cli_vault import vault_app
from blubees.model.errors import BluBeesError, InputError, UnavailableError

app = cyclopts.App(name="blubees", help="Workflow automation inside Jira Cloud whose payload is never stored.")
flow_app = cyclopts.App(name="flow", help="Check, publish and look at flows.")
runs_app = cyclopts.App(name="runs", help="Look at runs: no values, ever.")
connection_app = cyclopts.App(name=("connection", "connections"), help="Keep credentials of third parties.")
tenants_app = cyclopts.App(name="tenants", help="The Jira sites that are known.")
waiting_app = cyclopts.App(name="waiting", help="Runs that wait for time, an answer or a call back.")
import_app = cyclopts.App(name="import", help="Take over what was written elsewhere.")
for _group in (flow_app, runs_app, connection_app, tenants_app, waiting_app, import_app, connector_app, vault_app):
    app.command(_group)

PROBLEMS: Final = 1
UNREACHABLE: Final = 3
Data = Annotated[Path, cyclopts.Parameter(name="--data", env_var="BLUBEES_DATA", help="the service's data folder")]
Tenant = Annotated[str, cyclopts.Parameter(name="--tenant", help="the tenant's id; needed when there are several")]
Json = Annotated[bool, cyclopts.Parameter(name="--json", negative="", help="one JSON document instead of tables")]
DATA: Final = Path(".blubees")


def main() -> None:
    """Run the command line."""
    try:
        code = app(sys.argv[1:], result_action="return_value")
    except UnavailableError as error:
        _complain(error.for_user)
        sys.exit(UNREACHABLE)
    except InputError as error:
        _complain(error.for_user, error.problems)
        sys.exit(PROBLEMS)
    except (BluBeesError, ValueError) as error:
        _complain(str(error))
        sys.exit(PROBLEMS)
    sys.exit(code if isinstance(code, int) else 0)


@app.command
def serve(*, data: Data = DATA) -> int:
    """Run the whole service on this machine; settings come from BLUBEES_… variables (docs/cli.md)."""
    from blubees.main.settings import read_settings  # noqa: PLC0415 - see the module's docstring
    from blubees.main.supervisor import serve as run  # noqa: PLC0415 - see above

    return run(read_settings(data))


@app.command
def conduit(*, data: Data = DATA) -> int:
    """Run conduits as a service of a cluster; settings come from BLUBEES_… variables (docs/cluster.md)."""
    from blubees.main.services import CONDUIT, run_service  # noqa: PLC0415 - see the module's docstring
    from blubees.main.settings import read_settings  # noqa: PLC0415 - see above

    return run_service(read_settings(data), CONDUIT)


@app.command(name="control-plane")
def control_plane(*, data: Data = DATA) -> int:
    """Run a control plane as a service of a cluster; settings come from BLUBEES_… variables (docs/cluster.md)."""
    from blubees.main.services import CONTROL, run_service  # noqa: PLC0415 - see the module's docstring
    from blubees.main.settings import read_settings  # noqa: PLC0415 - see above

    return run_service(read_settings(data), CONTROL)


@app.command
def cluster(*, data: Data = Path(".blubees-cluster"), site_port: int = 8790) -> int:
    """Run a whole cluster on this machine, with the development Jira site (make cluster)."""
    from blubees.main.cluster import run_cluster  # noqa: PLC0415 - see the module's docstring

    return run_cluster(data, site_port)


@app.command
def broker(*, show: Annotated[bool, cyclopts.Parameter(name="--show", negative="")] = False) -> None:
    """Run one node of the broker's cluster; settings from BLUBEES_NODE_… variables (docs/cluster.md).

    Args:
        show: print nats-server's configuration instead, for the official image.
    """
    from blubees.adapters.machine import EventLog  # noqa: PLC0415 - see the module's docstring
    from blubees.main.broker_node import describe_node, run_node  # noqa: PLC0415 - see above
    from blubees.main.node_settings import read_node_settings  # noqa: PLC0415 - see above

    if show:
        print(describe_node(read_node_settings()))  # noqa: T201 - the command's answer
        return
    required = os.environ.get("BLUBEES_REQUIRE_LOCKDOWN", "") == "1"
    run_node(read_node_settings(), require_lockdown=required, events=EventLog(sys.stdout.buffer))


@app.command
def keys(folder: Path) -> None:
    """Make the secrets that the services of a cluster share, one file each; what is there stays."""
    from blubees.main.cluster_keys import make_keys  # noqa: PLC0415 - see above

    for path in make_keys(folder):
        print(path)  # noqa: T201 - see above


@app.command
def migrate() -> None:
    """Bring a PostgreSQL database to this version's schema; settings: BLUBEES_DATABASE_OWNER_URL, BLUBEES_DATABASE_URL."""
    from blubees.main.migrate import migrate as run  # noqa: PLC0415 - see above

    print(f"the database has revision {run()}")  # noqa: T201 - the command's answer


@app.command
def demo(*, data: Data = DATA, port: int = 8780, site_port: int = 8790) -> int:
    """Run the service with the development Jira site and the demo flow (make run)."""
    from blubees.main.demo import run_demo  # noqa: PLC0415 - see above

    return run_demo(data, port, site_port)


@app.command
def devsite(*arguments: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)]) -> None:
    """Run the development Jira site alone; `blubees devsite --port 8790` and so on."""
    os.execv(sys.executable, [sys.executable, "-m", "devsite", *arguments])  # noqa: S606 - our own module


@app.command(name="try")
def try_value(
    text: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)] = "",
    *,
    file: Annotated[str, cyclopts.Parameter(name="--data", allow_leading_hyphen=True)] = "",
    trigger: str = "",
    json: Json = False,
) -> int:
    """Work out a smart value beside data from a file; without one, ask for one after another, with completion. Works offline.

    Args:
        text: a template such as '{{issue.summary.left(20)}}', or an expression alone.
        file: JSON, or - for standard input: its names can be read, and all of it as `webhookData`.
        trigger: set the data out as the event of this trigger, such as jira.issue_created.
    """
    from blubees.main.trying import Bench, list_triggers, try_in_loop  # noqa: PLC0415 - see the module's docstring

    known = list_triggers()
    if trigger and trigger not in known:
        raise InputError(f"--trigger {trigger}: there is no such trigger. Known are {', '.join(known)}.")
    bench = Bench(Console(soft_wrap=True), known.get(trigger), is_json=json)
    bench.read_data(file)
    if text:
        return 0 if bench.work_out(text) else PROBLEMS
    if sys.stdin.isatty():
        try_in_loop(bench)
        return 0
    good = [bench.work_out(line) for line in sys.stdin.read().splitlines() if line]
    return 0 if all(good) else PROBLEMS


@flow_app.command
def check(*files: Path, json: Json = False) -> int:
    """Report everything that is wrong with flow files, with line, column and the nearest right name. Works offline."""
    from blubees.flows.offline import check_offline  # noqa: PLC0415 - see above
    from blubees.flows.versions import describe_problem  # noqa: PLC0415 - see above
    from blubees.steps.book import load_book  # noqa: PLC0415 - see above

    found: dict[str, Any] = {}
    failed = False
    for file in files:
        try:
            checked = check_offline(file.read_text(encoding="utf-8", errors="surrogateescape"), load_book())
        except OSError as error:
            raise InputError(f"{file}: can't be read ({error.strerror}).") from None
        failed = failed or checked.flow is None
        found[str(file)] = checked.problems
        if not json:
            for problem in checked.problems:
                print(f"{file}: {problem.severity}: {describe_problem(problem)}")  # noqa: T201 - the command's answer
            if checked.flow is not None:
                print(f"{file}: good")  # noqa: T201 - see above
    if json:
        _print_json(found)
    return PROBLEMS if failed or not files else 0


@flow_app.command
def schema() -> None:
    """Print the JSON Schema of flow documents, with the actions and triggers of the catalogue."""
    from blubees.connectors.catalogue import load_catalogue  # noqa: PLC0415 - see above
    from blubees.flows.schema import flow_schema  # noqa: PLC0415 - see above
    from blubees.steps.book import load_book  # noqa: PLC0415 - see above

    _print_json(flow_schema(load_book(), load_catalogue()))


@flow_app.command
def kinds() -> None:
    """List the step kinds."""
    from blubees.steps.book import list_kinds  # noqa: PLC0415 - see above

    _print_table(["kind", "what it does"], [[each.name, each.summary] for each in list_kinds()])


@flow_app.command
def publish(file: Path, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Save a flow file as draft and publish it; a webhook flow's address is printed once, here."""
    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    saved = client.put_text(f"/tenants/{tenant}/flows", file.read_text())
    for warning in saved["warnings"]:
        _complain(warning)
    done = client.post(f"/tenants/{tenant}/flows/{saved['flow']}/publish")
    words = "published" if done["is_new"] else "unchanged; live is"
    print(f"{saved['flow']}: {words} version {done['version']}")  # noqa: T201 - see above
    if done.get("is_registered"):
        print("the webhook is registered at its vendor")  # noqa: T201 - the command's answer
    if done.get("registration"):
        failure = done["registration"]
        why = f"{failure['code']} {failure.get('detail', '')}".strip()
        _complain(f"the webhook could not be registered: {why}. Mend that, then publish again.")
    if done.get("hook_token"):
        print(f"webhook path (shown once): /hooks/{tenant}/{done['hook_token']}")  # noqa: T201 - see above


@flow_app.command(name="list")
def list_flows(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List a tenant's flows, and when those with a schedule or a poll are due."""
    from blubees.main.cli_tables import write_due  # noqa: PLC0415 - see above

    client = _connect(data)
    base = f"/tenants/{client.choose_tenant(tenant)}"
    flows, schedules = client.get(f"{base}/flows"), {each["flow"]: each for each in client.get(f"{base}/schedules")}
    if json:
        _print_json([each | {"schedule": schedules.get(each["flow"])} for each in flows])
        return
    rows = [
        [each["flow"], each["name"], str(each["live_version"] or "-"), str(each["newest_version"]), write_due(schedule)]
        for each in flows
        for schedule in [schedules.get(each["flow"])]
    ]
    _print_table(["flow", "name", "live", "newest", "due next (UTC)"], rows)


@flow_app.command
def show(flow: str, *, version: int = 0, tenant: Tenant = "", data: Data = DATA) -> None:
    """Print a flow's draft, or one of its versions; on standard error, how its schedule or poll is doing."""
    from blubees.main.cli_tables import schedule_lines  # noqa: PLC0415 - see above

    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    base = f"/tenants/{tenant}/flows/{flow}"
    text = client.get(f"{base}/versions/{version}")["text"] if version else client.get(base)["flow"]["draft"]
    print(text)  # noqa: T201 - see above
    for row in client.get(f"/tenants/{tenant}/schedules"):
        for line in schedule_lines(row) if row["flow"] == flow else ():
            _complain(line)


@flow_app.command
def fire(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Make a flow's schedule or poll due now."""
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/fire")
    print(f"{flow}: due now")  # noqa: T201 - see above


@flow_app.command(name="run")
def run_flow(
    flow: str,
    *,
    inputs: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)] = "",
    door: str = "",
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Run a flow whose trigger is `manual`. Its inputs go to a conduit, not through the control plane.

    Args:
        inputs: a file with a JSON object, or - for standard input.
        door: the conduits' address, where the control plane does not know it.
    """
    from blubees.main.manual_run import run_by_hand  # noqa: PLC0415 - see above

    client = _connect(data)
    content = (sys.stdin.buffer.read() if inputs == "-" else Path(inputs).read_bytes()) if inputs else b"{}"
    answer = run_by_hand(client, client.choose_tenant(tenant), flow, content, door)
    if json or not (isinstance(answer, dict) and answer.get("run")):
        _print_json(answer)
    else:
        print(f"{flow}: {answer['status']}, run {answer['run']}")  # noqa: T201 - see above


@runs_app.command(name="watch")
@flow_app.command(name="test")
def try_flow(
    flow: str,
    *,
    event: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)] = "",
    dry_run: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    door: str = "",
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> int:
    """Run a flow's live version once and watch it with its values: they come from the conduit to you, and are kept nowhere.

    Args:
        event: a file with what starts the flow, as JSON, or - for standard input.
        dry_run: make no calls but reads, and show the others.
        door: the conduits' address, where the control plane does not know it.
    """
    from blubees.main.live_view import Teller, watch_trial  # noqa: PLC0415 - see above
    from blubees.main.run_view import open_console  # noqa: PLC0415 - see above

    client = _connect(data)
    content = (sys.stdin.buffer.read() if event == "-" else Path(event).read_bytes()) if event else b""
    teller, outcome = Teller(open_console()), ""
    for name, facts in watch_trial(client, client.choose_tenant(tenant), flow, content, door, is_dry=dry_run):
        outcome = str(facts.get("outcome", outcome))
        if json:
            print(_write_line({"event": name, **facts}))  # noqa: T201 - see above
        else:
            teller.tell((name, facts))
    return 0 if outcome in {"finished", "stopped"} else PROBLEMS


@flow_app.command
def diff(flow: str, old: int, new: int = 0, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Show what changed between two versions; 0 stands for the draft."""
    client = _connect(data)
    changes = client.get(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/diff?from={old}&to={new}")
    rows = [[each["what"], each["where"], str(each["before"]), str(each["after"])] for each in changes]
    _print_table(["what", "where", "before", "after"], rows)


@flow_app.command
def rollback(flow: str, version: int, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Make an earlier version live again."""
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/rollback", {"version": version})
    print(f"{flow}: version {version} is live")  # noqa: T201 - see above


@flow_app.command
def withdraw(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Start no more runs of a flow."""
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/withdraw")
    print(f"{flow}: no version is live")  # noqa: T201 - see above


@flow_app.command(name="rotate-hook")
def rotate_hook(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Give a webhook flow another address; the old one stops at once."""
    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    token = client.post(f"/tenants/{tenant}/flows/{flow}/rotate-hook")["hook_token"]
    print(f"webhook path (shown once): /hooks/{tenant}/{token}")  # noqa: T201 - see above


@import_app.command(name="jira-rules")
def import_jira_rules(
    file: Path,
    *,
    out: Path = Path("flows-from-jira"),
    replace: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Translate an export of Jira Automation into flow files and a report; tells what differs and what is to do. Works offline.

    Args:
        file: the JSON that Jira exported: one rule, a project's or the whole site's.
        out: the folder to write into.
        replace: write over files that are there already.
    """
    from blubees.flows.jira_rules.report import Verdict  # noqa: PLC0415 - see the module's docstring
    from blubees.main.rule_import import show_progress, tell_report, translate_file, write_files  # noqa: PLC0415 - see above

    with show_progress(is_shown=not json) as tell:
        report = translate_file(file, tell)
    write_files(report, out, replace=replace)
    if json:
        _print_json(report)
    else:
        tell_report(report, out, Console())
    return PROBLEMS if report.count(Verdict.NOT_TRANSLATABLE) else 0


@runs_app.command(name="list")
def list_runs(*, tenant: Tenant = "", flow: str = "", limit: int = 30, data: Data = DATA, json: Json = False) -> None:
    """List the newest runs; without --tenant, those of all tenants."""
    from blubees.main.run_view import draw_runs, open_console  # noqa: PLC0415 - see above

    client = _connect(data)
    chosen = f"&flow={flow}" if flow else ""
    path = f"/tenants/{client.choose_tenant(tenant)}/runs" if tenant or flow else "/runs"
    runs = client.get(f"{path}?limit={limit}{chosen}")
    if json:
        _print_json(runs)
    else:
        open_console().print(draw_runs(runs))


@runs_app.command(name="cancel")
def cancel_run(run: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """End a run wherever it is, before its next call; a call that is under way is let finish."""
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/runs/{run}/cancel")
    print(f"{run}: will end before its next call")  # noqa: T201 - see above


@runs_app.command(name="retry")
def retry_run(run: str, *, again: bool = False, skip: bool = False, tenant: Tenant = "", data: Data = DATA) -> None:
    """Have a failed run go on from its failed step; or start anew, where what it held is gone and its source can be asked.

    Args:
        again: of a step in doubt: make its call again.
        skip: of a step in doubt: go on as if its call had been made.
    """
    if again and skip:
        raise InputError("Say --again or --skip, not both.")
    client = _connect(data)
    choice = "again" if again else "skip" if skip else ""
    done = client.post(f"/tenants/{client.choose_tenant(tenant)}/runs/{run}/retry", {"choice": choice})
    words = (
        "goes on from its failed step" if done["how"] == "from_failed_step" else "starts anew, with its event asked for again"
    )
    print(f"{done['run']}: {words}")  # noqa: T201 - see above


@runs_app.command(name="show")
def show_run(run: str, *, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """Show one run: its steps over time; for a failure its tries, what, where and what to do, and shapes. Never a value."""
    from blubees.main.run_view import draw_run, open_console  # noqa: PLC0415 - see above
    from blubees.main.run_ways import list_ways  # noqa: PLC0415 - see above

    client = _connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/runs/{run}"
    found = client.get(path)
    if json:
        _print_json(found)
        return
    open_console().print(draw_run(found))
    for line in list_ways(found):
        print(line)  # noqa: T201 - see above


@connection_app.command
def add(
    name: str,
    *,
    kind: str = "",
    connector: str = "",
    host: tuple[str, ...] = (),
    user_name: str = "",
    parameter: str = "",
    setting: tuple[str, ...] = (),
    fields: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Add or replace a connection; the secret is read from standard input, or asked for without showing it.

    Args:
        kind: how calls are authorised (docs/connections.md); left out, the connector's first way.
        connector: of the catalogue, or imported: brings the addresses, headers and hosts that its vendor prescribes.
        host: host or host:port that the secret may go to; may stand several times.
        user_name: for basic.
        parameter: the header's or query parameter's name, for the API-key kinds.
        setting: name=value of what else it must know and is no secret; may stand several times.
        fields: standard input is a JSON object of secrets by field, for a kind with several.
    """
    from blubees.main.connection_input import read_secrets, read_settings  # noqa: PLC0415 - see above

    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    body: dict[str, Any] = {"kind": kind or None, "hosts": list(host), "user_name": user_name, "parameter": parameter}
    settings = read_settings(setting) | ({"connector": connector} if connector else {})
    body |= {"settings": settings} | read_secrets(is_object=fields)
    saved = client.put(f"/tenants/{tenant}/connections/{name}", body)
    print(f"{name}: kept, fingerprint {saved['fingerprint']}")  # noqa: T201 - see above


@connection_app.command(name="show")
def show_connection(name: str, *, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """Show one connection: its settings, what is known of its secrets and its grant, and what to do. Never a secret."""
    from blubees.main.consent_view import draw_connection  # noqa: PLC0415 - see above

    client = _connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}")
    if json:
        _print_json(found)
    else:
        Console().print(draw_connection(found))


@connection_app.command
def authorize(
    name: str,
    *,
    browser: Annotated[bool, cyclopts.Parameter(negative="--no-browser")] = True,
    tenant: Tenant = "",
    data: Data = DATA,
) -> int:
    """Have a person say yes (OAuth 2): shows an address, or a code to type, and waits up to ten minutes for it.

    Args:
        browser: open the address here as well.
    """
    from blubees.main.consent_view import ask_person  # noqa: PLC0415 - see above

    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    opens = browser and sys.stdout.isatty()
    return 0 if ask_person(client, tenant, name, Console(), opens_browser=opens) else PROBLEMS


@connection_app.command
def renew(name: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Renew a connection's token now, also one that was given up as dead."""
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/renew")
    print(f"{name}: renewed")  # noqa: T201 - see above


@connection_app.command
def change(
    name: str,
    *,
    setting: tuple[str, ...] = (),
    fields: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Change some settings or secrets of a connection; what is granted stays. An empty text takes one away.

    Args:
        setting: name=value; may stand several times.
        fields: read secrets from standard input, a JSON object by field.
    """
    from blubees.main.connection_input import read_secrets, read_settings  # noqa: PLC0415 - see above

    client = _connect(data)
    body = {"settings": read_settings(setting)} | (read_secrets(is_object=True) if fields else {})
    client.patch(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}", body)
    print(f"{name}: changed")  # noqa: T201 - see above


@connection_app.command(name="import")
def import_connection(
    name: str,
    source: str,
    *,
    origin: Annotated[Literal["env", "aws-secrets-manager"], cyclopts.Parameter(name="--from")],
    kind: str,
    host: tuple[str, ...] = (),
    user_name: str = "",
    parameter: str = "",
    setting: tuple[str, ...] = (),
    pick: str = "",
    region: str = "",
    tenant: Tenant = "",
    data: Data = DATA,
) -> None:
    """Add or replace a connection whose secret comes from a variable of the environment, or from AWS Secrets Manager.

    A JSON object gives the kind's secrets and settings by their names; what it has besides is left out, and told.

    Args:
        source: the variable's name, or the secret's name or ARN.
        origin: where the secret is.
        kind: as in `connection add`.
        host: as in `connection add`.
        user_name: as in `connection add`.
        parameter: as in `connection add`.
        setting: as in `connection add`.
        pick: of a JSON object, the entry that is the kind's main secret.
        region: of AWS; else as AWS's own settings say.
    """
    from blubees.main.connection_import import read_source  # noqa: PLC0415 - see the module's docstring
    from blubees.main.connection_input import read_settings  # noqa: PLC0415 - see above

    found = read_source(origin, source, kind, pick=pick, region=region)
    client = _connect(data)
    tenant = client.choose_tenant(tenant)
    given = {"user_name": user_name, "parameter": parameter}
    settings = found.settings | read_settings(setting) | {each: text for each, text in given.items() if text}
    body = {"kind": kind, "hosts": list(host), "secrets": found.secrets, "settings": settings, "source": origin}
    saved = client.put(f"/tenants/{tenant}/connections/{name}", body)
    taken = ", ".join(fact["field"] for fact in saved["fields"])
    print(f"{name}: kept {taken}, fingerprint {saved['fingerprint']}")  # noqa: T201 - see above
    if found.left_out:
        _complain(f"left out: {', '.join(found.left_out)}")


@connection_app.command
def permit(name: str, *, flow: tuple[str, ...] = (), tenant: Tenant = "", data: Data = DATA) -> None:
    """Say which flows may use a connection; without one, every flow may.

    Args:
        flow: a flow's id; may stand several times.
    """
    client = _connect(data)
    saved = client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/permit", {"flows": list(flow)})
    print(f"{name}: for {', '.join(saved['flows']) or 'every flow'}")  # noqa: T201 - see above


@connection_app.command(name="list")
def list_connections(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List a tenant's connections; secrets are never shown."""
    client = _connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/connections")
    if json:
        _print_json(found)
        return
    from blubees.main.connection_input import CONNECTION_COLUMNS, write_row  # noqa: PLC0415 - see the module's docstring

    _print_table(CONNECTION_COLUMNS, [write_row(each) for each in found])


@connection_app.command(name="test")
def try_connection(name: str, *, connector: str = "", tenant: Tenant = "", data: Data = DATA, json: Json = False) -> int:
    """Test a connection: the action by which its connector is tried is performed. Nothing of its answer is kept.

    Args:
        connector: which connector it is for, when the connection does not say so itself (--setting connector=…).
    """
    from blubees.main.connection_input import tell_test  # noqa: PLC0415 - see above

    client = _connect(data)
    query = urlencode({"connector": connector})
    found = client.post(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}/test?{query}")
    if json:
        _print_json(found)
    else:
        print(tell_test(found))  # noqa: T201 - the command's answer
    return PROBLEMS if "failure" in found else 0


@connection_app.command
def remove(name: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Delete a connection."""
    client = _connect(data)
    client.delete(f"/tenants/{client.choose_tenant(tenant)}/connections/{name}")
    print(f"{name}: deleted")  # noqa: T201 - see above


@tenants_app.command(name="list")
def list_tenants(*, data: Data = DATA, json: Json = False) -> None:
    """List the Jira sites that are known."""
    found = _connect(data).get("/tenants")
    if json:
        _print_json(found)
        return
    rows = [[each["tenant"], each["cloud_id"], each["environment_type"], each["licence"]] for each in found]
    _print_table(["tenant", "cloud id", "environment", "licence"], rows)


@tenants_app.command(name="settings")
def change_settings(
    *,
    parking: Literal["allow", "refuse"] | None = None,
    replay_hours: float | None = None,
    shapes: Literal["failed", "all"] | None = None,
    egress_allow: str | None = None,
    egress_deny: str | None = None,
    tenant: Tenant = "",
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Show a tenant's settings, after changing those that are named.

    Args:
        parking: refuse: flows may not carry payload over a wait.
        replay_hours: how long a failed run can go on from its failed step, 0 to 24.
        shapes: all: tell the shapes of what went into and out of steps of each run, not only of those that failed.
        egress_allow: the only hosts that flows may call, with commas between: example.com, *.example.com; "": all.
        egress_deny: hosts that flows may not call, also where egress_allow names them; "": none.
    """
    client = _connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/settings"
    given = {"parking": parking, "replay_hours": replay_hours, "shapes": shapes}
    chosen: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    for name, text in (("egress_allow", egress_allow), ("egress_deny", egress_deny)):
        if text is not None:
            chosen[name] = [each.strip() for each in text.split(",") if each.strip()]
    found = client.put(path, chosen) if chosen else client.get(path)
    if json:
        _print_json(found)
        return
    carrying, unreachable = found.pop("carrying", ()), found.pop("unreachable", ())
    rows = [[name, ", ".join(value) if isinstance(value, list) else str(value)] for name, value in found.items()]
    _print_table(["setting", "value"], rows)
    if carrying:
        _complain("Runs of these live flows will fail at a wait (not_parked):", tuple(carrying))
    if unreachable:
        _complain("Runs of these live flows will fail at a call (egress_refused):", tuple(unreachable))


@waiting_app.command(name="list")
def list_waiting(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List the runs that wait, the next due first."""
    from blubees.main.cli_tables import waiting_rows  # noqa: PLC0415 - see above

    client = _connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/waiting")
    if json:
        _print_json(found)
        return
    _print_table(["run", "flow", "step", "waits for", "until", "answers"], waiting_rows(found))


@waiting_app.command
def answer(run: str, choice: str, *, step: str = "", tenant: Tenant = "", data: Data = DATA) -> None:
    """Say what shall be done with a call of a run that may have been made when a process died.

    Args:
        choice: retry (make it again), skip (go on as if it was made), fail (end the run).
        step: which step, when several of the run are in doubt.
    """
    client = _connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/runs/{run}/answer", {"choice": choice, "step": step})
    print(f"{run}: {choice}")  # noqa: T201 - see above


def _connect(data: Path) -> Any:  # noqa: ANN401 - imported late
    from blubees.main.operator_client import OperatorClient  # noqa: PLC0415 - see the module's docstring

    return OperatorClient.from_folder(data)


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - slow to import

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "run")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _print_json(document: object) -> None:
    from blubees.main.operator_client import print_json  # noqa: PLC0415 - see the module's docstring

    print_json(document)


def _write_line(document: object) -> str:
    import msgspec  # noqa: PLC0415 - see above

    return msgspec.json.encode(document).decode()


def _complain(sentence: str, problems: tuple[str, ...] = ()) -> None:
    for line in (sentence, *(f"  {problem}" for problem in problems)):
        sys.stderr.write(line + "\n")
