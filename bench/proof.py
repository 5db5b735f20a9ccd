"""`make proof`: canaries through everything, faults included, on one machine and in a cluster; then a search of every byte.

The product runs with all its writable paths, /tmp too, on a fresh ext4 image mounted through a loop device (root), which is
searched raw, so that deleted and anonymous files count. Without root the folders are searched instead, and the result says
so. Leaks and defects are planted in each run and must be found; a missed one voids the result. `proof.py PART`
(one, defects, cluster, vault) runs a part, and writes no page.
"""

import base64
import gzip
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main"), str(ROOT / "src")]

from product import Product, call, run_product, wait_for  # noqa: E402 - the tests' own starter

from blubees.main.live_view import watch_trial  # noqa: E402 - after the path is set
from blubees.steps.book import list_kinds  # noqa: E402 - after the path is set
from progress import say  # noqa: E402 - beside this file
from proof_clock import KINDS, exercise_clock  # noqa: E402 - see above
from proof_cluster import prove_cluster  # noqa: E402 - beside this file
from proof_defects import exercise_defects, list_missed  # noqa: E402 - beside this file
from proof_disk import Result, make_disk, make_folder, own_mounts, read_written  # noqa: E402 - beside this file
from proof_doors import Doors  # noqa: E402 - beside this file
from proof_faults import try_faults  # noqa: E402 - beside this file
from proof_scan import Canaries, Canary, list_forms, say_found, scan  # noqa: E402 - beside this file
from proof_vault import prove_vault  # noqa: E402 - beside this file
from proof_vendor import Vendor  # noqa: E402 - beside this file

JSON = {"Content-Type": "application/json"}
IMAGE_MEBIBYTES = 96
PERFORMED = [entry for entry in list_kinds() if entry.name != "placeholder"]  # a flow with one is not published
PAGE = ROOT / "docs" / "proof.md"
ALSO = "; each also cut in two, with a stray byte between letters, in gzip, zlib and zip, also where those are in base64"

LIMITS = """
Outside: RAM, kernel socket buffers, swap, what third parties keep. Declared: sizes, durations and statuses are in receipts, and
so is a third party's id of a refused request, in the form of an id ([0003](decisions/0003-what-a-receipt-may-hold.md)).
Not searched for: payload that our own keys seal, and formats that are neither listed above nor leave twelve letters in a row.
Absence is shown for what was exercised. A full disk and a kernel that is out of memory are tried on one machine, not in the
cluster; what the nodes write to tmpfs is searched as it is at the end.
"""

HEARD: list[str] = []  # what was tried besides, and what callers heard


