"""The third party of `make chaos`: remembers each effect that happened, honours Idempotency-Keys, and misbehaves as told.

`POST|PUT /effect/FLOW/1` carries `{"n": …, "run": …, "token": …}`. `PUT /mode` says how to behave, `GET /records` tells all.
Run by bench/chaos.py in a process of its own.
"""

import asyncio
import random
import sys
import time
from typing import Any

import orjson

BEFORE = frozenset({"refuse", "error", "hang"})  # the effect does not happen
HANG_SECONDS = 3.0  # longer than the flows wait


class Witness:
    """What happened here."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.states: dict[tuple[str, int, int], bytes] = {}
        self.mode: dict[str, Any] = {}
        self.chance = random.Random(7)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests on one connection until it ends."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._answer(writer, method, path, headers, body):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
        if path == "/records":
            return await _write(writer, 200, self.records)
        if path == "/mode":
            self.mode = orjson.loads(body)
            return await _write(writer, 200, {})
        given = orjson.loads(body)
        flow, which = path.split("/")[2:4]
        misbehaviour = ""
        if self.chance.random() < self.mode.get("share", 0):
            misbehaviour = self.chance.choice(self.mode["kinds"])
        happens = misbehaviour not in BEFORE and self._is_new(method, (flow, given["n"], int(which)), headers, body)
        record = {"flow": flow, "n": given["n"], "which": int(which), "run": given["run"], "token": given.get("token")}
        self.records.append(record | {"happened": happens, "refused": misbehaviour in BEFORE, "at": time.time()})
        await asyncio.sleep(self.chance.uniform(0, self.mode.get("seconds", 0)))
        return await _misbehave(writer, misbehaviour, {"token": f"t-{given['n']}", "pad": "x" * 500})

    def _is_new(self, method: str, effect: tuple[str, int, int], headers: dict[str, str], body: bytes) -> bool:
        """Whether the request has an effect that it had not before."""
        if method == "PUT":
            is_new = self.states.get(effect) != body
            self.states[effect] = body
            return is_new
        key = headers.get("idempotency-key", "")
        if not key:
            return True
        is_new = key not in self.keys
        self.keys.add(key)
        return is_new


async def _misbehave(writer: asyncio.StreamWriter, how: str, answer: dict[str, str]) -> bool:
    if how in {"hang", "slow"}:
        await asyncio.sleep(HANG_SECONDS)
        return False
    if how in {"refuse", "close"}:
        writer.transport.abort()
        return False
    if how in {"error", "error_after"}:
        return await _write(writer, 500, {})
    return await _write(writer, 200, answer, is_cut=how == "cut")


async def _write(writer: asyncio.StreamWriter, status: int, document: object, *, is_cut: bool = False) -> bool:
    body = orjson.dumps(document)
    head = b"HTTP/1.1 %d .\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    writer.write(head + (body[: len(body) // 2] if is_cut else body))
    await writer.drain()
    return not is_cut


async def main() -> None:
    server = await asyncio.start_server(Witness().serve, "127.0.0.1", int(sys.argv[1]), backlog=2_048, limit=1_048_576)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
