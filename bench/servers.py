"""The other side of the bench: the raw ceiling (uvicorn, uvloop, httptools, orjson, by hand) and the sink. Run by bench.py."""

import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import uvicorn

Message = MutableMapping[str, Any]
RECEIVED: Counter[str] = Counter()
ARRIVED: dict[str, float] = {}
SLOW = {"/slow": 5.0, "/slower": 40.0}
SLACK = orjson.dumps({"ok": True, "channel": "C0123456789", "ts": "1700000000.000100", "message": {"text": "OPS-7 is done"}})
AT_ONCE = 10  # POSTs of one W3 run


async def read(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def reply(send: Callable[[Message], Awaitable[None]], status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def sink(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Counts POSTs and PUTs of each path at once; `/slow` answers late, `/quiet` is timed. GET tells the count or times."""
    name = scope["path"]
    if name.startswith("/slack/"):
        await read(receive)
        await reply(send, 200, SLACK)
        return
    if scope["method"] in {"POST", "PUT"}:
        body = await read(receive)
        RECEIVED[name] += 1
        if name == "/quiet":
            ARRIVED[str(orjson.loads(body)["n"])] = time.perf_counter()  # one clock for all processes of this machine
        if name in SLOW:
            await asyncio.sleep(SLOW[name])
    await reply(send, 200, orjson.dumps(ARRIVED) if name == "/times" else b"%d" % RECEIVED[name])


class Sender:
    """A minimal keep-alive HTTP client."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: bytes, body: bytes) -> None:
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (path, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        self.idle.append((reader, writer))


def map_ten(event: Any) -> dict[str, Any]:
    issue = event["issue"]
    fields = issue["fields"]
    return {
        "key": issue["key"],
        "summary": fields["summary"].upper(),
        "type": fields["issuetype"]["name"],
        "priority": fields["priority"]["name"],
        "status": fields["status"]["name"].lower(),
        "labels": ", ".join(fields["labels"]),
        "versions": ", ".join(each["name"] for each in fields["fixVersions"]),
        "reporter": fields["reporter"]["displayName"],
        "assignee": (fields["assignee"] or {}).get("displayName", "nobody"),
        "short": fields["summary"][:40],
    }


def make_ceiling(sink_port: int) -> Callable[..., Awaitable[None]]:
    """W1, W2 and W3 by hand: what a flow engine can't beat."""
    sender = Sender(sink_port)
    tasks: set[asyncio.Task[None]] = set()

    async def work(event: Any) -> None:
        mapped = map_ten(event)
        mapped["urgent"] = mapped["priority"] == "Highest"
        await sender.post(b"/ceiling-w2", orjson.dumps(mapped))

    async def loop(event: Any) -> None:
        items = iter(event["items"])

        async def post_some() -> None:
            for item in items:
                await sender.post(b"/ceiling-w3", orjson.dumps({"n": item["id"], "name": item["name"]}))

        await asyncio.gather(*(post_some() for _ in range(AT_ONCE)))

    async def ceiling(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        event = orjson.loads(await read(receive))
        if scope["path"] == "/w1":
            mapped = map_ten(event)
            await reply(
                send, 200, orjson.dumps({name: mapped[name] for name in ("key", "summary", "type", "priority", "labels")})
            )
            return
        task = asyncio.create_task(work(event) if scope["path"] == "/w2" else loop(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await reply(send, 202, b'{"status":"queued"}')

    return ceiling


def main() -> None:
    what, port = sys.argv[1], int(sys.argv[2])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    app = sink if what == "sink" else make_ceiling(int(sys.argv[3]))
    config = uvicorn.Config(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=8_192,
        timeout_keep_alive=3_600,  # the next round may come after the usual 5 s
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
