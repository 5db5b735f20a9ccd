"""What runs that wait cost: 10,000 parked beside 10,000 that wait already, and 1,000 due at once. Run by bench.py."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from product import call, wait_for

from load import send_all
from trials import run_alone

PARKED = 10_000
WOKEN = 1_000
FLOW = {
    "id": "patient",
    "name": "Wait",
    "trigger": {"on": "webhook"},
    "steps": [
        {"id": "pause", "kind": "wait", "with": {"until": "{{webhookData.until}}"}},
        {
            "id": "tell",
            "kind": "http",
            "with": {"method": "PUT", "url": "SINKparked", "json": {"text": "{{webhookData.text}}"}},
        },
    ],
}


def count_conduits(pids: list[int]) -> float:
    """Mebibytes of the conduits; a page that several share counts once."""
    return float(sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 2**20)


def try_parked(sink_url: str) -> dict[str, Any]:
    """Park 10,000 runs that carry 1 KB each, look at the conduits, and park as many more; then let 1,000 be due at once.

    The first ten thousand show what the conduits' memory is once as many were on their way; what waits itself is the difference
    that the second ten thousand make.
    """
    with run_alone(sink_url, conduits=2) as product:
        url = product.publish(json.dumps(FLOW).replace("SINK", sink_url))

        def park(count: int, until: str, seconds: float) -> float:
            started = time.perf_counter()
            asyncio.run(send_all(url, json.dumps({"until": until, "text": "x" * 1_000}).encode(), count, 16))
            wait_for(lambda: call(f"{product.url}/readyz")[1]["broker"]["runs_waiting"] == 0, seconds)
            return time.perf_counter() - started

        pids = product.find("blubees.main.conduit")
        park(PARKED, "2027-06-01", 900)
        before = count_conduits(pids)
        parked_after = park(PARKED, "2027-06-01", 900)
        held = count_conduits(pids)
        told, due = int(call(f"{sink_url}parked")[1]), datetime.now(UTC) + timedelta(seconds=90)
        park(WOKEN, due.strftime("%Y-%m-%dT%H:%M:%SZ"), 85)
        time.sleep(max(0.0, due.timestamp() - time.time()))
        woken = time.perf_counter()
        wait_for(lambda: int(call(f"{sink_url}parked")[1]) >= told + WOKEN, 300)
    return {
        "runs": PARKED,
        "parked_after_seconds": round(parked_after, 1),
        "conduits_mebibytes_before": round(before, 1),
        "conduits_mebibytes_while_parked": round(held, 1),
        "kibibytes_of_conduit_a_parked_run": round((held - before) * 1_024 / PARKED, 2),
        "due_at_once": WOKEN,
        "all_done_after_due_seconds": round(time.perf_counter() - woken, 1),
    }