def write_flow(site: str, kind: str, canaries: Canaries) -> dict[str, Any]:
    """A flow whose one real step is of this kind, fed with canaries from the event; failures where the kind can fail."""
    c = "{{webhookData.c}}"
    settings: dict[str, dict[str, Any]] = {
        "lookup": {"table": {"a": 1}, "key": c, "default": c},
        "dedupe": {"key": c},
        "run_flow": {"flow": "called", "inputs": {"c": c, "all": "{{webhookData}}"}},
        "set": {"values": {"a": c, "b": ["{{webhookData.list}}", {"k": c}]}},
        "http": {
            "url": f"{site}/thirdparty/echo",
            "method": "POST",
            "query": {"q": c},
            "headers": {"X-Canary": c},
            "json": {"c": c, "all": "{{webhookData}}"},
        },
        "transfer_file": {
            "from_url": f"{site}/thirdparty/echo?q={c}",
            "from_headers": {"X-Canary": c},
            "to_url": f"{site}/thirdparty/echo",
            "form_field": "file",
            "form_fields": {"c": c},
            "file_name": c,
        },
        "map": {"fields": {"summary": c, "number": {"from": c, "as": "number"}}},
        "respond": {"json": {"c": c, "all": "{{webhookData}}"}, "headers": {"x-canary": c}},
        "fail": {"reason": c},
        "stop": {},
        "choose": {},
        "each": {"items": ["{{webhookData}}", c], "name": "row"},
        "repeat": {"limit": 2},
        "parallel": {},
        "try": {},
        "wait": {"seconds": 2},
        "sign_off": {"question": f"{c}?", "approvers": "a,b", "minutes": 0.05},
        "wait_for": {"minutes": 0.05, "where": c},
        "jira.get_issue": {"issue": c},
        "jira.search_issues": {"jql": f'summary ~ "{c}"'},
        "jira.create_issue": {"project": "DEMO", "type": "Bug", "summary": c, "description": c},
        "jira.edit_issue": {"issue": "{{webhookData.issue}}", "fields": {"summary": c}, "add_labels": [c]},
        "jira.add_comment": {"issue": "{{webhookData.issue}}", "body": c},
        "jira.transition_issue": {"issue": "{{webhookData.issue}}", "to": c},
        "jira.assign_issue": {"issue": "{{webhookData.issue}}", "account_id": c},
        "jira.link_issues": {"type": c, "inward": c, "outward": c},
        "jira.set_property": {"issue": "{{webhookData.issue}}", "key": c, "value": {"c": c}},
        "jira.get_property": {"issue": "{{webhookData.issue}}", "key": c},
        "jira.request": {"path": "/rest/api/3/issue/{issue}", "parts": {"issue": c}, "query": {"fields": c}},
    }
    step: dict[str, Any] = {"id": "it", "kind": kind, "with": settings[kind]}
    post: dict[str, Any] = {"method": "POST", "url": f"{site}/thirdparty/echo", "json": {"c": c, "all": "{{webhookData}}"}}
    send, lose = {"kind": "http", "with": post}, {"kind": "http", "with": post | {"url": f"{site}/thirdparty/status/500?c={c}"}}
    blocks: dict[str, list[dict[str, Any]]] = {
        "each": [{"steps": [{"id": "x", **send}, {"id": "y", "kind": "set", "with": {"values": {"v": "{{row}}"}}}]}],
        "repeat": [{"when": "{{webhookData.list}}", "steps": [{"id": "x", **send}]}],
        "parallel": [{"steps": [{"id": "x", **send}]}, {"steps": [{"id": "y", **lose}]}],
        "try": [
            {"name": "try", "steps": [{"id": "x", **lose}]},
            {"name": "catch", "steps": [{"id": "y", **send}]},
            {"name": "finally", "steps": [{"id": "z", **send}]},
        ],
    }
    if kind in blocks:
        step["branches"] = blocks[kind]
    if kind == "choose":
        step["branches"] = [
            {"when": f'{{{{webhookData.c.equals("{canaries.made[0].place}")}}}}', "steps": [{"id": "x", "kind": "stop"}]}
        ]
    steps = [step]
    if kind in {"wait", "wait_for"}:
        steps.append({"id": "after", **send})
    name = "k-" + re.sub(r"[._]", "-", kind)
    return {"id": name, "name": name, "trigger": {"on": "webhook"}, "steps": steps}


FAILURES = {
    "error answer 500": "/thirdparty/status/500",
    "error answer 404": "/thirdparty/status/404",
    "rate limit 429": "/thirdparty/status/429",
    "redirect inside": "/thirdparty/redirect?to=https://10.0.0.1/{c}",
    "slow answer": "/thirdparty/slow/400",
    "refused address": "https://10.0.0.1/{c}",
    "odd address": "https://exa mple.com/{c}",
}


def write_failure(site: str, name: str) -> dict[str, Any]:
    url = FAILURES[name].replace("{c}", "{{webhookData.c}}")
    url = url if url.startswith("https") else site + url
    settings = {"url": url, "method": "POST", "json": "{{webhookData}}", "redirects": 2, "timeout_seconds": 0.3}
    flow = "f-" + name.replace(" ", "-")
    return {"id": flow, "name": flow, "trigger": {"on": "webhook"}, "steps": [{"id": "it", "kind": "http", "with": settings}]}


