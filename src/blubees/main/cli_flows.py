"""The command groups `blubees flow` and `blubees import`. Registered by main/cli.py."""

import sys
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from rich.console import Console

from blubees.main.cli_options import (
    DATA,
    PROBLEMS,
    Data,
    Json,
    Tenant,
    complain,
    connect,
    print_json,
    print_table,
    write_line,
)
from blubees.main.cli_runs import runs_app
from blubees.model.errors import InputError

flow_app = cyclopts.App(name="flow", help="Check, publish and look at flows.")
import_app = cyclopts.App(name="import", help="Take over what was written elsewhere.")


@flow_app.command
def check(*files: Path, json: Json = False) -> int:
    """Report everything that is wrong with flow files, with line, column and the nearest right name. Works offline."""
    from blubees.flows.offline import check_offline  # noqa: PLC0415 - as in main/cli.py
    from blubees.flows.versions import describe_problem  # noqa: PLC0415 - as in main/cli.py
    from blubees.steps.book import load_book  # noqa: PLC0415 - as in main/cli.py

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
        print_json(found)
    return PROBLEMS if failed or not files else 0


@flow_app.command
def schema() -> None:
    """Print the JSON Schema of flow documents, with the actions and triggers of the catalogue."""
    from blubees.connectors.catalogue import load_catalogue  # noqa: PLC0415 - as in main/cli.py
    from blubees.flows.schema import flow_schema  # noqa: PLC0415 - as in main/cli.py
    from blubees.steps.book import load_book  # noqa: PLC0415 - as in main/cli.py

    print_json(flow_schema(load_book(), load_catalogue()))


@flow_app.command
def kinds() -> None:
    """List the step kinds."""
    from blubees.steps.book import list_kinds  # noqa: PLC0415 - as in main/cli.py

    print_table(["kind", "what it does"], [[each.name, each.summary] for each in list_kinds()])


