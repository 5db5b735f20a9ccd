"""Who may finish a consent: the browser that was sent to the vendor from our own page, and no other."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from fastapi import FastAPI

from blubees.doors.operator_grants import callback_route, start_routes
from blubees.model.connection import Connection
from blubees.operations.grants import GrantDesk, ScopeChooser
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.consents import ConsentService
from fakes.grants import NAME, A, World, run_world
from fakes.third_parties import serve


class Door:
    """A control plane's door, and browsers before it."""

    def __init__(self, world: World) -> None:
        self.world, process = world, world.start()
        world.server.clients["app"].redirect_uris = ("*",)
        keyring = Keyring(world.database.keys, world.provider, process.chance, world.clock)
        scopes = ScopeChooser(self.list_none)
        self.consents = ConsentService(
            process.vault, world.database.grants, process.keeper, keyring, process.web, world.clock, process.chance,
            process.tell, callback="", choose_scopes=scopes.choose,
        )  # fmt: skip
        self.desk = GrantDesk(process.vault, process.grants, self.consents, scopes)

    async def list_none(self, _connection: Connection) -> tuple[str, ...]:
        return ()

    def make_app(self, port: int) -> FastAPI:
        self.consents.callback = f"http://127.0.0.1:{port}/oauth/callback"
        app = FastAPI()
        app.include_router(callback_route(self.desk))
        app.include_router(start_routes(self.desk))
        return app

    async def ask(self, by: str = "operator") -> str:
        """Somebody asks: gives the address of our own page."""
        return (await self.desk.authorize(A, NAME, by)).url

    async def has_grant(self) -> bool:
        return await self.world.database.grants.load(A, NAME) is not None


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    async with run_world(tmp_path, monkeypatch) as world:
        made = Door(world)
        await world.save()
        async with serve(made.make_app):
            yield made
        await made.consents.close()


@pytest.fixture
async def browsers() -> AsyncIterator[list[aiohttp.ClientSession]]:
    made = [aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) for _ in range(2)]
    yield made
    for each in made:
        await each.close()


async def read_nonce(browser: aiohttp.ClientSession, url: str) -> str:
    async with browser.get(url) as page:
        assert page.status == 200
        found = re.search(r'name="nonce" value="([A-Za-z0-9_-]{43})"', await page.text())
        assert found is not None
        return found[1]


async def go_on(browser: aiohttp.ClientSession, url: str, nonce: str) -> str:
    """Press the button; gives the vendor's address, or nothing."""
    async with browser.post(url, data={"nonce": nonce}, allow_redirects=False) as away:
        assert away.status in {303, 400}
        return away.headers.get("Location", "")


async def come_back(browser: aiohttp.ClientSession, url: str) -> int:
    async with browser.get(url) as page:
        return page.status


async def test_who_asked_goes_to_the_vendor_from_our_page_and_comes_back(
    door: Door, browsers: list[aiohttp.ClientSession]
) -> None:
    mine, _ = browsers
    url = await door.ask()
    back = door.world.server.consent(await go_on(mine, url, await read_nonce(mine, url)))
    assert await come_back(mine, back) == 200
    assert await door.has_grant()
    assert await come_back(mine, back) == 400, "once"


@pytest.mark.parametrize("body", ["&".join(f"a{number}=1" for number in range(50)), "nonce", "nonce=\xe4", ""])
async def test_a_form_that_is_none_of_ours_is_refused(door: Door, browsers: list[aiohttp.ClientSession], body: str) -> None:
    mine, _ = browsers
    url = await door.ask()
    await read_nonce(mine, url)
    async with mine.post(url, data=body.encode("latin-1"), allow_redirects=False) as answer:
        assert answer.status == 400


async def test_a_vendors_address_that_is_sent_to_another_plants_no_grant_of_theirs_into_mine(
    door: Door, browsers: list[aiohttp.ClientSession]
) -> None:
    mine, theirs = browsers
    url = await door.ask()
    sent = await go_on(mine, url, await read_nonce(mine, url))
    assert await come_back(theirs, door.world.server.consent(sent, user="victim")) == 400
    assert door.world.server.asked == [], "their code was not used"
    assert not await door.has_grant()
    assert await come_back(mine, door.world.server.consent(sent, user="me")) == 200, "and the question stayed open"


async def test_an_answer_that_is_sent_to_another_plants_no_grant_of_mine_into_theirs(
    door: Door, browsers: list[aiohttp.ClientSession]
) -> None:
    mine, theirs = browsers
    first, second = await door.ask(), await door.ask()
    assert await go_on(theirs, second, await read_nonce(theirs, second)), "they have a question of their own open"
    back = door.world.server.consent(await go_on(mine, first, await read_nonce(mine, first)))
    assert await come_back(theirs, back) == 400, "the cookie of another question is none"
    assert door.world.server.asked == []
    assert not await door.has_grant()


async def test_no_other_site_can_press_the_button_for_them(door: Door, browsers: list[aiohttp.ClientSession]) -> None:
    mine, theirs = browsers
    url = await door.ask()
    nonce = await read_nonce(mine, url)
    assert await go_on(theirs, url, "") == ""
    assert await go_on(theirs, url, nonce) == "", "they have not read the page"
    await read_nonce(theirs, url)
    assert await go_on(theirs, url, nonce) == "", "that was another's page"
    assert await go_on(mine, url, nonce) != ""


async def test_the_page_tells_what_is_asked_and_by_whom_and_its_cookies_are_kept_close(
    door: Door, browsers: list[aiohttp.ClientSession]
) -> None:
    mine, _ = browsers
    url = await door.ask("<b>5b10")
    async with mine.get(url) as page:
        text, cookie = await page.text(), page.headers["Set-Cookie"]
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert f"Connect {NAME}?" in text
    assert "&lt;b&gt;5b10 has asked" in text
    assert "127.0.0.1" in text
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=600" in cookie
    assert "Secure" not in cookie
    door.consents.callback = "https://bees.example.com/oauth/callback"
    async with mine.get(url) as page:
        assert page.headers["Set-Cookie"].startswith("__Host-blubees-consent-")
        assert "; Secure" in page.headers["Set-Cookie"]
    async with mine.get(url.partition("?")[0]) as page:
        assert page.status == 400


async def test_a_question_whose_time_is_over_or_whose_connection_was_changed_begins_nothing(
    door: Door, browsers: list[aiohttp.ClientSession]
) -> None:
    mine, _ = browsers
    url = await door.ask()
    nonce = await read_nonce(mine, url)
    opened = await door.world.opened()
    await door.world.processes[0].vault.replace_fields(A, NAME, opened.connection.version, {}, {"client_id": "other"})
    assert await go_on(mine, url, nonce) == ""
    door.world.clock.advance(600)
    assert await come_back(mine, url) == 400
