"""Outgoing calls: every form of a forbidden address is refused where it is connected to, and no answer is larger than allowed."""

import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from blubees.adapters.address_guard import judge_address
from blubees.adapters.http_dialer import AddressInfo, Resolve
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.certificates import make_certificate

CASES = Path(__file__).resolve().parents[3] / "shared" / "data" / "hostile" / "ssrf_cases_half.tsv"
FORBIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "3fff::1",
    "5f00::1",
    "2a00::5efe:127.0.0.1",
    "4000::1",
    "1::1",
    "nonsense",
]
ALLOWED = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "11.0.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_forbidden_address_is_refused(address: str) -> None:
    assert judge_address(address, 443, frozenset()) is not None


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_is_not(address: str) -> None:
    assert judge_address(address, 443, frozenset()) is None


def test_a_loopback_port_that_is_named_may_be_reached_and_nothing_else() -> None:
    assert judge_address("127.0.0.1", 8790, frozenset({8790})) is None
    assert judge_address("127.0.0.1", 8791, frozenset({8790})) == "loopback"
    assert judge_address("10.0.0.1", 8790, frozenset({8790})) == "private"
    assert judge_address("::ffff:127.0.0.1", 8790, frozenset({8790})) == "mapped"


def resolve_to(*addresses: str) -> Resolve:
    async def resolve(_host: str, port: int) -> list[AddressInfo]:
        families = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in addresses]
        return [(family, socket.SOCK_STREAM, 6, "", (each, port)) for family, each in zip(families, addresses, strict=True)]

    return resolve


async def answer(request: web.Request) -> web.Response:
    size = int(request.query.get("size", "10"))
    kind = request.path[1:]
    plain = b"a" * size
    packed = {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain), "raw": zlib.compress(plain)[2:-4]}
    if kind in packed:
        encoding = "gzip" if kind == "gzip" else "deflate"
        return web.Response(body=packed[kind], headers={"Content-Encoding": encoding})
    if kind == "cut":
        return web.Response(body=packed["gzip"][:-5], headers={"Content-Encoding": "gzip"})
    if kind == "brotli":
        return web.Response(body=b"x", headers={"Content-Encoding": "br"})
    if kind == "redirect":
        return web.Response(status=302, headers={"Location": request.query["to"]})
    if kind == "headers":
        return web.json_response({"authorization": request.headers.get("Authorization"), "method": request.method})
    return web.Response(body=plain)


async def start(ssl_context: ssl.SSLContext | None = None) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_route("*", "/{kind:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    return runner, runner.addresses[0][1]


@pytest.fixture
async def world() -> AsyncIterator[tuple[GuardedWebClient, str]]:
    runner, port = await start()
    client = GuardedWebClient(frozenset({port}))
    yield client, f"http://127.0.0.1:{port}"
    await client.close()
    await runner.cleanup()


async def get(client: GuardedWebClient, url: str, **more: Any) -> WebAnswer | WebFailure:
    return await client.call(WebRequest(method=more.pop("method", "GET"), url=url, **more))


@pytest.mark.parametrize("kind", ["plain", "gzip", "deflate", "raw"])
async def test_an_answer_is_read_up_to_its_limit_also_when_it_is_packed(world: tuple[GuardedWebClient, str], kind: str) -> None:
    client, url = world
    good = await get(client, f"{url}/{kind}?size=1000", answer_limit_bytes=1_000)
    assert isinstance(good, WebAnswer)
    assert good.body == b"a" * 1_000
    for size in (1_001, 50_000_000 if kind == "gzip" else 100_000):
        assert await get(client, f"{url}/{kind}?size={size}", answer_limit_bytes=1_000) == WebFailure(
            problem=WebProblem.TOO_LARGE
        )


@pytest.mark.parametrize("kind", ["cut", "brotli"])
async def test_a_broken_answer_is_told(world: tuple[GuardedWebClient, str], kind: str) -> None:
    assert await get(world[0], f"{world[1]}/{kind}") == WebFailure(problem=WebProblem.BROKEN_ANSWER)


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("https://10.0.0.1/", WebProblem.REFUSED_ADDRESS),
        ("http://127.0.0.1:1/", WebProblem.REFUSED_SCHEME),
        ("http://8.8.8.8/", WebProblem.REFUSED_SCHEME),
        ("file:///etc/passwd", WebProblem.REFUSED_URL),
        ("//[::ffff:10.0.0.1]/", WebProblem.REFUSED_SCHEME),
        ("https://a:b@8.8.8.8/", WebProblem.REFUSED_URL),
    ],
)
async def test_a_redirect_is_guarded_like_the_first_call(
    world: tuple[GuardedWebClient, str], to: str, problem: WebProblem
) -> None:
    found = await get(world[0], f"{world[1]}/redirect?to={to}", redirects=3)
    assert isinstance(found, WebFailure)
    assert found.problem is problem


