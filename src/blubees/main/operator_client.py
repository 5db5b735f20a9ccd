"""Talks to the operator API of the control plane on this machine. Used by the CLI and the demo."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blubees.model.errors import InputError, UnavailableError

TIMEOUT_SECONDS = 25.0  # a token may have to be fetched


class OperatorClient:
    """A client. Errors of the service come as BluBeesError with the service's own sentence."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._token = parts.hostname or "127.0.0.1", parts.port or 80, token

    @classmethod
    def from_folder(cls, data: Path) -> "OperatorClient":
        """Make one from what the running service wrote into its data folder.

        Raises:
            UnavailableError: no service runs with that folder.
        """
        try:
            facts = json.loads((data / "operator.json").read_text())
        except FileNotFoundError:
            raise UnavailableError(
                f"No BluBees runs with the data folder {data}. Start it (blubees serve), or name its folder: --data DIR."
            ) from None
        return cls(facts["url"], facts["token"])

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """GET."""
        return self._ask("GET", path, b"", "")

    def put(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """PUT JSON."""
        return self._ask("PUT", path, json.dumps(body).encode(), "application/json")

    def put_text(self, path: str, text: str) -> Any:  # noqa: ANN401 - JSON
        """PUT a text."""
        return self._ask("PUT", path, text.encode(errors="replace"), "text/plain; charset=utf-8")

    def post(self, path: str, body: object = None, *, seconds: float = TIMEOUT_SECONDS) -> Any:  # noqa: ANN401 - JSON
        """POST JSON, or nothing."""
        return self._ask("POST", path, b"" if body is None else json.dumps(body).encode(), "application/json", seconds)

    def patch(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """PATCH JSON."""
        return self._ask("PATCH", path, json.dumps(body).encode(), "application/json")

    def delete(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """DELETE."""
        return self._ask("DELETE", path, b"", "")

    def choose_tenant(self, tenant: str) -> str:
        """Give the tenant that was named, or the only one there is. Raises InputError."""
        if tenant:
            return tenant
        known = [str(each["tenant"]) for each in self.get("/tenants")]
        if len(known) == 1:
            return known[0]
        raise InputError(f"{len(known)} tenants are known; name one: --tenant T. `blubees tenants list` shows them.")

    def _ask(self, method: str, path: str, body: bytes, content_type: str, seconds: float = TIMEOUT_SECONDS) -> Any:  # noqa: ANN401 - JSON
        connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Length": str(len(body))}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, f"/operator/v1{path}", body=body or None, headers=headers)
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise UnavailableError("The control plane does not answer. Is BluBees still running?") from error
        finally:
            connection.close()
        try:
            answer = json.loads(content or b"null")
        except ValueError:
            raise UnavailableError("The control plane failed: what it answered is no JSON. Its log says more.") from None
        if response.status >= 500:  # noqa: PLR2004 - RFC 9110
            raise UnavailableError(answer.get("error", "The control plane failed."))
        if response.status >= 400:  # noqa: PLR2004 - RFC 9110
            raise InputError(answer.get("error", "The request was refused."), tuple(answer.get("problems", ())))
        return answer
