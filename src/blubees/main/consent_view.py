"""What `blubees connection authorize` and `show` print: an address, how far it is, and what is known. Called by the CLI."""

import time
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

POLL_SECONDS: Final = 1.0
OUTCOMES: Final = {
    "denied": "the person said no.",
    "expired": "nobody answered in time. Run this again.",
    "changed": "the connection was changed since. Run this again.",
    "gone": "the connection was deleted since.",
    "issuer": "the answer came from another issuer than was asked (RFC 9207). Look at the setting `issuer`.",
    "client": "the vendor does not know the client id, or its secret is wrong. Correct it: `connection change NAME`.",
    "dead": "the vendor takes the code no more, or its redirect address is not the one that was registered.",
    "refused": "the vendor refused the request. Look at client_id, scopes and the redirect address registered there.",
    "later": "the vendor did not answer. Run this again later.",
    "unreadable": "the vendor's answer has no token where `token_at` says.",
    "host_rules": "this tenant's rules do not permit the token URL's host: `tenants settings --egress-allow`, `--egress-deny`.",
    "egress": "the token URL leads to an address that BluBees does not call.",
}


def ask_person(
    client: Any,  # noqa: ANN401 - imported late by the CLI
    tenant: str,
    name: str,
    console: Console,
    *,
    opens_browser: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Show where a person says yes, and wait for that. False: no token came of it."""
    begun = client.post(f"/tenants/{tenant}/connections/{name}/authorize")
    url = begun.get("url_with_code") or begun["url"]
    scopes = ", ".join(begun["scopes"]) or "what the vendor gives by itself"
    console.print(f"Scopes that are asked for: {scopes}", highlight=False)
    if begun.get("user_code"):
        console.print(f"Open {begun['url']} and type the code [bold]{begun['user_code']}[/]", highlight=False, soft_wrap=True)
    else:
        console.print("Open this address yourself, and say yes there; what is permitted goes to this connection:")
        console.print(url, highlight=False, soft_wrap=True, markup=False)
    if opens_browser:
        webbrowser.open(url)
    found: dict[str, Any] = {"state": "open"}
    with console.status("waiting for the person") as status:
        while found["state"] in {"open", "taken"}:
            sleep(POLL_SECONDS)
            found = client.get(f"/tenants/{tenant}/consents/{begun['consent']}")
            left = max(0, begun["expires_at_milliseconds"] // 1_000 - int(datetime.now(UTC).timestamp()))
            status.update(f"waiting for the person: {left // 60}:{left % 60:02} left")
    if found["state"] == "done":
        console.print(f"{name}: authorised")
        return True
    console.print(f"{name}: not authorised: {OUTCOMES.get(found['outcome'], 'the vendor gave no token.')}", highlight=False)
    return False


def draw_connection(view: dict[str, Any]) -> Table:
    """Draw what is known of a connection: no secret, ever."""
    connection = view["connection"]
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = {
        "connection": connection["name"],
        "kind": connection["kind"],
        "hosts": " ".join(connection["hosts"]),
        "user name": connection["user_name"],
        "parameter": connection["parameter"],
        **{f"setting {name}": text for name, text in sorted(connection["settings"].items())},
        **{f"secret {each['field']}": _describe_secret(each) for each in connection["fields"]},
    }
    if view.get("state") or view.get("needs_person") or view.get("wanted_scopes"):
        rows |= {
            "grant": view.get("state", "none") + (f" ({view['problem']})" if view.get("problem") else ""),
            "granted": _write_time(view.get("granted_at_milliseconds", 0)),
            "renewed": _write_time(view.get("renewed_at_milliseconds", 0)),
            "token ends": _write_time(view.get("expires_at_milliseconds", 0)),
            "dead since": _write_time(view.get("dead_at_milliseconds", 0)),
            "scopes": " ".join(view.get("scopes", ())),
            "scopes wanted": " ".join(view.get("wanted_scopes", ())),
            "scopes missing": " ".join(view.get("missing_scopes", ())),
            "what to do": _advise(view),
        }
    for name, text in rows.items():
        if text:
            table.add_row(name, text)
    return table


def _advise(view: dict[str, Any]) -> str:
    name = view["connection"]["name"]
    if view.get("problem") == "client":
        return f"correct the client's id or secret: connection change {name}"
    if view.get("problem") == "host_rules":
        return "permit the token URL's host: tenants settings --egress-allow, --egress-deny"
    if view.get("needs_person") or view.get("missing_scopes"):
        return f"have a person say yes: connection authorize {name}"
    return f"connection renew {name}" if view.get("state") == "dead" else ""


def _describe_secret(fact: dict[str, Any]) -> str:
    ends = f", ends in {fact['last_four']}" if fact["last_four"] else ""
    return f"fingerprint {fact['fingerprint']}{ends}, since {_write_time(fact['changed_at_milliseconds'])}"


def _write_time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if milliseconds else ""