@flow_app.command
def publish(file: Path, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Save a flow file as draft and publish it; a webhook flow's address is printed once, here."""
    client = connect(data)
    tenant = client.choose_tenant(tenant)
    saved = client.put_text(f"/tenants/{tenant}/flows", file.read_text())
    for warning in saved["warnings"]:
        complain(warning)
    done = client.post(f"/tenants/{tenant}/flows/{saved['flow']}/publish")
    words = "published" if done["is_new"] else "unchanged; live is"
    print(f"{saved['flow']}: {words} version {done['version']}")  # noqa: T201 - see above
    if done.get("is_registered"):
        print("the webhook is registered at its vendor")  # noqa: T201 - the command's answer
    if done.get("registration"):
        from blubees.main.webhook_view import tell_unregistered  # noqa: PLC0415 - as in main/cli.py

        complain(tell_unregistered(done["registration"]))
    if done.get("hook_token"):
        print(f"webhook path (shown once): /hooks/{tenant}/{done['hook_token']}")  # noqa: T201 - see above


@flow_app.command(name="list")
def list_flows(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List a tenant's flows, and when those with a schedule or a poll are due."""
    from blubees.main.cli_tables import write_due  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    base = f"/tenants/{client.choose_tenant(tenant)}"
    flows, schedules = client.get(f"{base}/flows"), {each["flow"]: each for each in client.get(f"{base}/schedules")}
    if json:
        print_json([each | {"schedule": schedules.get(each["flow"])} for each in flows])
        return
    rows = [
        [each["flow"], each["name"], str(each["live_version"] or "-"), str(each["newest_version"]), write_due(schedule)]
        for each in flows
        for schedule in [schedules.get(each["flow"])]
    ]
    print_table(["flow", "name", "live", "newest", "due next (UTC)"], rows)


@flow_app.command
def show(flow: str, *, version: int = 0, tenant: Tenant = "", data: Data = DATA) -> None:
    """Print a flow's draft, or one of its versions; on standard error, how its schedule or poll is doing."""
    from blubees.main.cli_tables import schedule_lines  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    tenant = client.choose_tenant(tenant)
    base = f"/tenants/{tenant}/flows/{flow}"
    text = client.get(f"{base}/versions/{version}")["text"] if version else client.get(base)["flow"]["draft"]
    print(text)  # noqa: T201 - see above
    for row in client.get(f"/tenants/{tenant}/schedules"):
        for line in schedule_lines(row) if row["flow"] == flow else ():
            complain(line)


@flow_app.command
def fire(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Make a flow's schedule or poll due now."""
    client = connect(data)
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
    from blubees.main.manual_run import run_by_hand  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    content = (sys.stdin.buffer.read() if inputs == "-" else Path(inputs).read_bytes()) if inputs else b"{}"
    answer = run_by_hand(client, client.choose_tenant(tenant), flow, content, door)
    if json or not (isinstance(answer, dict) and answer.get("run")):
        print_json(answer)
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
    from blubees.main.live_view import Teller, watch_trial  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.run_view import open_console  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    content = (sys.stdin.buffer.read() if event == "-" else Path(event).read_bytes()) if event else b""
    teller, outcome = Teller(open_console()), ""
    for name, facts in watch_trial(client, client.choose_tenant(tenant), flow, content, door, is_dry=dry_run):
        outcome = str(facts.get("outcome", outcome))
        if json:
            print(write_line({"event": name, **facts}))  # noqa: T201 - see above
        else:
            teller.tell((name, facts))
    return 0 if outcome in {"finished", "stopped"} else PROBLEMS


@flow_app.command
def diff(flow: str, old: int, new: int = 0, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Show what changed between two versions; 0 stands for the draft."""
    client = connect(data)
    changes = client.get(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/diff?from={old}&to={new}")
    rows = [[each["what"], each["where"], str(each["before"]), str(each["after"])] for each in changes]
    print_table(["what", "where", "before", "after"], rows)


@flow_app.command
def rollback(flow: str, version: int, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Make an earlier version live again."""
    client = connect(data)
    done = client.post(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/rollback", {"version": version})
    print(f"{flow}: version {version} is live")  # noqa: T201 - see above
    if done["registration"]:
        from blubees.main.webhook_view import tell_unregistered  # noqa: PLC0415 - as in main/cli.py

        complain(tell_unregistered(done["registration"]))


@flow_app.command
def withdraw(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Start no more runs of a flow."""
    client = connect(data)
    done = client.post(f"/tenants/{client.choose_tenant(tenant)}/flows/{flow}/withdraw")
    print(f"{flow}: no version is live")  # noqa: T201 - see above
    if done["webhook"]:
        from blubees.main.webhook_view import tell_not_taken_back  # noqa: PLC0415 - as in main/cli.py

        complain(tell_not_taken_back(done["webhook"]))


@flow_app.command(name="webhooks")
def list_webhooks(*, again: str = "", tenant: Tenant = "", data: Data = DATA, json: Json = False) -> int:
    """List the webhooks that are registered at vendors, and those that could not be taken back there.

    Args:
        again: the id of one that could not be taken back: try it now.
    """
    from blubees.main.webhook_view import COLUMNS, tell_not_taken_back, write_rows  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/webhooks"
    if again:
        failure = client.post(f"{path}/{again}/again")["failure"]
        complain(tell_not_taken_back(failure) if failure else "taken back")
        return PROBLEMS if failure else 0
    found = client.get(path)
    if json:
        print_json(found)
    else:
        print_table(COLUMNS, write_rows(found))
    return 0


@flow_app.command(name="rotate-hook")
def rotate_hook(flow: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """Give a webhook flow another address; the old one stops at once."""
    client = connect(data)
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
    from blubees.flows.jira_rules.report import Verdict  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.rule_import import show_progress, tell_report, translate_file, write_files  # noqa: PLC0415 - as in main/cli.py

    with show_progress(is_shown=not json) as tell:
        report = translate_file(file, tell)
    write_files(report, out, replace=replace)
    if json:
        print_json(report)
    else:
        tell_report(report, out, Console())
    return PROBLEMS if report.count(Verdict.NOT_TRANSLATABLE) else 0
