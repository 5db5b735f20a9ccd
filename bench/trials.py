"""What the product holds, and whom it keeps waiting: runs in flight in one conduit, accepting under load, a noisy tenant.

Run by bench.py.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from product import Product, call, run_product, wait_for

from load import make_event, read_peak, send_all, write_flows

IN_FLIGHT = 10_000
NOISE = 10_000  # webhooks
QUIET = 80  # webhooks, one each 50 ms
QUIET_SECONDS = 0.05
PROBES = 400
PROBE_SECONDS = 0.01


@contextmanager
def run_alone(sink_url: str, *, conduits: int, sites: int = 1) -> Iterator[Product]:
    """A product of its own for one trial."""
    port = int(sink_url.rstrip("/").rpartition(":")[2])
    with (
        tempfile.TemporaryDirectory() as folder,
        run_product(Path(folder), more_ports=(port,), conduits=conduits, sites=sites) as product,
    ):
        yield product


def try_in_flight(sink_url: str) -> dict[str, Any]:
    """10,000 runs in one conduit whose third party answers after 5 s, and after 40 s: then all of them are held at a time."""
    return {f"third_party_{seconds}_s": _hold(sink_url, name) for name, seconds in (("slow", 5), ("slower", 40))}


def _hold(sink_url: str, name: str) -> dict[str, Any]:
    flow, body = write_flows(sink_url)[name], make_event()
    with run_alone(sink_url, conduits=1) as product:
        url = product.publish(flow)
        conduit = product.find("blubees.main.conduit")[0]
        idle, before = read_peak(conduit), int(call(f"{sink_url}{name}")[1])
        started = time.perf_counter()
        most = 0
        _, refused = asyncio.run(send_all(url, body, IN_FLIGHT, 32))
        accepted = time.perf_counter() - started
        while True:
            facts = call(f"{product.url}/readyz")[1] or {}
            most = max(most, facts.get("runs_held", 0))
            if int(call(f"{sink_url}{name}")[1]) >= before + IN_FLIGHT and facts.get("runs_held") == 0:
                break
            assert time.perf_counter() - started < 240, facts
            time.sleep(0.1)
        done = time.perf_counter() - started
        wait_for(lambda: call(f"{product.url}/readyz")[1]["broker"]["runs_waiting"] == 0, 30)
        return {
            "runs": IN_FLIGHT,
            "most_held_at_once": most,
            "accepted_after_seconds": round(accepted, 1),
            "all_done_after_seconds": round(done, 1),
            "told_to_send_again": refused,
            "conduit_peak_mebibytes": round(read_peak(conduit)),
            "conduit_mebibytes_before": round(idle),
        }


def try_accepting(sink_url: str) -> dict[str, Any]:
    """How long a webhook waits for its 202 while others are accepted and performed as fast as they can be."""
    flow, body = write_flows(sink_url)["w2"], make_event()
    with run_alone(sink_url, conduits=2) as product:
        url = product.publish(flow)
        asyncio.run(send_all(url, body, 1_000, 16))

        async def probe() -> list[float]:
            load = asyncio.create_task(send_all(url, body, 1_000_000, 16))
            await asyncio.sleep(1)
            times, _ = await send_all(url, body, PROBES, 2, PROBE_SECONDS)
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            return sorted(times)

        times = asyncio.run(probe())
    return {
        "load": "16 connections send W2 as fast as they are answered; 2 others are timed",
        "p50_milliseconds": round(times[len(times) // 2] * 1e3, 1),
        "p99_milliseconds": round(times[int(len(times) * 0.99)] * 1e3, 1),
    }


def try_noise(sink_url: str) -> dict[str, Any]:
    """How long a quiet tenant's runs take, from sending to the third party, alone and beside 10,000 of another tenant."""
    flows, body = write_flows(sink_url), make_event()
    with run_alone(sink_url, conduits=2, sites=2) as product:
        quiet, noisy = product.publish(flows["quiet"], 0), product.publish(flows["w2"], 1)
        number = iter(range(1_000_000))

        async def send_quietly(sent: dict[str, float]) -> None:
            for _ in range(QUIET):
                name = str(next(number))
                begun = time.perf_counter()
                await send_all(quiet, json.dumps({"n": int(name)}).encode(), 1, 1)
                sent[name] = begun
                await asyncio.sleep(QUIET_SECONDS)

        async def make_noise(sent: dict[str, float]) -> int:
            noise = asyncio.create_task(send_all(noisy, body, NOISE, 32))
            await asyncio.sleep(0.5)
            await send_quietly(sent)
            _, refused = await noise
            return refused

        def read_times(sent: dict[str, float]) -> list[float]:
            wait_for(lambda: set(sent) <= set(call(f"{sink_url}times")[1]), 60)
            arrived = call(f"{sink_url}times")[1]
            return sorted((arrived[name] - begun) * 1e3 for name, begun in sent.items())

        asyncio.run(send_quietly({}))  # warms up
        before = int(call(f"{sink_url}w2")[1])
        alone: dict[str, float] = {}
        beside: dict[str, float] = {}
        asyncio.run(send_quietly(alone))
        started = time.perf_counter()
        refused = asyncio.run(make_noise(beside))
        wait_for(lambda: int(call(f"{sink_url}w2")[1]) >= before + NOISE, 120)
        noise_seconds = time.perf_counter() - started
        quiet_alone, quiet_beside = read_times(alone), read_times(beside)

    def place(times: list[float], part: float) -> float:
        return times[int(len(times) * part)]

    return {
        "noise": f"{NOISE} W2 runs of one tenant as fast as they are taken, {refused} times told to send again",
        "noise_seconds": round(noise_seconds, 1),
        "alone_median_milliseconds": round(statistics.median(quiet_alone), 1),
        "alone_p95_milliseconds": round(place(quiet_alone, 0.95), 1),
        "beside_median_milliseconds": round(statistics.median(quiet_beside), 1),
        "beside_p95_milliseconds": round(place(quiet_beside, 0.95), 1),
        "ratio_of_medians": round(statistics.median(quiet_beside) / statistics.median(quiet_alone), 2),
        "ratio_of_p95": round(place(quiet_beside, 0.95) / place(quiet_alone, 0.95), 2),
    }
