"""`blubees`: the command line. Each command imports what it needs when it runs, so that `flow check` starts quickly.

Exit codes: 0 done, 1 problems were found, 2 wrong use, 3 the service is not reachable.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import cyclopts
from rich.console import Console

from blubees.main.cli_connections import connection_app
from blubees.main.cli_connectors import connector_app
from blubees.main.cli_flows import flow_app, import_app
from blubees.main.cli_options import DATA, PROBLEMS, Data, Json, complain
from blubees.main.cli_runs import runs_app, waiting_app
from blubees.main.cli_tenants import tenants_app
from blubees.main.cli_vault import vault_app
from blubees.model.errors import BluBeesError, InputError, UnavailableError

app = cyclopts.App(name="blubees", help="Workflow automation inside Jira Cloud whose payload is never stored.")
for _group in (flow_app, runs_app, connection_app, tenants_app, waiting_app, import_app, connector_app, vault_app):
    app.command(_group)

UNREACHABLE: Final = 3


def main() -> None:
    """Run the command line."""
    try:
        code = app(sys.argv[1:], result_action="return_value")
    except UnavailableError as error:
        complain(error.for_user)
        sys.exit(UNREACHABLE)
    except InputError as error:
        complain(error.for_user, error.problems)
        sys.exit(PROBLEMS)
    except (BluBeesError, ValueError) as error:
        complain(str(error))
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
