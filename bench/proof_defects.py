"""Defects that `make proof` plants in the product's code, each of which must be found; and what starts a product with them.

Run as `proof_defects.py serve --data …` by bench/proof.py: its conduits are started by this file too. Each defect acts on a
call whose body names it, and lets out the canary that stands there.
"""

import asyncio
import json
import logging
import os
import re
import runpy
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main"), str(ROOT / "src")]

from product import run_product, wait_for  # noqa: E402 - after the path is set

from blubees.adapters.library_log import LibraryLog  # noqa: E402 - see above
from blubees.adapters.machine import EventLog  # noqa: E402 - see above
from blubees.adapters.web_client import GuardedWebClient  # noqa: E402 - see above
from blubees.engine import park, receipt, runner  # noqa: E402 - see above
from blubees.main.supervisor import Child, Supervisor  # noqa: E402 - see above
from blubees.model.web import WebRequest  # noqa: E402 - see above
from proof_scan import HEAD, SIZE, Canary, scan  # noqa: E402 - beside this file

LOG, COLUMN, OUTPUT, HELPER, DEBUG = "a-log-line", "a-ledger-column", "a-line-of-access", "a-helpers-file", "words-in-debug"
PROPERTY: Final = "an-unsealed-property"
WHAT: Final = {
    LOG: "an event line with a value",
    COLUMN: "a value where a receipt has a step's name",
    OUTPUT: "an access log line that the supervisor passes on",
    HELPER: "a helper process that writes a temporary file",
    DEBUG: "the words of a library in debug logging",
    PROPERTY: "what a parked run keeps, in Jira unsealed",
}
STARTER: Final = (sys.executable, str(Path(__file__).resolve()))
_CANARY: Final = re.compile(f"{HEAD}[0-9a-z]{{{SIZE - len(HEAD)}}}")


def exercise_defects(folder: Path, vendor_url: str, port: int, plant: Callable[[str], str]) -> bytes:
    """Run a product that has all of them, each fed with its canary; gives what a parked run left in Jira."""
    with run_product(folder, starter=STARTER, more_ports=(port,)) as product:
        tenant, key = product.tenant(), ""
        fields = {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}}
        for name in WHAT:
            send = {"url": f"{vendor_url}/refuse", "method": "POST", "json": {"defect": name, "c": "{{issue.summary}}"}}
            wait = {"id": "wait", "kind": "wait", "with": {"seconds": 3_600}}
            step = {"id": "it", "kind": "http", "with": send}
            steps = [wait, step] if name == PROPERTY else [step]
            where = f'{{{{issue.labels.join(",").equals("{name}")}}}}'
            flow = {"id": name, "name": name, "trigger": {"on": "jira.issue_created", "where": where}, "steps": steps}
            product.publish(json.dumps(flow))
            key = product.jira("POST", "/issue", {"fields": fields | {"summary": plant(WHAT[name]), "labels": [name]}})["key"]
            wanted = "parked" if name == PROPERTY else "failed"
            path = f"/tenants/{tenant}/runs?flow={name}"
            wait_for(lambda path=path, wanted=wanted: any(run["outcome"] == wanted for run in product.operator().get(path)), 40)
        keys = product.jira("GET", f"/issue/{key}/properties")["keys"]
        return b"".join(json.dumps(product.jira("GET", f"/issue/{key}/properties/{each['key']}")).encode() for each in keys)


def list_missed(written: bytes, planted: list[Canary]) -> list[str]:
    """Which of the planted defects the search does not find."""
    found = {canary.text for canary, _ in scan(written, planted)}
    return [canary.place for canary in planted if canary.text not in found]


def plant_in_conduit() -> None:
    """Break a conduit before it locks itself."""
    events, seen = EventLog(sys.stdout.buffer), {"column": ""}
    file = str(Path(tempfile.gettempdir()) / f"helper-{os.getpid()}")
    helper = subprocess.Popen(
        [sys.executable, "-c", f"import sys; open({file!r}, 'wb').write(sys.stdin.buffer.readline())"],
        stdin=subprocess.PIPE,
    )
    call, describe = GuardedWebClient.call, receipt.describe_run

    async def leak_and_call(client: GuardedWebClient, request: WebRequest) -> Any:
        found = _CANARY.search(request.body.decode(errors="replace"))
        if found is not None:
            text = found[0]
            if LOG.encode() in request.body:
                events("call_made", value=text)
            elif COLUMN.encode() in request.body:
                seen["column"] = text
            elif OUTPUT.encode() in request.body:
                sys.stderr.write(f"POST / 200 {text}\n")
                sys.stderr.flush()
            elif HELPER.encode() in request.body and helper.stdin is not None:
                helper.stdin.write(text.encode() + b"\n")
                helper.stdin.flush()
            elif DEBUG.encode() in request.body:
                logging.getLogger("library").debug("%s", text)
        return await call(client, request)

    def describe_with_value(*words: Any, **more: Any) -> Any:
        return describe(*words, **(more | {"failed_step": seen.pop("column", "") or more["failed_step"]}))

    def tell_words(log: LibraryLog, record: logging.LogRecord) -> None:
        log._events("library_logged", message=record.getMessage())  # noqa: SLF001 - a planted defect

    def leave_unsealed(_message: object, packed: bytes, _sealer: object) -> bytes:
        return packed

    for place, name, defect in (
        (GuardedWebClient, "call", leak_and_call),
        (runner, "describe_run", describe_with_value),
        (LibraryLog, "emit", tell_words),
        (park, "seal_carried", leave_unsealed),
    ):
        setattr(place, name, defect)


def main() -> None:
    """Start the supervisor with defects, or one of its conduits."""
    if sys.argv[1] == "child":
        plant_in_conduit()
        runpy.run_module(sys.argv[2], run_name="__main__")
        return
    spawn = asyncio.create_subprocess_exec

    async def spawn_otherwise(program: str, *words: str, **options: Any) -> Process:
        if words == ("-m", "blubees.main.conduit"):
            words = (STARTER[1], "child", words[1])
        return await spawn(program, *words, **options)

    def pass_all_on(supervisor: Supervisor, child: Child, line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
        pass_on(supervisor, child, line)

    pass_on = Supervisor._pass_on  # noqa: SLF001 - see above
    for place, name, defect in ((Supervisor, "_pass_on", pass_all_on), (asyncio, "create_subprocess_exec", spawn_otherwise)):
        setattr(place, name, defect)
    from blubees.main.cli import main as run  # noqa: PLC0415 - after the change above

    run()


if __name__ == "__main__":
    main()
