"""The command groups `blubees runs` and `blubees waiting`. Registered by main/cli.py."""

import cyclopts

from blubees.main.cli_options import (
    DATA,
    Data,
    Json,
    Tenant,
    connect,
    print_json,
    print_table,
)
from blubees.model.errors import InputError

runs_app = cyclopts.App(name="runs", help="Look at runs: no values, ever.")
waiting_app = cyclopts.App(name="waiting", help="Runs that wait for time, an answer or a call back.")


@runs_app.command(name="list")
def list_runs(*, tenant: Tenant = "", flow: str = "", limit: int = 30, data: Data = DATA, json: Json = False) -> None:
    """List the newest runs; without --tenant, those of all tenants."""
    from blubees.main.run_view import draw_runs, open_console  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    chosen = f"&flow={flow}" if flow else ""
    path = f"/tenants/{client.choose_tenant(tenant)}/runs" if tenant or flow else "/runs"
    runs = client.get(f"{path}?limit={limit}{chosen}")
    if json:
        print_json(runs)
    else:
        open_console().print(draw_runs(runs))


@runs_app.command(name="cancel")
def cancel_run(run: str, *, tenant: Tenant = "", data: Data = DATA) -> None:
    """End a run wherever it is, before its next call; a call that is under way is let finish."""
    client = connect(data)
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
    client = connect(data)
    choice = "again" if again else "skip" if skip else ""
    done = client.post(f"/tenants/{client.choose_tenant(tenant)}/runs/{run}/retry", {"choice": choice})
    words = (
        "goes on from its failed step" if done["how"] == "from_failed_step" else "starts anew, with its event asked for again"
    )
    print(f"{done['run']}: {words}")  # noqa: T201 - see above


@runs_app.command(name="show")
def show_run(run: str, *, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """Show one run: its steps over time; for a failure its tries, what, where and what to do, and shapes. Never a value."""
    from blubees.main.run_view import draw_run, open_console  # noqa: PLC0415 - as in main/cli.py
    from blubees.main.run_ways import list_ways  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    path = f"/tenants/{client.choose_tenant(tenant)}/runs/{run}"
    found = client.get(path)
    if json:
        print_json(found)
        return
    open_console().print(draw_run(found))
    for line in list_ways(found):
        print(line)  # noqa: T201 - see above


@waiting_app.command(name="list")
def list_waiting(*, tenant: Tenant = "", data: Data = DATA, json: Json = False) -> None:
    """List the runs that wait, the next due first."""
    from blubees.main.cli_tables import waiting_rows  # noqa: PLC0415 - as in main/cli.py

    client = connect(data)
    found = client.get(f"/tenants/{client.choose_tenant(tenant)}/waiting")
    if json:
        print_json(found)
        return
    print_table(["run", "flow", "step", "waits for", "until", "answers"], waiting_rows(found))


@waiting_app.command
def answer(run: str, choice: str, *, step: str = "", tenant: Tenant = "", data: Data = DATA) -> None:
    """Say what shall be done with a call of a run that may have been made when a process died.

    Args:
        choice: retry (make it again), skip (go on as if it was made), fail (end the run).
        step: which step, when several of the run are in doubt.
    """
    client = connect(data)
    client.post(f"/tenants/{client.choose_tenant(tenant)}/runs/{run}/answer", {"choice": choice, "step": step})
    print(f"{run}: {choice}")  # noqa: T201 - see above