def exercise(product: Any, canaries: Canaries) -> str:
    """Send canaries through everything; gives the address of the last flow."""
    issue = product.jira(
        "POST",
        "/issue",
        {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": canaries.plant("a Jira event")}},
    )
    url = f"{product.site_url}/thirdparty/echo"
    inner = {"id": "x", "kind": "http", "with": {"method": "POST", "url": url, "json": "{{inputs}}"}}
    called = {
        "id": "called",
        "name": "called",
        "trigger": {"on": "called"},
        "steps": [inner],
        "outputs": {"all": "{{steps.x}}"},
    }
    product.publish(json.dumps(called))
    flows = [(entry.name, write_flow(product.site_url, entry.name, canaries)) for entry in PERFORMED]
    flows += [(name, write_failure(product.site_url, name)) for name in FAILURES]
    hooks: list[str] = []
    say(f"payload through {len(flows)} flows")
    for name, flow in flows:
        path = product.publish(json.dumps(flow))
        hooks.append(path)
        body = {
            "c": canaries.plant(f"{name}: field"),
            canaries.plant(f"{name}: key"): 1,
            "list": [canaries.plant(f"{name}: list")],
            "file": {"name": canaries.plant(f"{name}: file name") + ".pdf"},
            "issue": issue["key"],
        }
        headers = JSON | {"X-Header": canaries.plant(f"{name}: header")}
        call(f"{path}?q={canaries.plant(f'{name}: query')}", json.dumps(body).encode(), headers)
        call(path, b'{"broken": "' + canaries.plant(f"{name}: malformed body").encode(), JSON)
        call(
            path,
            urllib.parse.urlencode({"c": canaries.plant(f"{name}: form")}).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        call(path + "x" + canaries.plant(f"{name}: wrong token"), b"{}", JSON)
    exercise_clock(product, canaries.plant)
    say("test runs and dry runs, watched")
    watch_trials(product, [flow["id"] for _, flow in flows], canaries)
    return hooks[-1]


def exercise_one_machine(product: Product, canaries: Canaries, doors: Doors, *, image: bool) -> int:
    """Send canaries through everything, with faults; gives how many runs were started."""
    hook = exercise(product, canaries)
    say("doors, sign-offs, run modes, calls in doubt")
    HEARD.extend(doors.exercise())
    say("kills, a full disk, no memory, a backup, a restart of all")
    for number in range(3):
        call(hook, json.dumps({"c": canaries.plant(f"SIGKILL {number}"), "pad": "x" * 100_000}).encode(), JSON)
        os.kill(product.find("blubees.main.conduit")[0], signal.SIGKILL)
        wait_for(lambda: len(product.find("blubees.main.conduit")) == 2)

    def kill_all() -> None:
        conduits = product.find("blubees.main.conduit")
        for pid in conduits:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(product.find("blubees.main.conduit")) - set(conduits)) == 2)

    HEARD.append(doors.doubt(kill_all))
    time.sleep(15)  # longer than the take-over time
    HEARD.extend(try_faults(product, hook, canaries.plant) if image else [])
    return len(product.operator().get("/runs?limit=1000"))


def watch_trials(product: Any, flows: list[str], canaries: Canaries) -> None:
    """A dry run and a test run of every flow, with canaries as values and keys: each must come to the one who watches."""
    tenant = product.tenant()
    for flow in flows:
        canary = canaries.plant(f"dry run and test run of {flow}: field and keys")
        event = json.dumps({"c": canary, canary: {canary: 1}, "list": [canary]}).encode()
        for is_dry in (True, False):
            seen = list(watch_trial(product.operator(), tenant, flow, event, "", is_dry=is_dry))
            steps = [facts for name, facts in seen if name in {"step_begins", "step_fails", "step_ends"}]
            if not steps or canary not in json.dumps(seen):
                raise AssertionError(f"{flow}: who watched saw no values: nothing was exercised")


def plant_leaks(folder: Path, canaries: Canaries) -> list[Canary]:
    """Write canaries as a leak would: plain, encoded, cut, compressed."""
    leaks: list[Canary] = []
    ways: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "zlib": zlib.compress,
        "zip": _zip,
        "gzip in base64": lambda text: base64.b64encode(gzip.compress(text)),
        "cut by a page's border": lambda text: text[:19] + bytes(16) + text[19:],
        "an escape after each letter": lambda text: b"\\".join(text[place : place + 1] for place in range(len(text))),
    }
    for form in list_forms("a"):
        text = canaries.plant(f"planted leak: {form}")
        leaks.append(canaries.made.pop())
        (folder / f"leak-{len(leaks)}").write_bytes(b"before" + list_forms(text)[form] + b"after")
    for name, write in ways.items():
        text = canaries.plant(f"planted leak: {name}")
        leaks.append(canaries.made.pop())
        (folder / f"leak-{len(leaks)}").write_bytes(write(b"some text " + text.encode()))
    return leaks


