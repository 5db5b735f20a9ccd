"""The operator's client: what it makes of answers that are none."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from blubees.main.operator_client import OperatorClient
from blubees.model.errors import InputError, UnavailableError


class _Fake(BaseHTTPRequestHandler):
    status, content = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (500, b"Internal Server Error", UnavailableError, "no JSON"),
        (200, b"<html>", UnavailableError, "no JSON"),
        (503, b'{"error": "Not now."}', UnavailableError, "Not now."),
        (400, b'{"error": "Not so."}', InputError, "Not so."),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_sentence(status: int, content: bytes, kind: type[Exception], words: str) -> None:
    handler = type("Handler", (_Fake,), {"status": status, "content": content})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(kind, match=words):
            OperatorClient(f"http://127.0.0.1:{server.server_port}", "token").get("/tenants")
        thread.join()
