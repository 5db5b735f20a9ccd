"""A client of ours registers itself, and nothing that an authorization server answers is taken as it comes."""

import json
from typing import Any

import pytest

from blubees.connectors.mcp.registration import Client, register_client
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode

PLACE = "https://as.example/register"
BACK = "https://blubees.example/oauth/callback"


class Server:
    """An authorization server that answers so."""

    def __init__(self, status: int, told: Any) -> None:
        self.status, self.told = status, told
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        return CallAnswer(
            status=self.status, body=self.told if isinstance(self.told, bytes) else json.dumps(self.told).encode()
        )

    @property
    def asked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.calls[0].body)
        return found


async def register(server: Server, back: str = BACK, auth: str = "basic") -> Client | Failure:
    return await register_client(server, PLACE, redirect_url=back, client_auth=auth, scopes="read write")


async def test_a_client_registers_itself() -> None:
    server = Server(201, {"client_id": "c1", "client_secret": "s3cret", "client_secret_expires_at": 0})
    client = await register(server)
    assert client == Client(client_id="c1", secret="s3cret", client_auth="basic")
    assert "s3cret" not in repr(client)
    assert server.asked == {
        "client_name": "BluBees",
        "redirect_uris": [BACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
        "scope": "read write",
    }
    call = server.calls[0]
    assert (call.url, call.method, call.connection) == (PLACE, "POST", "")


@pytest.mark.parametrize(
    ("auth", "asked"),
    [("none", "none"), ("body", "client_secret_post"), ("basic", "client_secret_basic"), ("", "client_secret_basic")],
)
async def test_it_says_who_it_is_as_the_server_can_read_it(auth: str, asked: str) -> None:
    server = Server(201, {"client_id": "c1", "client_secret": "" if auth == "none" else "s"})
    client = await register(server, auth=auth)
    assert isinstance(client, Client)
    assert server.asked["token_endpoint_auth_method"] == asked
    assert client.client_auth == (auth or "basic")


async def test_what_the_server_puts_in_the_place_of_ours_counts() -> None:
    told = {
        "client_id": "c1",
        "client_secret": "s",
        "token_endpoint_auth_method": "client_secret_post",
        "redirect_uris": [BACK],
    }
    assert await register(Server(200, told)) == Client(client_id="c1", secret="s", client_auth="body")
    told |= {"token_endpoint_auth_method": "none"}
    assert await register(Server(200, told)) == Client(client_id="c1", secret="", client_auth="none")


async def test_a_place_on_this_machine_is_a_native_application() -> None:
    server = Server(201, {"client_id": "c1", "client_secret": "s"})
    assert isinstance(await register(server, "http://127.0.0.1:8781/oauth/callback"), Client)
    assert server.asked["application_type"] == "native"


@pytest.mark.parametrize(
    ("status", "told", "detail"),
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "canary"}, "invalid_redirect_uri"),
        (400, {"error": "canary"}, "registration"),
        (401, b"canary", "registration"),
        (404, b"", "registration"),
        (302, {"client_id": "c1"}, "registration"),
        (201, b"[]", "registration"),
        (201, {}, "registration"),
        (201, {"client_id": 7}, "registration"),
        (201, {"client_id": ""}, "registration"),
        (201, {"client_id": "a b"}, "registration"),
        (201, {"client_id": "x" * 1_001}, "registration"),
        (201, {"client_id": "c1", "client_secret": 7}, "registration"),
        (201, {"client_id": "c1", "client_secret": "a\nb"}, "registration"),
        (201, {"client_id": "c1"}, "invalid_client_metadata"),
        (
            201,
            {"client_id": "c1", "client_secret": "s", "token_endpoint_auth_method": "private_key_jwt"},
            "invalid_client_metadata",
        ),
        (201, {"client_id": "c1", "client_secret": "s", "redirect_uris": ["https://other.example"]}, "invalid_redirect_uri"),
        (201, {"client_id": "c1", "client_secret": "s", "redirect_uris": BACK}, "invalid_redirect_uri"),
    ],
)
async def test_what_is_no_client_is_refused_without_a_strangers_words(status: int, told: Any, detail: str) -> None:
    refused = await register(Server(status, told))
    assert refused == Failure(code=FailureCode.REQUEST_REFUSED, http_status=status, detail=detail)


async def test_a_failure_on_the_way_is_told_as_it_is() -> None:
    failure = Failure(code=FailureCode.EGRESS_REFUSED, detail="host_rules")

    async def refuse(_call: Call) -> Failure:
        return failure

    assert await register_client(refuse, PLACE, redirect_url=BACK, client_auth="none") == failure
