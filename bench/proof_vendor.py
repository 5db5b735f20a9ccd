"""A hostile third party for `make proof`: what it was told comes back in headers, ids, addresses, cookies and broken bodies.

Used by bench/proof_doors.py. Its modes are the first part of the path, `/MODE/anything`.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

REFUSALS: Final = (
    "refuse",
    "busy",
    "broken",
    "forbidden",
    "odd-id",
    "cookie",
    "away",
    "not-json",
    "not-gzip",
    "cut",
    "not-http",
    "long-header",
)


class Vendor:
    """The server. `mended` has `/broken-once` answer well; what was posted to `/keep` is in `kept`."""

    def __init__(self) -> None:
        self.mended, self.kept = threading.Event(), list[Any]()
        self._server = _QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"vendor": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Callers hang up in the middle: wanted."""


class _Handler(BaseHTTPRequestHandler):
    vendor: Vendor
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.path.split("/")[1]
        text = raw.decode(errors="replace")
        told = json.loads(raw).get("c", "") if raw.startswith(b"{") else ""
        if mode == "slow":
            time.sleep(4)
        if mode == "keep":
            self.vendor.kept.append(json.loads(raw))
        if mode == "not-http":
            self.wfile.write(raw + b"\r\n\r\n")
            self.close_connection = True
            return
        answers: dict[str, tuple[int, str, dict[str, str], bytes]] = {
            "refuse": (400, told, {f"X-{told}": told, "WWW-Authenticate": told, "ETag": told, "Server": told}, raw),
            "busy": (429, "", {"Retry-After": told, "Date": told}, raw),
            "broken": (500, told, {"Warning": f"199 - {told}", "Content-Type": f"text/{told}; charset={told}"}, raw),
            "forbidden": (403, "", {"Location": told}, raw),
            "odd-id": (
                400,
                "",
                {"X-Request-Id": f"no id: {told}", "CF-Ray": f"{told} {told}", "traceparent": f'"{told}"'},
                raw,
            ),
            "cookie": (404, "", {"Set-Cookie": f"{told}={told}; Path=/{told}"}, raw),
            "away": (302, "", {"Location": f"http://10.0.0.1/{told}?{told}"}, b""),
            "not-json": (200, "", {"Content-Type": "application/json"}, b'{"a": ' + raw),
            "not-gzip": (200, "", {"Content-Encoding": "gzip"}, raw),
            "cut": (200, "", {"Content-Length": str(len(raw) + 999)}, raw),
            "long-header": (200, "", {"X-Long": told * 9_000}, raw),
            "declared-id": (400, "", {"X-Request-Id": told}, raw),
        }
        if mode == "broken-once" and not self.vendor.mended.is_set():
            mode = "broken"
        status, reason, headers, body = answers.get(mode, (200, "", {}, text.encode()))
        self.send_response_only(status, reason or None)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = mode == "cut"

    def log_message(self, *_: object) -> None:
        """Say nothing."""