def _zip(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
    return file.getvalue()


def plant_deleted(folder: Path, canaries: Canaries) -> Canary:
    """A file that has no name any more: only the raw image shows it."""
    text = canaries.plant("planted leak: deleted file")
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(text.encode() * 400)
        file.flush()
        os.fsync(file.fileno())
    return canaries.made.pop()


def write_page(rows: list[tuple[str, str]]) -> None:
    lines = [
        "# The proof that payload is not stored",
        "",
        "Written by `make proof`. What is shown, and what it means:",
        "",
        "| what | result |",
        "|---|---|",
    ]
    lines += [f"| {what} | {result} |" for what, result in rows]
    PAGE.write_text("\n".join(lines) + "\n" + LIMITS)
    for what, result in rows:
        print(f"{what:45} {result}")


def prove_one_machine(vendor: Vendor) -> Result:
    """All on one machine: every kind, door and fault."""
    canaries, declared = Canaries(), Canaries()
    with make_folder() as folder, make_disk(folder, IMAGE_MEBIBYTES) as (disk, image):
        with run_product(disk, more_ports=(vendor.port,)) as product:
            doors = Doors(product, vendor, canaries.plant)
            runs = exercise_one_machine(product, canaries, doors, image=image is not None)
            doors.declare(declared.plant("a third party's id of a refused request"))
            locked = call(f"{product.url}/readyz")[1]["lock"]
        log = product.log.read_bytes()
        leaks, deleted = plant_leaks(disk, canaries), plant_deleted(disk, canaries)
        written = read_written(image, disk)
    say(f"a search of {len(written):,} bytes")
    found = scan(written + b"".join(doors.in_jira), canaries.made)
    caught = {canary.text for canary, _ in scan(written, [*leaks, deleted, *declared.made])}
    missed = [leak.place for leak in leaks if leak.text not in caught]
    sees_deleted, sees_declared = deleted.text in caught, declared.made[0].text in caught
    told = log.count(b"library_logged")
    good = not found and not missed and (sees_deleted or image is None) and runs > 0 and told > 0 and sees_declared
    deleted_row = "found" if sees_deleted else "not found" if image else "not looked for (needs the raw image)"
    size = image.stat().st_size if image and image.exists() else len(written)
    means = (
        f"raw image of a loop-mounted ext4, {IMAGE_MEBIBYTES} MiB, /tmp on it"
        if image
        else f"files, {size:,} bytes (no root: weaker)"
    )
    rows = [
        ("means", means),
        ("core files", f"none can be: RLIMIT_CORE is 0; the kernel's core_pattern here: `{read_core_pattern()}`"),
        ("log level", f"DEBUG: {told} lines of libraries told by their place"),
        ("the conduits' lock", "complete" if locked["complete"] else f"missing: {locked['missing']}"),
        ("step kinds exercised", str(len(PERFORMED))),
        ("triggers without an outside event", "; ".join(KINDS)),
        ("kinds of failure, and SIGKILL", f"{len(FAILURES)} + 3 kills of one conduit, 1 of all"),
        ("besides (and the status callers got)", "; ".join(HEARD)),
        ("watched test runs and dry runs", f"{len(PERFORMED) + len(FAILURES)} of each"),
        ("runs in the ledger", str(runs)),
        ("canaries planted", str(len(canaries.made))),
        ("properties of parked runs looked into, in Jira", str(len(doors.in_jira))),
        ("forms looked for", f"{len(list_forms('a'))}{ALSO}"),
        ("canaries found", say_found(found)),
        ("a third party's well-formed id of a refused request", "kept, as declared" if sees_declared else "NOT KEPT"),
        ("planted leaks found", f"{len(leaks) - len(missed)} of {len(leaks)}" + (f"; MISSED: {missed}" if missed else "")),
        ("planted leak in a deleted file", deleted_row),
    ]
    return Result(rows, good)


def read_core_pattern() -> str:
    path = Path("/proc/sys/kernel/core_pattern")
    return path.read_text().strip() if path.exists() else "unknown"


def prove_defects(vendor: Vendor) -> Result:
    """The product with defects in its code: each must be found."""
    canaries = Canaries()
    with make_folder() as folder, make_disk(folder, IMAGE_MEBIBYTES) as (disk, image):
        in_jira = exercise_defects(disk, vendor.url, vendor.port, canaries.plant)
        written = read_written(image, disk)
    missed = list_missed(written + in_jira, canaries.made)
    words = "; ".join(canary.place for canary in canaries.made)
    count = f"{len(canaries.made) - len(missed)} of {len(canaries.made)}"
    return Result(
        [("planted defects of the code found", f"{count}: {words}" + (f"; MISSED: {missed}" if missed else ""))], not missed
    )


def main() -> int:
    """Run; 0 when every planted leak and defect was found and no canary was."""
    os.environ["BLUBEES_LOG_LEVEL"] = "debug"
    own_mounts(ROOT)
    vendor = Vendor()
    vendor.start()
    ways: dict[str, Callable[[Vendor], Result]] = {
        "one": prove_one_machine,
        "defects": prove_defects,
        "cluster": lambda vendor: prove_cluster(vendor, exercise),
        "vault": lambda _vendor: prove_vault(),
    }
    chosen = sys.argv[1:] or list(ways)
    try:
        results = []
        for name in chosen:
            say(f"part {name}")
            results.append(ways[name](vendor))
    finally:
        vendor.stop()
    good = all(result.good for result in results)
    rows = [row for result in results for row in result.rows] + [("verdict", "PASS" if good else "FAIL")]
    if chosen == list(ways):
        write_page(rows)
    else:
        print("\n".join(f"{what:45} {result}" for what, result in rows))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
