"""Starts a run by hand: a ticket from the control plane, the data straight to a conduit. Used by the CLI."""

import json
import time
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

from blubees.main.operator_client import OperatorClient
from blubees.model.errors import InputError, UnavailableError

TIMEOUT_SECONDS: Final = 60.0  # a flow with a `respond` step takes its time
TRIES: Final = 10
UNPROCESSABLE: Final = 422


def run_by_hand(client: OperatorClient, tenant: str, flow: str, inputs: bytes, door: str) -> Any:  # noqa: ANN401 - JSON
    """Start a run, and give what the conduit says: the run's id, or the flow's own answer.

    Args:
        inputs: a JSON object; it goes to the conduit only.
        door: the conduits' address; empty: as the control plane says.

    Raises:
        InputError: the flow does not take these inputs, or is not one that is run by hand. UnavailableError.
    """
    given = client.post(f"/tenants/{tenant}/flows/{flow}/ticket")
    door = door or given["door"]
    if urlsplit(door).scheme not in {"http", "https"}:
        raise InputError("Where the conduits are is not known here. Name their address: --door https://…")
    headers = {"Authorization": f"Ticket {given['ticket']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{door.rstrip('/')}/runs/{tenant}/{flow}", inputs, headers)  # noqa: S310 - checked above
    status, answer = _send(request)
    for _ in range(TRIES):  # the version is on its way to the conduits, or the queue is full; a ticket starts nothing twice
        if status not in {0, 429, 503}:
            break
        time.sleep(0.5)
        status, answer = _send(request)
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
        return answer
    message = answer.get("message", "") if isinstance(answer, dict) else ""
    if status == UNPROCESSABLE or (status and status < 500):  # noqa: PLR2004 - RFC 9110
        raise InputError(message or f"The conduit refused it ({status}).")
    raise UnavailableError(message or f"No conduit took it ({status or 'no answer'} from {door}).")


def _send(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - checked by the caller
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    except OSError:
        return 0, None
    try:
        return status, json.loads(content or b"null")
    except ValueError:
        return status, content.decode(errors="replace")
