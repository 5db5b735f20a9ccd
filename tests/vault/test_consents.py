"""Consents: a state that is good once, for what was asked, and for nobody else; codes of devices; answers that are mixed up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from blubees.model.connection import Connection, ConnectionKind
from blubees.model.errors import InputError, MissingError
from blubees.model.grant import Consent, ConsentState
from blubees.model.ids import ConnectionName, TenantId
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.consents import ConsentService
from fakes.grants import BACK, NAME, A, World, run_world
from fakes.oauth_server import OAuthServer

B = TenantId("t" + "b" * 24)


class Asking:
    """A control plane that asks people."""

    def __init__(self, world: World) -> None:
        self.world, self.process = world, world.start()
        self.cookies: dict[str, str] = {}
        process = self.process
        keyring = Keyring(world.database.keys, world.provider, process.chance, world.clock)
        self.service = ConsentService(
            process.vault, world.database.grants, process.keeper, keyring, process.web, world.clock, process.chance,
            process.tell, callback=BACK, choose_scopes=self.choose,
        )  # fmt: skip

    async def choose(self, connection: Connection) -> tuple[str, ...]:
        return tuple(connection.settings.get("scopes", "").split())

    async def begin(self) -> tuple[str, str]:
        """Gives the question's mark, and the query with which the browser comes back after a yes."""
        begun = await self.service.begin(A, NAME, "5b10:me")
        return begun.consent, urlsplit(self.world.server.consent(await self.go_on(begun.url))).query

    async def go_on(self, url: str) -> str:
        """A person goes on from our page: gives the vendor's address."""
        assert url.startswith(BACK.replace("callback", "start?"))
        going = await self.service.go_on(parse_qs(urlsplit(url).query)["state"][0])
        assert going is not None
        self.cookies[going.cookie] = going.proof
        return going.url

    async def take(self, pairs: dict[str, str]) -> Consent | None:
        return await self.service.take_answer(pairs, self.cookies)

    async def answer(self, query: str) -> Consent | None:
        return await self.take(dict(parse_qsl(query)))


@pytest.fixture
async def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    async with run_world(tmp_path, monkeypatch) as world:
        made = Asking(world)
        yield made
        await made.service.close()


async def test_a_yes_gives_a_grant_and_is_good_once(asking: Asking) -> None:
    await asking.world.save()
    mark, query = await asking.begin()
    assert (await asking.service.find(A, mark)).state is ConsentState.OPEN
    done = await asking.answer(query)
    assert done is not None
    assert (done.state, done.connection, done.by) == (ConsentState.DONE, NAME, "5b10:me")
    assert (await asking.process.lease()).secret in asking.world.server.access_tokens
    assert asking.process.lived == [NAME]
    assert (await asking.service.find(A, mark)).sealed == b""
    asked = len(asking.world.server.asked)
    assert await asking.answer(query) is None, "a second time"
    assert len(asking.world.server.asked) == asked
    with pytest.raises(MissingError):
        await asking.service.find(B, mark)


async def test_of_two_that_come_at_once_one_is_taken(asking: Asking) -> None:
    await asking.world.save()
    _, query = await asking.begin()
    found = await asyncio.gather(*(asking.answer(query) for _ in range(5)))
    assert sum(each is not None for each in found) == 1
    assert asking.world.server.count("authorization_code") == 1


async def test_a_state_that_was_not_drawn_here_opens_nothing(asking: Asking) -> None:
    await asking.world.save()
    mark, query = await asking.begin()
    pairs = dict(parse_qsl(query))
    state = pairs["state"]
    for forged in (
        "",
        state[:-1] + ("A" if state[-1] != "A" else "B"),
        state.replace(A, B),
        mark,
        f"{A}.{'x' * 43}",
        "\x00" * 9,
    ):
        assert await asking.take({**pairs, "state": forged}) is None
    assert asking.world.server.asked == []
    assert await asking.answer(query) is not None


async def test_its_time_is_over_after_ten_minutes(asking: Asking) -> None:
    await asking.world.save()
    mark, query = await asking.begin()
    asking.world.clock.advance(600)
    assert await asking.answer(query) is None
    late = await asking.service.find(A, mark)
    assert (late.state, late.outcome) == (ConsentState.FAILED, "expired")


