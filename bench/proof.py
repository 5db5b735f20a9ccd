"""`make proof`: canaries through every step kind, failures and SIGKILL included, then a scan of every byte the product wrote.

The product runs with all its writable paths on a fresh ext4 image mounted through a loop device (root); the image is
unmounted and scanned raw, so that deleted and anonymous files count too. Without root the folders are scanned instead, and
the result says so. A leak is planted in each run and must be found, in each form; a missed one voids the result.
"""

import base64
import contextlib
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "main"), str(ROOT / "src")]

from product import Product, call, run_product, wait_for  # noqa: E402 - the tests' own starter

from blubees.main.live_view import watch_trial  # noqa: E402 - after the path is set
from blubees.steps.book import list_kinds  # noqa: E402 - after the path is set
from proof_clock import KINDS, exercise_clock  # noqa: E402 - see above
from proof_faults import try_faults  # noqa: E402 - beside this file
from proof_scan import Canaries, Canary, list_forms, scan  # noqa: E402 - beside this file

JSON = {"Content-Type": "application/json"}
IMAGE_MEBIBYTES = 96
PERFORMED = [entry for entry in list_kinds() if entry.name != "placeholder"]  # a flow with one is not published
PAGE = ROOT / "docs" / "proof.md"
ALSO = "; each also cut in two, with a stray byte between letters, in gzip, zlib and zip, also where those are in base64"

HEARD: list[str] = []  # what was tried besides, and what callers heard


@contextlib.contextmanager
def make_disk(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Give (where to run, the image or None): an image when we may mount one."""
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    image.write_bytes(b"")
    os.truncate(image, IMAGE_MEBIBYTES * 2**20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=False, capture_output=True).returncode == 0
    if (
        not made
        or subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=False, capture_output=True).returncode
    ):
        yield mounted, None
        return
    try:
        yield mounted, image
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def read_all(folder: Path, image: Path | None) -> Iterator[bytes]:
    """Every byte that was written: the raw image, or each file and name in the folder."""
    if image is not None:
        yield image.read_bytes()
        return
    for path in folder.rglob("*"):
        yield str(path).encode() + (path.read_bytes() if path.is_file() else b"")


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


def exercise(product: Product, canaries: Canaries, *, image: bool) -> int:
    """Send canaries through everything; gives how many runs were started."""
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
    watch_trials(product, [flow["id"] for _, flow in flows], canaries)
    for number in range(3):
        call(hooks[-1], json.dumps({"c": canaries.plant(f"SIGKILL {number}"), "pad": "x" * 100_000}).encode(), JSON)
        os.kill(product.find("blubees.main.conduit")[0], signal.SIGKILL)
        wait_for(lambda: len(product.find("blubees.main.conduit")) == 2)
    time.sleep(15)  # longer than the take-over time
    HEARD.extend(try_faults(product, hooks[-1], canaries.plant) if image else [])
    return len(product.operator().get("/runs?limit=1000"))


def watch_trials(product: Product, flows: list[str], canaries: Canaries) -> None:
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
    lines += [
        "",
        "Limits: RAM, kernel socket buffers and what third parties keep are outside. Low-entropy facts (sizes, durations,",
        "statuses) are in receipts by design (docs/decisions/0003). Absence is shown for what was exercised: every step kind,",
        "the failures named, SIGKILL.",
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    for what, result in rows:
        print(f"{what:45} {result}")


def main() -> int:
    """Run; 0 when every planted leak was found and no canary was."""
    canaries = Canaries()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with make_disk(folder) as (disk, image):
            os.environ["TMPDIR"] = str(disk)
            with run_product(disk) as product:
                runs = exercise(product, canaries, image=image is not None)
                locked = call(f"{product.url}/readyz")[1]["lock"]
            leaks = plant_leaks(disk, canaries)
            deleted = plant_deleted(disk, canaries)
            os.sync()
            written = b"" if image else b"".join(read_all(disk, None))
        written = image.read_bytes() if image else written
    size, empty = len(written), bytes(4_096)
    blocks = (written[place : place + 4_096] for place in range(0, size, 4_096))
    written = b"".join(block for block in blocks if block != empty)  # whole blocks of zeros hold nothing to find
    found = scan(written, canaries.made)
    caught = {canary.text for canary, _ in scan(written, [*leaks, deleted])}
    missed = [leak.place for leak in leaks if leak.text not in caught]
    sees_deleted = deleted.text in caught
    good = not found and not missed and (sees_deleted or image is None) and runs > 0
    write_page(
        [
            (
                "means",
                f"raw image of a loop-mounted ext4, {size:,} bytes"
                if image
                else f"files of the folder, {len(written):,} bytes (no root: weaker)",
            ),
            ("the conduits' lock", "complete" if locked["complete"] else f"missing: {locked['missing']}"),
            ("step kinds exercised", str(len(PERFORMED))),
            ("triggers without an outside event", ", ".join(KINDS)),
            ("kinds of failure, and SIGKILL", f"{len(FAILURES)} + 3 kills"),
            ("besides (and the status callers got)", "; ".join(HEARD) or "not tried (needs the image)"),
            ("watched test runs and dry runs", f"{len(PERFORMED) + len(FAILURES)} of each"),
            ("runs in the ledger", str(runs)),
            ("canaries planted", str(len(canaries.made))),
            (
                "forms looked for",
                f"{len(list_forms('a'))}{ALSO}",
            ),
            ("canaries found", "none" if not found else "; ".join(sorted({f"{c.place} ({form})" for c, form in found}))),
            ("planted leaks found", f"{len(leaks) - len(missed)} of {len(leaks)}" + (f"; MISSED: {missed}" if missed else "")),
            (
                "planted leak in a deleted file",
                "found" if sees_deleted else "not found" if image else "not looked for (needs the raw image)",
            ),
            ("verdict", "PASS" if good else "FAIL"),
        ]
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