async def test_a_credential_stays_with_its_origin() -> None:
    first, first_port = await start()
    second, second_port = await start()
    client = GuardedWebClient(frozenset({first_port, second_port}))
    headers = (("Authorization", "Bearer s"),)
    base = f"http://127.0.0.1:{first_port}/redirect?to="
    same = await get(client, f"{base}/headers", headers=headers, redirects=1)
    other = await get(
        client, f"{base}http://127.0.0.1:{second_port}/headers", headers=headers, redirects=1, method="POST", body=b"x"
    )
    await client.close()
    await first.cleanup()
    await second.cleanup()
    assert isinstance(same, WebAnswer)
    assert isinstance(other, WebAnswer)
    assert b'"Bearer s"' in same.body
    assert other.body == b'{"authorization": null, "method": "GET"}'


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com\\@127.0.0.1/", WebProblem.REFUSED_URL),
        ("https://user:secret@example.com/", WebProblem.REFUSED_URL),
        ("https://exa mple.com/", WebProblem.REFUSED_URL),
        ("https://example.com/\r\nX: y", WebProblem.REFUSED_URL),
        ("https:///x", WebProblem.REFUSED_URL),
        ("", WebProblem.REFUSED_URL),
        ("https://2130706433/", WebProblem.REFUSED_URL),
        ("https://0x7f.1/", WebProblem.REFUSED_URL),
        ("https://127.1/", WebProblem.REFUSED_URL),
        ("https://010.8.8.8/", WebProblem.REFUSED_URL),
        ("https://8.8.8.256/", WebProblem.REFUSED_URL),
        ("https://example.0x1./", WebProblem.REFUSED_URL),
        ("ftp://example.com/", WebProblem.REFUSED_SCHEME),
        ("http://example.com/", WebProblem.REFUSED_SCHEME),
    ],
)
async def test_an_odd_url_is_refused(world: tuple[GuardedWebClient, str], url: str, problem: WebProblem) -> None:
    found = await get(world[0], url)
    assert isinstance(found, WebFailure)
    assert found.problem is problem


@pytest.mark.parametrize(
    "headers", [(("X", "a\r\nY: b"),), (("X\n", "a"),), (("Host", "a"),), (("X", "\u20ac"),), (("", "a"),)]
)
async def test_an_odd_header_is_refused(world: tuple[GuardedWebClient, str], headers: Any) -> None:
    assert await get(world[0], world[1], headers=headers) == WebFailure(problem=WebProblem.REFUSED_HEADER)


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::1",), ("64:ff9b::7f00:1",)])
async def test_a_name_that_leads_inside_is_refused(addresses: tuple[str, ...]) -> None:
    client = GuardedWebClient(resolve=resolve_to(*addresses))
    found = await get(client, "https://rebind.example/")
    await client.close()
    assert isinstance(found, WebFailure)
    assert found.problem is WebProblem.REFUSED_ADDRESS


@pytest.mark.parametrize("case", ["good", "expired", "other host", "unknown authority", "TLS 1.1"])
async def test_tls_is_verified_whatever_is_asked(tmp_path: Path, case: str) -> None:
    certificate, key = make_certificate(
        tmp_path, "127.0.0.2" if case == "other host" else "127.0.0.1", expired=case == "expired"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if case == "TLS 1.1":
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    runner, port = await start(context)
    trusted = None if case == "unknown authority" else certificate
    client = GuardedWebClient(frozenset({port}), extra_ca_file=trusted)
    found = await get(client, f"https://127.0.0.1:{port}/plain")
    await client.close()
    await runner.cleanup()
    if case == "good":
        assert isinstance(found, WebAnswer)
    else:
        assert isinstance(found, WebFailure)
        assert found.problem in {WebProblem.TLS, WebProblem.UNREACHABLE}  # a refused handshake may end as a closed connection


async def test_a_call_ends_at_its_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = GuardedWebClient(frozenset({port}))
        found = await get(client, f"http://127.0.0.1:{port}/", timeout_seconds=0.2)
        await client.close()
    assert found == WebFailure(problem=WebProblem.TIMEOUT)


async def test_the_collected_spellings_of_forbidden_addresses_are_refused() -> None:
    if not CASES.exists():
        pytest.skip("../shared/data/hostile is not here")
    client = GuardedWebClient()
    rows = [line.split("\t") for line in CASES.read_text().splitlines()[1:]]
    for kind, form, *_ in rows:
        host = f"[{form}]" if ":" in form and not form.startswith("[") else form
        url = form if "://" in form else f"https://{host}/"
        found = await get(client, url, timeout_seconds=3)
        assert isinstance(found, WebFailure), (kind, form)
        assert found.problem in {
            WebProblem.REFUSED_ADDRESS,
            WebProblem.REFUSED_URL,
            WebProblem.REFUSED_SCHEME,
            WebProblem.UNREACHABLE,
        }
    await client.close()


async def test_the_tenants_rules_hold_for_every_call_and_every_redirect() -> None:
    runner, port = await start()
    mine = TenantId("t" + "a" * 24)
    judges = {mine: HostJudge((), ("localhost", "evil.example"))}
    client = GuardedWebClient(frozenset({port}), find_judge=judges.get)
    base, other = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    refused = WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
    try:
        for url in (
            f"{other}/plain",
            f"{base}/redirect?to={other}/plain",
            "https://evil.example./",
            "https://EVIL.example:8443/",
        ):
            assert await get(client, url, redirects=2, tenant=mine) == refused
        for more in ({"tenant": mine, "is_ours": True}, {"tenant": TenantId("t" + "b" * 24)}, {}):
            assert isinstance(await get(client, f"{base}/redirect?to={other}/plain", redirects=2, **more), WebAnswer)
        assert isinstance(await get(client, f"{base}/plain", tenant=mine), WebAnswer)
    finally:
        await client.close()
        await runner.cleanup()