@pytest.mark.parametrize(
    "change", [{"token_url": "https://evil.example.com/t"}, {"client_id": "another"}, {"scopes": "read write"}]
)
async def test_what_the_connection_was_then_is_what_counts(asking: Asking, change: dict[str, str]) -> None:
    await asking.world.save()
    _, query = await asking.begin()
    opened = await asking.world.opened()
    await asking.process.vault.replace_fields(A, NAME, opened.connection.version, {}, change)
    done = await asking.answer(query)
    assert done is not None
    assert (done.state, done.outcome) == (ConsentState.FAILED, "changed")
    assert asking.world.server.asked == [], "the code went nowhere"


async def test_a_connection_that_was_made_anew_is_another(asking: Asking) -> None:
    await asking.world.save()
    _, query = await asking.begin()
    await asking.process.vault.delete(A, NAME)
    assert await asking.answer(query) is None, "its question went with it"
    await asking.world.save()
    assert await asking.answer(query) is None


async def test_an_answer_of_another_issuer_is_not_taken(asking: Asking) -> None:
    server: OAuthServer = asking.world.server
    server.issuer = server.url
    await asking.world.save(issuer=server.url)
    _, query = await asking.begin()
    assert parse_qs(query)["iss"] == [server.url]
    done = await asking.answer(query)
    assert done is not None
    assert done.state is ConsentState.DONE
    for iss in ("", "https://evil.example.com"):
        _, query = await asking.begin()
        pairs = {**dict(parse_qsl(query)), "iss": iss}
        refused = await asking.take({name: text for name, text in pairs.items() if text})
        assert refused is not None
        assert refused.outcome == "issuer"
    await asking.world.save()
    server.issuer = "https://evil.example.com/login"
    _, query = await asking.begin()
    mixed = await asking.answer(query)
    assert mixed is not None
    assert mixed.outcome == "issuer", "of another host than the authorize URL, where none is named"


async def test_a_no_is_told_as_such_and_what_the_vendor_says_is_not_told_on(asking: Asking) -> None:
    await asking.world.save()
    begun = await asking.service.begin(A, NAME, "me")
    done = await asking.answer(urlsplit(asking.world.server.consent(await asking.go_on(begun.url), says_yes=False)).query)
    assert done is not None
    assert (done.state, done.outcome) == (ConsentState.FAILED, "denied")
    begun = await asking.service.begin(A, NAME, "me")
    await asking.go_on(begun.url)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    done = await asking.take({"state": state, "error": "<script>", "error_description": "leak"})
    assert done is not None
    assert done.outcome == "refused"
    assert "leak" not in repr(done)


async def test_a_wrong_code_gives_no_grant(asking: Asking) -> None:
    await asking.world.save()
    _, query = await asking.begin()
    done = await asking.take({**dict(parse_qsl(query)), "code": "stolen-from-elsewhere"})
    assert done is not None
    assert done.outcome == "dead"


async def test_a_code_is_typed_at_another_device(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.vault.oauth.consents.INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr("blubees.vault.oauth.consents._read_seconds", lambda _value, default: min(default, 600))
    world = asking.world
    world.server.interval = 0
    await world.save(ConnectionKind.OAUTH2_DEVICE, device_url=world.server.url + "/device")
    begun = await asking.service.begin(A, NAME, "me")
    assert begun.user_code in begun.url_with_code
    assert begun.url == world.server.url + "/activate"
    while world.server.count("urn:ietf:params:oauth:grant-type:device_code") < 2:  # noqa: ASYNC110 - it asks by itself
        await asyncio.sleep(0.01)
    assert (await asking.service.find(A, begun.consent)).state is ConsentState.OPEN
    world.server.said[begun.user_code] = True
    while (await asking.service.find(A, begun.consent)).state is ConsentState.OPEN:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    assert (await asking.service.find(A, begun.consent)).state is ConsentState.DONE
    assert (await asking.process.lease()).secret in world.server.access_tokens


async def test_who_asks_nobody_has_nothing_to_authorize(asking: Asking) -> None:
    await asking.world.save(ConnectionKind.OAUTH2_CLIENT)
    with pytest.raises(InputError, match="asks nobody"):
        await asking.service.begin(A, NAME, "me")
    with pytest.raises(MissingError):
        await asking.service.begin(A, ConnectionName("other"), "me")


def read_database(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("db.sqlite3*"))


async def test_nothing_of_it_is_kept_in_clear(asking: Asking, tmp_path: Path) -> None:
    await asking.world.save()
    _, query = await asking.begin()
    pairs = dict(parse_qsl(query))
    await asking.answer(query)
    opened = await asking.world.opened()
    kept = read_database(tmp_path)
    for secret in (pairs["state"], pairs["code"], opened.secrets["access_token"], opened.secrets["refresh_token"]):
        assert secret.encode() not in kept
